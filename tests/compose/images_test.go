package compose

import (
	"go/version"
	"regexp"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/stretchr/testify/require"
)

// deprecated are images that must not be used, by a part of their names. Temporal: see the archived notices of
// github.com/temporalio/docker-compose and hub.docker.com/r/temporalio/auto-setup. Bitnami took its free images away in
// 2025 (github.com/bitnami/containers/issues/83267).
var deprecated = []string{"temporalio/auto-setup", "temporalio/docker-compose", "temporalio/temporalite", "bitnami/", "bitnamilegacy/"}

// pulled are the images of others, in docker-compose.yml and in the Dockerfile, by name, with their tags.
func pulled(t *testing.T) map[string]string {
	t.Helper()
	var refs []string
	for name, s := range all(t) {
		require.True(t, (s.Build == nil) != (s.Image == ""), "%s is either built or pulled", name)
		if s.Image != "" {
			refs = append(refs, s.Image)
		}
	}
	stages := dockerfile(t)
	for _, s := range stages {
		if stages[s.base] == nil && s.base != "scratch" {
			refs = append(refs, s.base)
		}
	}
	tags := map[string]string{}
	for _, ref := range refs {
		named, err := reference.ParseNormalizedNamed(ref)
		require.NoError(t, err, ref)
		tagged, ok := named.(reference.Tagged)
		require.True(t, ok, "%s has no tag, which is latest", ref)
		name := reference.FamiliarName(named)
		if other, ok := tags[name]; ok {
			require.Equal(t, other, tagged.Tag(), "%s has one version everywhere", name)
		}
		tags[name] = tagged.Tag()
	}
	return tags
}

func TestImagesArePinned(t *testing.T) {
	whole := regexp.MustCompile(`^v?\d+\.\d+\.\d+($|-)`)
	for name, tag := range pulled(t) {
		require.Regexp(t, whole, tag, "%s: a tag of all three numbers does not move to another version", name)
		for _, d := range deprecated {
			require.NotContains(t, name, d)
		}
	}
}

// The containers run what the tests run, as far as such an image is published.
func TestImagesAreOfTheTestbedsVersions(t *testing.T) {
	tags := pulled(t)
	require.Equal(t, strings.TrimPrefix(pinned(t, "temporal", "github.com/temporalio/cli"), "v"), tags["temporalio/temporal"])
	kubernetes := pinned(t, "kubernetes", "k8s.io/kubernetes")
	require.Equal(t, kubernetes, tags["registry.k8s.io/kubectl"])
	kwok, k8s, ok := strings.Cut(tags["registry.k8s.io/kwok/cluster"], "-k8s.")
	require.True(t, ok)
	require.Equal(t, pinned(t, "kwok", "sigs.k8s.io/kwok"), kwok)
	require.Equal(t, minor(kubernetes), minor(k8s))

	wanted := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(read(t, "go.mod"))
	require.NotNil(t, wanted)
	image, _, _ := strings.Cut(tags["golang"], "-")
	require.GreaterOrEqual(t, version.Compare("go"+image, "go"+string(wanted[1])), 0, "golang:%s cannot build go %s", image, wanted[1])
}

// minor is v1.36 of v1.36.3.
func minor(v string) string { return v[:max(strings.LastIndexByte(v, '.'), 0)] }

// pinned is the version of a module in the go.mod of a tool.
func pinned(t *testing.T, tool, module string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(read(t, "tools/"+tool+"/go.mod"))
	require.NotNil(t, found, "tools/%s does not pin %s", tool, module)
	return string(found[1])
}
