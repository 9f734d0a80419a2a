package health

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestServer(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "floe_test_total"})
	registry.MustRegister(counter)
	counter.Add(2)
	var down atomic.Bool
	readyFile := filepath.Join(t.TempDir(), "ready")
	s, err := Serve(Options{
		Listen: "127.0.0.1:0", ReadyFile: readyFile, Metrics: registry,
		Ready: map[string]Check{
			"temporal": func(context.Context) error {
				if down.Load() {
					return errors.New("unreachable")
				}
				return nil
			},
			"cluster demo": func(context.Context) error { return nil },
		},
	})
	require.NoError(t, err)
	defer s.Close()

	line, err := os.ReadFile(readyFile)
	require.NoError(t, err)
	require.Equal(t, s.URL()+"\n", string(line))
	left, err := filepath.Glob(filepath.Join(filepath.Dir(readyFile), ".ready-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	requireGet(t, s.URL()+"/healthz", http.StatusOK, "ok\n")
	requireGet(t, s.URL()+"/readyz", http.StatusOK, "cluster demo: ok\ntemporal: ok\n")
	down.Store(true)
	requireGet(t, s.URL()+"/readyz", http.StatusServiceUnavailable, "cluster demo: ok\ntemporal: unreachable\n")
	requireGet(t, s.URL()+"/metrics", http.StatusOK, "floe_test_total 2\n")
}

func TestAddressInUse(t *testing.T) {
	s, err := Serve(Options{Listen: "127.0.0.1:0", Metrics: prometheus.NewRegistry()})
	require.NoError(t, err)
	defer s.Close()
	address := strings.TrimPrefix(s.URL(), "http://")
	_, err = Serve(Options{Listen: address, Metrics: prometheus.NewRegistry()})
	require.ErrorContains(t, err, "--listen "+address)
}

func TestReadyFileThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "such", "folder")
	_, err := Serve(Options{Listen: "127.0.0.1:0", ReadyFile: path, Metrics: prometheus.NewRegistry()})
	require.ErrorContains(t, err, "--ready-file "+path)
}

func requireGet(t *testing.T, url string, status int, body string) {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, status, answer.StatusCode, string(got))
	require.Contains(t, string(got), body)
}
