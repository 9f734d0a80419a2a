# Everything that is built, run or checked here. `make help` lists the targets.
# Needs Go 1.26, make and a C compiler; every other program is built from the pins under tools/.

# Packages tested at the same time: each may run a whole control plane.
P ?= 2
# How long the tests of one package may take.
TIMEOUT ?= 20m
# Tests and packages to run: make test PKG=./internal/planner/... RUN=Spread
PKG ?= ./...
RUN ?= .
# demo: KEEP=1 keeps it up until Ctrl-C.
KEEP ?=
# sim-conformance: the endpoint to check. Empty is our own simulator.
ENDPOINT ?=
# bench-planner: a CSV file of pods (columns name,cpu_milli,memory_mib) to plan too.
PODS ?=
# bench: a folder of recorded spot availability to replay ways of falling back on.
TRACES ?=
# fuzz: for how long each of the four targets runs.
FUZZTIME ?= 15s

# Builds need no history, and must not fail where git refuses to show it (another user's checkout, an archive).
export GOFLAGS ?= -buildvcs=false

tool = $$(go run ./tools/build -path $(1))

.DEFAULT_GOAL := help
.PHONY: help build demo test test-long lint bench bench-planner fuzz sim-conformance tools generate clean clean-cache

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build worker and floe into bin/.
	@mkdir -p bin
	go build -ldflags "-s -w" -o bin/worker ./worker
	go build -ldflags "-s -w" -o bin/floe ./starter

demo: build ## Show the main job on real control planes: pending pods become ready nodes. KEEP=1 stays up.
	@bin/floe demo $(if $(KEEP),--keep)

test: tools ## Run every test, on the same real parts as the demo. PKG, RUN and P narrow it.
	@$(call tool,gotestsum) --format pkgname --format-hide-empty-pkg -- -count=1 -timeout $(TIMEOUT) -p $(P) -run '$(RUN)' $(PKG)

test-long: ## The same with the long cases: the store away for a full minute, 10,000 trials of planner against scheduler.
	@FLOE_LONG=1 $(MAKE) -s test TIMEOUT=120m

lint: ## Check format, vet, staticcheck, determinism of workflows, and that generated files are up to date.
	@go run ./tools/build lint >/dev/null
	@echo "gofumpt"; files=$$(git ls-files '*.go' | xargs $(call tool,gofumpt) -l) && if [ -n "$$files" ]; then echo "not formatted by gofumpt:"; echo "$$files"; exit 1; fi
	@echo "vet"; go vet ./...
	@echo "staticcheck"; $(call tool,staticcheck) ./...
	@echo "workflowcheck"; $(call tool,workflowcheck) ./workflows/...
	@echo "generated files"; before=$$(git diff HEAD | cksum); $(MAKE) -s generate; \
	if [ "$$before" != "$$(git diff HEAD | cksum)" ]; then \
		echo "generated files were out of date; they are written anew now, commit them:"; git status --short; exit 1; \
	fi

bench: tools ## Measure Floe on a testbed and print one table, then the pure packages' benchmarks. RUN chooses by name.
	@go run ./tests/bench -run '$(RUN)' $(if $(TRACES),-traces '$(abspath $(TRACES))')
	@go test -count=1 -timeout 60m -p 1 -run '^$$' -bench '$(RUN)' -benchmem ./internal/...

bench-planner: ## Run Floe's planner and Karpenter's scheduler on the same pods, types and prices. PODS=FILE adds a trace.
	@cd tests/bench/planner && go run . -run '$(RUN)' $(if $(PODS),-pods '$(abspath $(PODS))')

fuzz: ## Fuzz what the simulated AWS reads, for a minute; FUZZTIME is that of each of four targets.
	go test ./internal/sim/query -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME)
	go test ./internal/sim/ec2 -run '^$$' -fuzz '^FuzzDo$$' -fuzztime $(FUZZTIME)
	go test ./internal/sim/awsjson -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME)
	go test ./internal/sim/sqs -run '^$$' -fuzz '^FuzzDo$$' -fuzztime $(FUZZTIME)

sim-conformance: ## Check an AWS endpoint against AWS's documentation: ENDPOINT=http://…, or our simulator without.
	ENDPOINT=$(ENDPOINT) go test -count=1 -v -run '^TestConformance$$' ./tests/conformance

tools: ## Build the pinned programs that tests and demo run, once; they stay in the user's cache.
	@go run ./tools/build testbed gotestsum >/dev/null

generate: ## Write generated files anew: deep copies, CRD, JSON schema.
	@go generate ./...

clean: ## Remove bin/.
	rm -rf bin

clean-cache: ## Remove the built tools from the user's cache: the next test or demo builds them again.
	@go run ./tools/build -clean
