package testbed

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/config"
)

func TestConfigIsWhatFloeReads(t *testing.T) {
	tb, err := newTestbed(Options{Cluster: "here", Progress: testWriter{t}, DescribeLag: 3 * time.Second}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tb.Close() })
	tb.WorkerKubeconfig, tb.WatcherKubeconfig = "/worker", "/watcher"
	tb.SimURL, tb.StoreURI = "http://127.0.0.1:1", "mongodb://127.0.0.1:2"
	require.NoError(t, tb.writeConfigs())
	for file, kubeconfig := range map[string]string{tb.ConfigFile: "/worker", tb.WatcherConfigFile: "/watcher"} {
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		config.Flags(flags)
		require.NoError(t, flags.Parse([]string{"--config", file}))
		got, err := config.Load(flags)
		require.NoError(t, err)
		got.Store.Retention = config.Retention{} // the testbed says nothing of it
		require.Equal(t, &config.Config{
			Clusters:    []config.Cluster{{Name: "here", Kubeconfig: kubeconfig, Account: Account}},
			Accounts:    []config.Account{{Name: Account, Region: Region, Endpoint: tb.SimURL, InterruptionQueue: InterruptionQueue}},
			Store:       config.Store{URI: "mongodb://127.0.0.1:2", Database: StoreDatabase},
			DescribeLag: 3 * time.Second,
		}, got)
	}
}
