package replay

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The committed histories were written by what was deployed: whoever changes a workflow must keep them replayable, or
// version the change. Add new ones with FLOE_RECORD=<folder> go test ./tests/integration/.
func TestCommittedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { require.NoError(t, File(file)) })
	}
}
