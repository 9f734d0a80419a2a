package pools

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/dynamic"

	"floe.dev/floe/internal/testbed"
)

func manifest(name, family, cpus string) []byte {
	return fmt.Appendf(nil, `
apiVersion: floe.dev/v1alpha1
kind: NodePool
metadata: {name: %s}
spec:
  launchTemplate: {name: web}
  subnets: [subnet-0123456789abcdef0]
  requirements:
  - {key: floe.dev/instance-family, operator: In, values: [%s]}
  limits: {cpu: %q}
  fallback:
  - capacityType: spot
  - capacityType: on-demand
---
`, name, family, cpus)
}

func TestCheckTellsEveryMistake(t *testing.T) {
	good, err := Check(append(manifest("one", "m6a", "10"), manifest("two", "c6a", "10")...))
	require.NoError(t, err)
	require.Len(t, good, 2)
	require.Empty(t, good[0].Spec.LaunchTemplate.Version, "defaults are the API server's to set")

	_, err = Check(append(manifest("one", "m66a", "10"), manifest("Two", "c6a", "10")...))
	require.ErrorContains(t, err, "pool one: spec.requirements[0]")
	require.ErrorContains(t, err, "m66a")
	require.ErrorContains(t, err, "pool Two: metadata.name")
}

func TestApply(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.API})
	client, err := dynamic.NewForConfig(tb.Kube)
	require.NoError(t, err)
	for _, step := range []struct {
		cpus   string
		dryRun bool
		want   string
	}{
		{"10", true, "created"},
		{"10", false, "created"},
		{"10", false, "unchanged"},
		{"20", true, "configured"},
		{"20", false, "configured"},
	} {
		wanted, err := Check(manifest("one", "m6a", step.cpus))
		require.NoError(t, err)
		got, err := Apply(t.Context(), client, wanted[0], step.dryRun)
		require.NoError(t, err)
		require.Equal(t, Applied{Name: "one", Result: step.want}, got, "%+v", step)
	}
}
