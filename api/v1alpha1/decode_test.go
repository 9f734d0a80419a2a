package v1alpha1

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

const small = `
apiVersion: floe.dev/v1alpha1
kind: NodePool
metadata: {name: a}
spec:
  launchTemplate: {name: abc}
  subnets: [subnet-1]
  fallback: [{capacityType: spot}]
`

func TestDecode(t *testing.T) {
	pools, err := Decode([]byte("---" + small + "---\n# nothing here\n---" + small + "status: {}\n"))
	require.NoError(t, err)
	require.Len(t, pools, 2)
	require.Equal(t, "a", pools[1].Name)
	require.Equal(t, Spot, pools[0].Spec.Fallback[0].CapacityType)

	pools, err = Decode([]byte(`{"apiVersion":"floe.dev/v1alpha1","kind":"NodePool","metadata":{"name":"j"},"spec":{"limits":{"cpu":4}}}`))
	require.NoError(t, err)
	require.Equal(t, "4", pools[0].Spec.Limits.Cpu().String())
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, data string
		says       []string
	}{
		{"nothing", "", []string{"no document"}},
		{"a comment", "# only\n", []string{"no document"}},
		{"a list", "[1]", []string{"document 1: a list, want an object with apiVersion: floe.dev/v1alpha1"}},
		{"not YAML", "a: [", []string{"document 1: not YAML"}},
		{"a field twice", small + "spec: {}\n", []string{"document 1: not YAML", `"spec" already set`}},
		{"another kind", "apiVersion: v1\nkind: Pod\nspec: {containers: []}", []string{`apiVersion: "v1", want floe.dev/v1alpha1`, `kind: "Pod", want NodePool`}},
		{"no kind", "apiVersion: floe.dev/v1alpha1", []string{"kind: nothing, want NodePool"}},
		{"unknown field", small + "  fallbak: []\n", []string{"document 1: spec.fallbak: unknown field; did you mean fallback?"}},
		{"wrong case", small + "  maxpods: 3\n", []string{"spec.maxpods: unknown field; did you mean maxPods?"}},
		{"unknown field that is like none", small + "  x: 1\n", []string{"spec.x: unknown field; the fields here are account, disruption, fallback"}},
		{"unknown at the top", small + "sepc: {}\n", []string{"sepc: unknown field; did you mean spec?"}},
		{"second document", small + "---" + small + "  wieght: 3\n", []string{"document 2: spec.wieght: unknown field; did you mean weight?"}},
		{"deep", small + "  requirements: [{key: a, operators: In}]\n", []string{"spec.requirements[0].operators: unknown field; did you mean operator?"}},
		{"all at once", small + "  weigth: 1\n  limit: {}\n", []string{"did you mean weight?", "did you mean limits?"}},
		{"word for a number", small + "  weight: heavy\n", []string{`spec.weight: "heavy"; want a whole number`}},
		{"part of a number", small + "  weight: 1.5\n", []string{"spec.weight: 1.5; want a whole number"}},
		{"number for a word", small + "  account: 12\n", []string{"spec.account: 12; want a string; put it in quotes"}},
		{"object for a list", small + "  requirements: {a: b}\n", []string{`spec.requirements: {"a":"b"}; want a list`}},
		{"list for an object", small + "  limits: [cpu]\n", []string{`spec.limits: ["cpu"]; want an object`}},
		{"quantity", small + "  limits: {cpu: 2 cores}\n", []string{`spec.limits[cpu]: "2 cores"; want a quantity, such as 500m, 2 or 4Gi`}},
		{"duration", small + "  registrationTimeout: 15 minutes\n", []string{`spec.registrationTimeout: "15 minutes"; want a duration, such as 90s`}},
		{"duration as a number", small + "  registrationTimeout: 15\n", []string{"spec.registrationTimeout: 15; want a duration"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pools, err := Decode([]byte(c.data))
			require.Error(t, err)
			require.Nil(t, pools)
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
		})
	}
}

// Whatever a file holds, Decode answers, and what it takes can be defaulted and checked.
func TestDecodeAnswersToAnything(t *testing.T) {
	words := rapid.SampledFrom([]string{
		"spec", "fallback", "requirements", "limits", "standby", "template", "taints", "weight", "capacityType", "key", "metadata", "name",
	})
	scalar := rapid.SampledFrom([]any{nil, "spot", "", 3, -1.5, 1e300, true, "5m", []any{}, map[string]any{}})
	value := rapid.Custom(func(t *rapid.T) any { return draw(t, words, scalar, 4) })
	rapid.Check(t, func(t *rapid.T) {
		object := map[string]any{"apiVersion": "floe.dev/v1alpha1", "kind": "NodePool", "spec": value.Draw(t, "spec"), "metadata": value.Draw(t, "metadata")}
		pools, err := Decode(mustYAML(t, object))
		for _, pool := range pools {
			SetDefaults(pool)
			Validate(pool)
		}
		if err == nil && len(pools) != 1 {
			t.Fatalf("%d pools and no error", len(pools))
		}
	})
}

func TestDecodeAnswersToAnyBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pools, err := Decode(rapid.SliceOf(rapid.Byte()).Draw(t, "data"))
		if err == nil && len(pools) == 0 {
			t.Fatal("neither pools nor an error")
		}
	})
}

func draw(t *rapid.T, words *rapid.Generator[string], scalar *rapid.Generator[any], depth int) any {
	if depth == 0 {
		return scalar.Draw(t, "scalar")
	}
	switch rapid.IntRange(0, 3).Draw(t, "shape") {
	case 0:
		return scalar.Draw(t, "scalar")
	case 1:
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "items"))
		for i := range list {
			list[i] = draw(t, words, scalar, depth-1)
		}
		return list
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "fields") {
		object[words.Draw(t, "field")] = draw(t, words, scalar, depth-1)
	}
	return object
}

func mustYAML(t *rapid.T, object any) []byte {
	data, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
