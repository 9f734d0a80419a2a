package testbed_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/testbed"
)

// envOwner makes this test program the owner of a testbed, until it is killed.
const envOwner = "FLOE_TEST_OWN_A_TESTBED"

func TestMain(m *testing.M) {
	if os.Getenv(envOwner) != "" {
		own()
	}
	os.Exit(m.Run())
}

func own() {
	tb, err := testbed.Start(context.Background(), testbed.Options{
		Parts: testbed.Kubernetes | testbed.Temporal | testbed.Store,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(tb.Dir)
	select {}
}

func TestNothingOutlivesAKilledOwner(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	t.Parallel()
	owner := exec.CommandContext(t.Context(), os.Args[0])
	owner.Env = append(os.Environ(), envOwner+"=1")
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, owner.Start())
	dir, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	dir = strings.TrimSpace(dir)
	require.DirExists(t, dir)
	require.GreaterOrEqual(t, len(processesOf(t, dir)), 7, "six parts and the watchdog name the folder in their arguments")

	require.NoError(t, owner.Process.Kill())
	_ = owner.Wait()
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err) && len(processesOf(t, dir)) == 0
	}, 30*time.Second, 50*time.Millisecond, "left: %s, processes %v", dir, processesOf(t, dir))
}

// processesOf lists the command lines that name the folder. A dead process that nobody has asked about has none.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(data), dir) {
			found = append(found, strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return found
}
