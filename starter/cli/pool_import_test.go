package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/starter/imports"
	"floe.dev/floe/starter/pools"
)

func TestPoolImport(t *testing.T) {
	const provisioner = "../imports/testdata/provisioner.yaml"
	code, out, errs := floe(t, "", "pool", "import", "-f", provisioner)
	require.Equal(t, ExitOK, code, errs)
	_, err := pools.Check([]byte(out))
	require.NoError(t, err, "what is written can be applied")
	require.Contains(t, errs, "not carried over of Provisioner default ("+provisioner+"):\n")
	require.Contains(t, errs, "  spec.tags: the launch template says it. Do: set TagSpecifications")

	code, out, errs = floe(t, "", "pool", "import", "-f", provisioner, "-o", "json")
	require.Equal(t, ExitOK, code, errs)
	require.Empty(t, errs)
	var result imports.Result
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	require.Len(t, result.Pools, 1)
	require.NotEmpty(t, result.NotCarried)
}

func TestPoolImportSaysWhatIsMissing(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "imports", "testdata", "karpenter.yaml"))
	require.NoError(t, err)
	code, out, errs := floe(t, string(data), "pool", "import", "-f", "-")
	require.Equal(t, ExitUnmet, code)
	require.Contains(t, out, "name: web\n")
	require.Contains(t, errs, "fill in: pool web, spec.launchTemplate: ")
	require.Contains(t, errs, "floe: 1 fields are to be filled in before the pools are applied, and 0 pools were refused")

	code, _, errs = floe(t, string(data), "pool", "import", "-f", "-", "--launch-template", "web-nodes")
	require.Equal(t, ExitOK, code, errs)
}

func TestPoolImportOfNothing(t *testing.T) {
	code, _, errs := floe(t, "", "pool", "import")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errs, "name the sources with --filename")
	code, _, errs = floe(t, "kind: Pod", "pool", "import", "-f", "-")
	require.Equal(t, ExitFailed, code)
	require.Contains(t, errs, "nothing to import: want Karpenter's NodePool")
}
