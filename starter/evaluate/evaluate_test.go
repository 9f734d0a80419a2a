package evaluate

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/evaluate"
)

const fixture = "../../internal/evaluate/testdata/market"

func TestFallback(t *testing.T) {
	o := evaluate.DefaultOptions()
	o.Rounds = 1
	r, err := Fallback(Request{Folders: []string{fixture}, Policies: evaluate.Policies(), Options: o, Folds: 2, Curve: true})
	require.NoError(t, err)
	require.Equal(t, Recording{
		Name: "zone-b_calm.large", Zone: "zone-b", Type: "calm.large", CapacityType: "spot",
		Days: 1, GapSeconds: 600, Most: 1, Available: r.Recordings[2].Available,
	}, r.Recordings[2])
	require.InDelta(t, 1.0/12, r.Recordings[2].Available, 1e-9)
	require.Len(t, r.Figures, len(evaluate.Policies()))
	require.NotNil(t, r.Goals)
	require.Len(t, r.Folds, 2)
	require.NotEmpty(t, r.Curve)

	r, err = Fallback(Request{Folders: []string{fixture}, Policies: []string{evaluate.Floe}, Options: o})
	require.NoError(t, err)
	require.Nil(t, r.Goals, "nobody to compare with")
	require.Positive(t, r.Figures[0].OverOracle, "the oracle is the measure all the same")
}

func TestLoad(t *testing.T) {
	write := func(folder, name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, filepath.Dir(name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	const good = `{"metadata": {"gap_seconds": 60}, "data": [1]}`
	root := t.TempDir()
	a, b := filepath.Join(root, "a"), filepath.Join(root, "b")
	write(a, "z_t.json", good)
	write(a, "deep/z_t.json", good)
	write(a, "README.md", "not a recording")
	write(b, "z_t.json", good)

	traces, err := Load([]string{a})
	require.NoError(t, err)
	require.Equal(t, []string{"deep/z_t", "z_t"}, []string{traces[0].Name, traces[1].Name})
	require.Equal(t, "deep/z", traces[0].Zone)
	traces, err = Load([]string{a, b})
	require.NoError(t, err)
	require.Len(t, traces, 3)
	require.Equal(t, "b/z_t", traces[2].Name)

	_, err = Load([]string{a, a})
	require.ErrorContains(t, err, "was read already")
	_, err = Load([]string{filepath.Join(root, "none")})
	require.ErrorIs(t, err, os.ErrNotExist)
	empty := t.TempDir()
	_, err = Load([]string{empty})
	require.ErrorContains(t, err, "--traces "+empty+": no file there ends in .json")
	write(b, "bad.json", `{"metadata": {"gap_seconds": 0}, "data": [1]}`)
	_, err = Load([]string{b})
	require.ErrorContains(t, err, "bad.json: metadata.gap_seconds is 0")
}
