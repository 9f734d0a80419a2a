package tests

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMakeHelpListsEveryTarget(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "make", "-s", "-C", "..", "--no-print-directory", "help")
	help, err := cmd.Output()
	require.NoError(t, err)

	var targets []string
	for _, match := range regexp.MustCompile(`(?m)^([a-z][a-z-]*):`).FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, match[1])
	}
	for _, target := range []string{"demo", "test", "lint", "bench", "tools", "generate", "clean"} {
		require.Contains(t, targets, target)
	}
	var documented []string
	for line := range strings.Lines(string(help)) {
		fields := strings.Fields(line)
		require.Greater(t, len(fields), 3, "a sentence says what it does: %s", line)
		documented = append(documented, fields[1])
	}
	require.ElementsMatch(t, targets, documented)

	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindSubmatch(makefile)
	require.Len(t, phony, 2)
	names := strings.Fields(string(phony[1]))
	slices.Sort(names)
	slices.Sort(targets)
	require.Equal(t, targets, names, "every target is phony: folders of the same name must not hide it")
}
