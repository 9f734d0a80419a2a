package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/starter/evaluate"
)

// recordings writes files of recorded availability and names their folder.
func recordings(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return folder
}

func TestEvaluateFallback(t *testing.T) {
	folder := recordings(t, map[string]string{
		"zone-a_m5.large.json": `{"metadata": {"gap_seconds": 3600}, "data": [4, 4, 0, 0, 4, 4]}`,
		"zone-b_m5.large.json": `{"metadata": {"gap_seconds": 3600}, "data": [0, 0, 4, 4, 0, 0]}`,
	})
	code, out, errs := floe(t, "", "evaluate", "fallback", "--traces", folder, "-o", "json")
	require.Equal(t, ExitOK, code, errs)
	var report evaluate.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Recordings, 2)
	require.Len(t, report.Figures, 5)
	require.NotNil(t, report.Goals)

	code, out, errs = floe(t, "", "evaluate", "fallback", "--traces", folder, "--policy", "karpenter,oracle")
	require.Equal(t, ExitOK, code, errs)
	require.Contains(t, out, "2 recordings, the longest of 0.2 days.")
	require.Contains(t, out, "karpenter")
	require.NotContains(t, out, "cluster-autoscaler", "it was not asked for")
}

func TestEvaluateFallbackRefusesWhatIsWrong(t *testing.T) {
	broken := recordings(t, map[string]string{"zone-a_m5.large.json": `{"metadata": {"gap_seconds": 0}, "data": [1]}`})
	good := recordings(t, map[string]string{"zone-a_m5.large.json": `{"metadata": {"gap_seconds": 60}, "data": [1]}`})
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no folder", nil, ExitUsage, []string{"--traces is missing"}},
		{"no such policy", []string{"--traces", good, "--policy", "magic"}, ExitUsage, []string{`--policy "magic"`, "karpenter"}},
		{"no demand", []string{"--traces", good, "--demand", "0"}, ExitUsage, []string{"demand", "from 1 to 10000"}},
		{"a file that is wrong", []string{"--traces", broken}, ExitFailed, []string{"zone-a_m5.large.json", "gap_seconds"}},
		{"an empty folder", []string{"--traces", t.TempDir()}, ExitFailed, []string{"json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, errs := floe(t, "", append([]string{"evaluate", "fallback"}, c.args...)...)
			require.Equal(t, c.code, code, errs)
			for _, words := range c.says {
				require.Contains(t, errs, words)
			}
		})
	}
}
