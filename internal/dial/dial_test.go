package dial

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/config"
)

// clearTemporal keeps the environment of whoever runs the tests out of them.
func clearTemporal(t *testing.T) {
	for _, line := range os.Environ() {
		name, _, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "TEMPORAL_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none.toml"))
}

func TestOptionsOverrideTheEnvironment(t *testing.T) {
	clearTemporal(t)
	o, err := Options(config.Temporal{}, nil, nil)
	require.NoError(t, err)
	require.Equal(t, "localhost:7233", o.HostPort)
	require.Equal(t, "default", o.Namespace)

	t.Setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
	t.Setenv("TEMPORAL_NAMESPACE", "floe")
	o, err = Options(config.Temporal{}, nil, nil)
	require.NoError(t, err)
	require.Equal(t, "temporal.example:7233", o.HostPort)
	require.Equal(t, "floe", o.Namespace)

	o, err = Options(config.Temporal{Address: "127.0.0.1:1", Namespace: "prod"}, nil, nil)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", o.HostPort)
	require.Equal(t, "prod", o.Namespace)
}

func TestUnknownProfile(t *testing.T) {
	clearTemporal(t)
	_, err := Options(config.Temporal{Profile: "nope"}, nil, nil)
	require.ErrorContains(t, err, "temporal.toml")
}

// A closed port answers at once, so neither test waits for a time-out.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func TestUnreachableSaysWhatToDo(t *testing.T) {
	clearTemporal(t)
	address := closedPort(t)
	o, err := Options(config.Temporal{Address: address}, nil, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = Temporal(ctx, o)
	require.ErrorContains(t, err,
		"cannot reach Temporal at "+address+": is it running? set --temporal-address or TEMPORAL_ADDRESS")
}

func TestWaitLogsAndEndsWithItsContext(t *testing.T) {
	clearTemporal(t)
	o, err := Options(config.Temporal{Address: closedPort(t)}, nil, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	done := make(chan error, 1)
	logged := make(chan struct{}, 100)
	go func() {
		_, err := Wait(ctx, o, slog.New(slog.NewTextHandler(writer(func(p []byte) {
			log.Write(p)
			logged <- struct{}{}
		}), nil)))
		done <- err
	}()
	<-logged
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Contains(t, log.String(), "waiting for Temporal")
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }
