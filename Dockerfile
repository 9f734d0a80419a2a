# Floe's two programs, each in an image that holds nothing else but the public certificates and a wget for health checks.
#
#   docker build --target worker --build-arg VERSION=v1.2.3 --tag floe-worker:v1.2.3 .
#   docker build --target floe   --build-arg VERSION=v1.2.3 --tag floe:v1.2.3 .

FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=devel
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    mkdir /out && \
    export CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOFLAGS=-buildvcs=false && \
    flags="-s -w -X floe.dev/floe/internal/version.linked=$VERSION" && \
    go build -trimpath -ldflags "$flags" -o /out/worker ./worker && \
    go build -trimpath -ldflags "$flags" -o /out/floe ./starter

# A static busybox that runs as whatever it is called by.
FROM busybox:1.37.0-musl AS busybox

FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=busybox /bin/wget /bin/wget
USER 65532:65532

FROM base AS worker
COPY --from=build /out/worker /bin/worker
ENTRYPOINT ["/bin/worker"]

FROM base AS floe
COPY --from=build /out/floe /bin/floe
ENTRYPOINT ["/bin/floe"]
