package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/evaluate/day"
)

func TestEvaluateDay(t *testing.T) {
	data, err := os.ReadFile("../../docs/day.yaml")
	require.NoError(t, err)
	folder := t.TempDir()
	file, picture := filepath.Join(folder, "day.yaml"), filepath.Join(folder, "day.svg")
	require.NoError(t, os.WriteFile(file, append(data, "length: 9h\n"...), 0o600))

	code, out, errs := floe(t, "", "evaluate", "day", "--scenario", file, "--svg", picture, "-o", "json")
	require.Equal(t, ExitOK, code, errs)
	var report day.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Samples, 9*60)
	require.Positive(t, report.OnDemandShare)
	drawn, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Contains(t, string(drawn), "A day of one pool")

	code, out, errs = floe(t, "", "evaluate", "day", "--scenario", file)
	require.Equal(t, ExitOK, code, errs)
	require.Contains(t, out, "Jul 1 08:")
	require.Contains(t, out, "where nothing may leave")
}

func TestEvaluateDayRefusesWhatIsWrong(t *testing.T) {
	data, err := os.ReadFile("../../docs/day.yaml")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "day.yaml")
	for says, text := range map[string]string{
		"replica":     strings.Replace(string(data), "replicas:", "replica:", 1), // an unknown field
		"boot: 2h0m0": strings.Replace(string(data), "boot: 2m", "boot: 2h", 1),
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		code, _, errs := floe(t, "", "evaluate", "day", "--scenario", file)
		require.Equal(t, ExitFailed, code)
		require.Contains(t, errs, says)
		require.Contains(t, errs, file)
	}
	code, _, errs := floe(t, "", "evaluate", "day")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errs, "--scenario is missing")
}
