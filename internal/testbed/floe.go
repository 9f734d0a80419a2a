package testbed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"floe.dev/floe/internal/testbed/toolchain"
)

// Account and Region are the one account of a testbed's Floe config, and the region of the simulated AWS's default
// world.
const (
	Account = "main"
	Region  = "eu-west-1"
)

// Binaries builds Floe's own programs, worker and floe, from this checkout, and returns their folder. Nothing is built
// where no source has changed.
func Binaries(ctx context.Context) (dir string, err error) { return toolchain.Programs(ctx) }

// startSim starts `floe sim`.
func (tb *Testbed) startSim(ctx context.Context) error {
	args := []string{"sim", "--listen=127.0.0.1:0"}
	if tb.options.Parts.has(API) {
		args = append(args, "--kubeconfig="+tb.kubeconfig("sim"))
	}
	if tb.options.Scenario != "" {
		path, err := filepath.Abs(tb.options.Scenario)
		if err != nil {
			return err
		}
		args = append(args, "--scenario="+path)
	}
	p, err := tb.startFloe(ctx, "sim", "floe", args, nil)
	if err != nil {
		return err
	}
	tb.SimURL = p.URL()
	return nil
}

// StartWorker starts one more worker and returns as soon as it lives: see Process.AwaitReady. args are put behind the
// testbed's own.
func (tb *Testbed) StartWorker(ctx context.Context, args ...string) (*Process, error) {
	tb.mu.Lock()
	tb.workers++
	name := fmt.Sprintf("worker-%d", tb.workers)
	tb.mu.Unlock()
	return tb.startFloe(ctx, name, "worker", append([]string{"--config=" + tb.ConfigFile, "--listen=127.0.0.1:0"}, args...), tb.clientEnvironment())
}

// StartWatcher starts one more watcher (`floe watch`) and returns as soon as it lives: see Process.AwaitReady. args are
// put behind the testbed's own.
func (tb *Testbed) StartWatcher(ctx context.Context, args ...string) (*Process, error) {
	tb.mu.Lock()
	tb.watchers++
	name := fmt.Sprintf("watcher-%d", tb.watchers)
	tb.mu.Unlock()
	args = append([]string{"watch", "--config=" + tb.WatcherConfigFile, "--cluster=" + tb.Cluster, "--listen=127.0.0.1:0"}, args...)
	return tb.startFloe(ctx, name, "floe", args, tb.clientEnvironment())
}

// startFloe starts one of Floe's own programs, which chooses its port itself and tells it by its ready file.
func (tb *Testbed) startFloe(ctx context.Context, name, program string, args, env []string) (*Process, error) {
	bin := tb.options.Bin
	if bin == "" {
		var err error
		if bin, err = Binaries(ctx); err != nil {
			return nil, err
		}
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	ready := filepath.Join(tb.Dir, "tmp", name+".ready")
	p := tb.newProcess(name, command{
		path:      filepath.Join(bin, program),
		args:      append(args, "--ready-file="+ready),
		env:       env,
		readyFile: ready,
		graceful:  true,
	})
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	tb.keep(p)
	return p, nil
}

// Environment is what a client needs to talk to the testbed as its owner: KUBECONFIG, TEMPORAL_*, FLOE_CONFIG,
// FLOE_TEMPORAL_UI where there is one, and credentials that the simulated AWS takes.
func (tb *Testbed) Environment() []string {
	env := append(tb.clientEnvironment(), "KUBECONFIG="+tb.AdminKubeconfig, "FLOE_CONFIG="+tb.ConfigFile)
	if tb.TemporalUI != "" {
		env = append(env, "FLOE_TEMPORAL_UI="+tb.TemporalUI)
	}
	return env
}

// clientEnvironment lets Floe's programs find Temporal and talk to the simulated AWS, which never checks a secret.
// OpenTelemetry's variables come from the owner, so that a person may look at a testbed's traces.
func (tb *Testbed) clientEnvironment() []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=AKIAFLOETESTBED00000", "AWS_SECRET_ACCESS_KEY=testbed", "AWS_REGION=" + Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"TEMPORAL_ADDRESS=" + tb.TemporalAddress, "TEMPORAL_NAMESPACE=" + TemporalNamespace,
	}
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "OTEL_") {
			env = append(env, entry)
		}
	}
	return env
}

// InterruptionQueue is the queue that the simulated AWS sends its warnings to.
const InterruptionQueue = "floe-events"

// writeConfigs writes Floe's config file, as worker and as watcher read it.
func (tb *Testbed) writeConfigs() error {
	account := map[string]any{"name": Account, "region": Region, "endpoint": tb.SimURL}
	if !tb.options.NoQueue {
		account["interruptionQueue"] = InterruptionQueue
	}
	if len(tb.options.Rates) > 0 {
		account["rates"] = tb.options.Rates
	}
	tb.ConfigFile = filepath.Join(tb.Dir, "floe.yaml")
	tb.WatcherConfigFile = filepath.Join(tb.Dir, "floe-watcher.yaml")
	for file, kubeconfig := range map[string]string{
		tb.ConfigFile:        tb.WorkerKubeconfig,
		tb.WatcherConfigFile: tb.WatcherKubeconfig,
	} {
		config := map[string]any{
			"accounts": []map[string]any{account},
			"store":    map[string]string{"uri": tb.StoreURI, "database": StoreDatabase},
		}
		if kubeconfig != "" {
			cluster := map[string]any{"name": tb.Cluster, "kubeconfig": kubeconfig, "account": Account}
			if len(tb.options.Notices) > 0 {
				cluster["notices"] = tb.options.Notices
			}
			config["clusters"] = []map[string]any{cluster}
		}
		if tb.options.DescribeLag > 0 {
			config["describeLag"] = tb.options.DescribeLag.String()
		}
		data, err := yaml.Marshal(config)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
