package imports

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

var update = flag.Bool("update", false, "write the golden files anew")

// examples are sources that belong together.
var examples = map[string][]string{
	"karpenter":   {"karpenter.yaml"},
	"provisioner": {"provisioner.yaml"},
	"autoscaler":  {"priorities.yaml", "groups.json"},
}

func read(t *testing.T, names ...string) []File {
	t.Helper()
	var files []File
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		files = append(files, File{Name: name, Data: data})
	}
	return files
}

func TestExamples(t *testing.T) {
	for name, sources := range examples {
		t.Run(name, func(t *testing.T) {
			result, err := Read(read(t, sources...), Options{})
			require.NoError(t, err)
			require.Empty(t, result.Refused)
			text := manifests(t, result)
			told, err := yaml.Marshal(struct {
				Missing    []Missing    `json:"missing"`
				NotCarried []NotCarried `json:"notCarried"`
				Choices    []string     `json:"choices"`
			}{result.Missing, result.NotCarried, result.Choices})
			require.NoError(t, err)
			for file, got := range map[string]string{name + ".pools.golden": text, name + ".told.golden": string(told)} {
				path := filepath.Join("testdata", file)
				if *update {
					require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, string(want), got, "%s; go test ./starter/imports -update writes it anew", file)
			}

			// What is written can be read, and passes all checks.
			pools, err := v1alpha1.Decode([]byte(text))
			require.NoError(t, err)
			for _, pool := range pools {
				v1alpha1.SetDefaults(pool)
				require.Empty(t, v1alpha1.Validate(pool))
				require.Empty(t, catalog.CheckPool(pool, catalog.Facts()))
			}
		})
	}
}

func manifests(t *testing.T, result *Result) string {
	t.Helper()
	var text []string
	for _, pool := range result.Pools {
		manifest, err := Manifest(pool)
		require.NoError(t, err)
		text = append(text, string(manifest))
	}
	return strings.Join(text, "---\n")
}

// Every field of a source is either carried or told of, and what is said to be carried matters: with another value there,
// something else comes out.
func TestNoFieldIsLostSilently(t *testing.T) {
	for name, sources := range examples {
		files := read(t, sources...)
		before := outcome(t, files)
		for i, file := range files {
			var whole any
			require.NoError(t, yaml.Unmarshal(file.Data, &whole))
			if bytes.Contains(file.Data, []byte("\n---\n")) {
				continue // its fields are those of the others, and the walk is for one document
			}
			walk(whole, "", func(path string, change func() (restore func())) {
				restore := change()
				data, err := json.Marshal(whole)
				require.NoError(t, err)
				restore()
				changed := append([]File{}, files...)
				changed[i] = File{Name: file.Name, Data: data}
				if before == outcome(t, changed) {
					t.Errorf("%s: %s: %s can be changed without a trace", name, file.Name, path)
				}
			})
		}
	}
}

// outcome is all that is told, with the values of fields that are not carried.
func outcome(t *testing.T, files []File) string {
	t.Helper()
	result, err := Read(files, Options{})
	if err != nil {
		return err.Error()
	}
	text, err := json.Marshal(result)
	require.NoError(t, err)
	out := string(text)
	for _, f := range files {
		objects, err := decode(f)
		require.NoError(t, err)
		for _, o := range objects {
			for _, n := range result.NotCarried {
				for _, field := range n.Fields {
					if n.Source == o.source() {
						out += fmt.Sprint(field, at(o.root(), field))
					}
				}
			}
		}
	}
	return out
}

// at finds the value at a path.
func at(n node, path string) any {
	if n.path == path {
		return n.value
	}
	for _, next := range append(n.entries(), n.items()...) {
		if strings.HasPrefix(path, next.path) {
			if value := at(next, path); value != nil {
				return value
			}
		}
	}
	return nil
}

// walk visits every leaf that says something, with a way to change it. What a document is, is no field of it.
func walk(value any, path string, visit func(path string, change func() func())) {
	set := func(key string, old any, put func(any)) {
		switch old.(type) {
		case map[string]any, []any:
			walk(old, key, visit)
		case nil:
		default:
			visit(key, func() func() {
				put("changed")
				return func() { put(old) }
			})
		}
	}
	switch v := value.(type) {
	case map[string]any:
		for key, old := range v {
			if (key == "apiVersion" || key == "kind") && (path == "" || strings.HasSuffix(path, "]")) {
				continue
			}
			set(path+"."+key, old, func(x any) { v[key] = x })
		}
	case []any:
		for i, old := range v {
			set(fmt.Sprintf("%s[%d]", path, i), old, func(x any) { v[i] = x })
		}
	}
}

func TestOptionsWin(t *testing.T) {
	result, err := Read(read(t, "karpenter.yaml", "priorities.yaml", "groups.json"), Options{
		LaunchTemplate: "mine", Subnets: []string{"subnet-1"}, Account: "main",
	})
	require.NoError(t, err)
	require.Empty(t, result.Missing)
	for _, pool := range result.Pools {
		require.Equal(t, v1alpha1.LaunchTemplate{Name: "mine"}, pool.Spec.LaunchTemplate)
		require.Equal(t, []string{"subnet-1"}, pool.Spec.Subnets)
		require.Equal(t, "main", pool.Spec.Account)
	}
}

func TestWhatCannotBeAPoolIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ requirement, want string }{
		"windows":        {"{key: kubernetes.io/os, operator: In, values: [windows]}", "Linux is left out"},
		"no such type":   {"{key: node.kubernetes.io/instance-type, operator: In, values: [m99.large]}", "none of the"},
		"reserved only":  {"{key: karpenter.sh/capacity-type, operator: In, values: [reserved]}", "name one step or more"},
		"no such family": {"{key: karpenter.k8s.aws/instance-category, operator: In, values: [zz]}", "In wants one value or more"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: p}\nspec: {template: {spec: {requirements: [" + c.requirement + "]}}}"
			result, err := Read([]File{{Name: "p.yaml", Data: []byte(text)}}, Options{LaunchTemplate: "mine", Subnets: []string{"subnet-1"}})
			require.NoError(t, err)
			require.Empty(t, result.Pools)
			require.Len(t, result.Refused, 1)
			require.Contains(t, strings.Join(result.Refused[0].Errors, "\n"), c.want)
		})
	}
}

func TestWhatIsNoSource(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "nothing to import: want",
		"a: [":                               "f: document 1: neither YAML nor JSON",
		"[1]":                                "f: document 1: not an object",
		"AutoScalingGroups: 3":               "f: document 1: AutoScalingGroups: want a list",
		"kind: List\nitems: [3]":             "f: document 1: items[0]: want an object",
		"apiVersion: v1\nkind: ConfigMap":    "nothing to import: want",
		"apiVersion: apps/v1\nkind: Whatnot": "nothing to import: want",
	} {
		_, err := Read([]File{{Name: "f", Data: []byte(text)}}, Options{})
		require.ErrorContains(t, err, want, text)
	}
}

// Whatever stands in the place of a field, nothing panics, and what is written can be read again.
func TestJunkInAnyPlace(t *testing.T) {
	var documents []any
	for _, name := range []string{"karpenter.yaml", "priorities.yaml", "groups.json"} {
		var whole any
		require.NoError(t, yaml.Unmarshal(read(t, name)[0].Data, &whole))
		documents = append(documents, whole)
	}
	junk := []any{nil, "", "x", -1, 1e30, true, []any{}, []any{nil, "x", []any{}}, map[string]any{}, map[string]any{"": nil, "key": []any{1}}, "Never", "-1h", "99999999999999999999"}
	rapid.Check(t, func(t *rapid.T) {
		var files []File
		for i, whole := range documents {
			if rapid.Bool().Draw(t, "spoil") {
				whole = spoil(t, whole, junk)
			}
			data, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, File{Name: fmt.Sprint(i), Data: data})
		}
		readable(t, files)
	})
}

// spoil is a copy of a value with junk in one place.
func spoil(t *rapid.T, value any, junk []any) any {
	switch v := value.(type) {
	case map[string]any:
		if len(v) > 0 && rapid.IntRange(0, 9).Draw(t, "down") > 0 {
			key := rapid.SampledFrom(slices.Sorted(maps.Keys(v))).Draw(t, "key")
			copied := maps.Clone(v)
			copied[key] = spoil(t, v[key], junk)
			return copied
		}
	case []any:
		if len(v) > 0 && rapid.IntRange(0, 9).Draw(t, "down") > 0 {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "item")
			copied := slices.Clone(v)
			copied[i] = spoil(t, v[i], junk)
			return copied
		}
	}
	return rapid.SampledFrom(junk).Draw(t, "junk")
}

func readable(t require.TestingT, files []File) {
	result, err := Read(files, Options{})
	if err != nil {
		return
	}
	for _, pool := range result.Pools {
		manifest, err := Manifest(pool)
		require.NoError(t, err)
		_, err = v1alpha1.Decode(manifest)
		require.NoError(t, err)
	}
}
