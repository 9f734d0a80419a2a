package v1alpha1

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// refusals is testdata/refused.yaml.
type refusals struct {
	Base    map[string]any `json:"base"`
	Refused []refusal      `json:"refused"`
}

type refusal struct {
	Name   string         `json:"name"`
	Patch  map[string]any `json:"patch"`
	Path   string         `json:"path"`
	Says   string         `json:"says"`
	Server bool           `json:"server"`
}

func readRefusals(t *testing.T) refusals {
	t.Helper()
	data, err := os.ReadFile("testdata/refused.yaml")
	require.NoError(t, err)
	var r refusals
	require.NoError(t, yaml.UnmarshalStrict(data, &r))
	require.NotEmpty(t, r.Refused)
	return r
}

// merged is a JSON merge patch (RFC 7396).
func merged(base, patch map[string]any) map[string]any {
	result := map[string]any{}
	for k, v := range base {
		result[k] = v
	}
	for k, v := range patch {
		into, isObject := result[k].(map[string]any)
		sub, patchesObject := v.(map[string]any)
		switch {
		case v == nil:
			delete(result, k)
		case isObject && patchesObject:
			result[k] = merged(into, sub)
		default:
			result[k] = v
		}
	}
	return result
}

func decoded(t *testing.T, object map[string]any) *NodePool {
	t.Helper()
	text, err := yaml.Marshal(object)
	require.NoError(t, err)
	pools, err := Decode(text)
	require.NoError(t, err)
	require.Len(t, pools, 1)
	SetDefaults(pools[0])
	return pools[0]
}

func TestValidateTakesTheBase(t *testing.T) {
	require.Empty(t, Validate(decoded(t, readRefusals(t).Base)))
}

func TestValidateRefuses(t *testing.T) {
	r := readRefusals(t)
	for _, c := range r.Refused {
		t.Run(c.Name, func(t *testing.T) {
			errs := Validate(decoded(t, merged(r.Base, c.Patch)))
			for _, err := range errs {
				if err.Field == c.Path && strings.Contains(err.Error(), c.Says) {
					return
				}
			}
			require.Failf(t, "not refused where it should be", "want %s: …%s…, have %v", c.Path, c.Says, errs)
		})
	}
}

// A name is required, which a merge patch on a decoded document cannot show with generateName about.
func TestValidateWantsAName(t *testing.T) {
	pool := decoded(t, readRefusals(t).Base)
	pool.Name = ""
	errs := Validate(pool)
	require.Len(t, errs, 1)
	require.Equal(t, "metadata.name", errs[0].Field)
}

func TestValidateOfNothing(t *testing.T) {
	pool := &NodePool{}
	SetDefaults(pool)
	var paths []string
	for _, err := range Validate(pool) {
		paths = append(paths, err.Field)
	}
	require.Equal(t, []string{"metadata.name", "spec.launchTemplate", "spec.subnets", "spec.fallback"}, paths)
}

func TestSetDefaults(t *testing.T) {
	pool := &NodePool{}
	SetDefaults(pool)
	require.Equal(t, DefaultTemplateVersion, pool.Spec.LaunchTemplate.Version)
	require.Equal(t, DefaultRegistrationTimeout, pool.Spec.RegistrationTimeout.Duration)
	require.Equal(t, DefaultEmptyAfter, pool.Spec.Disruption.EmptyAfter.Duration)
	require.Equal(t, DefaultStabilization, pool.Spec.Disruption.Stabilization.Duration)
	require.Equal(t, DefaultDrainTimeout, pool.Spec.Disruption.DrainTimeout.Duration)
	require.Equal(t, "kubernetes.io/arch In [amd64]", pool.Spec.Requirements[0].Key+" "+string(pool.Spec.Requirements[0].Operator)+" ["+pool.Spec.Requirements[0].Values[0]+"]")

	again := pool.DeepCopy()
	SetDefaults(again)
	require.Equal(t, pool, again)
}

func TestSetDefaultsLeavesWhatIsSet(t *testing.T) {
	pools, err := Decode([]byte(`{apiVersion: floe.dev/v1alpha1, kind: NodePool, metadata: {name: a}, spec: {
		launchTemplate: {name: abc, version: "3"}, registrationTimeout: 1m, disruption: {emptyAfter: 0s},
		requirements: [{key: kubernetes.io/arch, operator: In, values: [arm64]}]}}`))
	require.NoError(t, err)
	pool := pools[0]
	SetDefaults(pool)
	require.Equal(t, "3", pool.Spec.LaunchTemplate.Version)
	require.Equal(t, "1m0s", pool.Spec.RegistrationTimeout.Duration.String())
	require.Zero(t, pool.Spec.Disruption.EmptyAfter.Duration)
	require.Len(t, pool.Spec.Requirements, 1)
}

// Defaults go onto shallow copies of pools that informers share.
func TestSetDefaultsDoesNotWriteIntoAnotherPoolsRequirements(t *testing.T) {
	shared := decoded(t, readRefusals(t).Base).Spec.Requirements[:2:3]
	third := shared[:3][2].Key
	pool := &NodePool{Spec: NodePoolSpec{Requirements: shared}}
	SetDefaults(pool)
	require.Equal(t, third, shared[:3][2].Key)
}
