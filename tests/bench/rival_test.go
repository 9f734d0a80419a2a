package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"floe.dev/floe/internal/catalog"
)

// Both must be able to buy the same: the same types, with as much for pods, at the same prices.
func TestKarpenterHasThePoolsTypes(t *testing.T) {
	data, err := karpenterTypes()
	require.NoError(t, err)
	var entries []karpenterType
	require.NoError(t, json.Unmarshal(data, &entries))
	require.Len(t, entries, 18, "six families in three sizes")
	types, pool := rivalTypes(), rivalPoolSpec()
	for i, entry := range entries {
		require.Equal(t, types[i].Name, entry.Name)
		require.Equal(t, "amd64", entry.Architecture, entry.Name)
		ours := catalog.Allocatable(pool, types[i])
		require.Len(t, entry.Resources, len(ours), entry.Name)
		for name, theirs := range entry.Resources {
			theirs.Sub(karpenterKeeps[name])
			want := ours[name]
			require.Zero(t, want.Cmp(theirs), "%s of %s: %s, and %s for Karpenter", name, entry.Name, &want, &theirs)
		}
		var zones []string
		for _, o := range entry.Offerings {
			require.Positive(t, o.Price, entry.Name)
			require.Equal(t, types[i].OnDemandUSD, o.Price, entry.Name)
			require.Len(t, o.Requirements, 2)
			require.Equal(t, []string{"on-demand"}, o.Requirements[0].Values)
			zones = append(zones, o.Requirements[1].Values...)
		}
		require.Equal(t, []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"}, zones, entry.Name)
	}
}

func TestBill(t *testing.T) {
	node := func(instanceType string) corev1.Node {
		return corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: "n", Labels: map[string]string{corev1.LabelInstanceTypeStable: instanceType},
		}}
	}
	usd, err := bill([]corev1.Node{node("m5.large"), node("m5.large"), node("c5.2xlarge")})
	require.NoError(t, err)
	require.InDelta(t, 0.096+0.096+0.34, usd, 1e-9, "on-demand prices of us-east-1")
	_, err = bill([]corev1.Node{node("t3.large")})
	require.ErrorContains(t, err, `type "t3.large"`, "a node that is not of the pool must not be had for nothing")
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, "none"},
		{[]float64{2}, "2.0 s"},
		{[]float64{2, 2.01}, "2.0 s"},
		{[]float64{3, 1, 2.2}, "2.2 s (1.0 to 3.0)"},
		{[]float64{-1, -2, -3}, "-2.0 s (-3.0 to -1.0)"}, // a launch before the burst's last pod
		{[]float64{4, 1, 2, 3}, "2.5 s (1.0 to 4.0)"},
	} {
		require.Equal(t, c.want, spread(c.values, "%.1f s"))
	}
}

// A ratio is of one round: rounds differ by more than the two do, on a machine with other work.
func TestRatiosAreOfOneRound(t *testing.T) {
	bound := func(seconds ...float64) (outcomes []outcome) {
		for _, s := range seconds {
			outcomes = append(outcomes, outcome{bound: time.Duration(s * float64(time.Second))})
		}
		return outcomes
	}
	require.InDeltaSlice(t, []float64{2, 2.5}, ratios(bound(1, 4), bound(2, 10)), 1e-9)
	require.Empty(t, ratios(bound(1), nil))
}

func TestModuleFiles(t *testing.T) {
	m := module{Dir: t.TempDir()}
	require.NoError(t, os.WriteFile(filepath.Join(m.Dir, "a.yaml"), nil, 0o600))
	files, err := m.files("*.yaml")
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(m.Dir, "a.yaml")}, files)
	_, err = m.files("*.yaml", "crds/*.yaml")
	require.ErrorContains(t, err, "has no file crds/*.yaml", "another version may keep them elsewhere")
}

func TestNoRivalSaysWhy(t *testing.T) {
	why := errors.New("no such flag")
	err := error(&noRival{why})
	require.ErrorIs(t, err, why)
	require.EqualError(t, err, "Karpenter did not run: no such flag")
}

func TestIsTrue(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": []any{
		"nonsense", map[string]any{"type": "Ready", "status": "True"}, map[string]any{"type": "Valid", "status": "Unknown"},
	}}}}
	require.True(t, isTrue(object, "Ready"))
	require.False(t, isTrue(object, "Valid"))
	require.False(t, isTrue(object, "Registered"))
	require.False(t, isTrue(&unstructured.Unstructured{}, "Ready"))
}
