package testbed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStartProgram(t *testing.T) {
	tb := bare(t)
	var asked atomic.Int32
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer page.Close()
	var given []int
	p, err := tb.StartProgram(t.Context(), "other", 2, func(ports []int) Program {
		given = ports
		return Program{
			Path: "/bin/sh", Args: []string{"-c", `echo "$MINE at $1 in $HOME"; sleep 1000`, "other", fmt.Sprint(ports[0])},
			Env: []string{"MINE=it"}, Ready: page.URL,
		}
	})
	require.NoError(t, err)
	require.EqualValues(t, 3, asked.Load(), "it is waited for")
	require.Len(t, given, 2)
	require.Same(t, p, tb.Process("other"))
	log, err := os.ReadFile(p.LogFile)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("it at %d in %s\n", given[0], tb.Dir), string(log))

	require.NoError(t, tb.Close())
	require.True(t, p.hasEnded(), "nothing of it outlives the testbed")
}

func TestStartProgramThatEnds(t *testing.T) {
	tb := bare(t)
	_, err := tb.StartProgram(t.Context(), "other", 0, func([]int) Program {
		return Program{Path: "/bin/sh", Args: []string{"-c", "echo no such flag; exit 2"}, Ready: "http://127.0.0.1:1"}
	})
	require.ErrorContains(t, err, "other ended by itself: exit status 2\nno such flag")
}
