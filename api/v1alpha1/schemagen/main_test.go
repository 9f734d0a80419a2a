package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	crdFile    = "../../../deploy/crds/floe.dev_nodepools.yaml"
	schemaFile = "../../../deploy/crds/nodepool.schema.json"
)

func TestTheCommittedSchemaIsTheCRDs(t *testing.T) {
	want, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var got bytes.Buffer
	require.NoError(t, run(crdFile, &got))
	require.Equal(t, string(want), got.String(), "run go generate ./api/v1alpha1")
}

func TestSchema(t *testing.T) {
	data, err := os.ReadFile(crdFile)
	require.NoError(t, err)
	schema, err := schemaOf(data)
	require.NoError(t, err)
	at := func(names ...string) map[string]any {
		node := schema
		for _, name := range names {
			next, ok := node[name].(map[string]any)
			require.Truef(t, ok, "no %s in %v", name, names)
			node = next
		}
		return node
	}
	require.Equal(t, "floe.dev/v1alpha1", at("properties", "apiVersion")["const"])
	spec := at("properties", "spec")
	require.Equal(t, false, spec["additionalProperties"], "a misspelled field is told")
	require.NotContains(t, spec, "x-kubernetes-validations")
	require.Equal(t, "string", at("properties", "spec", "properties", "template", "properties", "labels", "additionalProperties")["type"], "a map stays one")
	require.NotContains(t, at("properties", "metadata"), "additionalProperties", "metadata is Kubernetes' own")
}

func TestSchemaOfWhatIsNoCRD(t *testing.T) {
	_, err := schemaOf([]byte("spec: {versions: []}"))
	require.ErrorContains(t, err, "no version with a schema")
	_, err = schemaOf([]byte("kind: [1]"))
	require.Error(t, err)
	require.Error(t, run("nowhere.yaml", nil))
}
