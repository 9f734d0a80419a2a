// Package testbed starts and stops the real parts that Floe works with, on loopback and on free ports: a Kubernetes
// control plane with KWOK in the kubelet's place, a Temporal server, a MongoDB-wire store, the simulated AWS, and
// Floe's own worker and watcher as separate processes. The demo, the tests and the benchmarks all use it.
//
// Any number of testbeds run side by side. Nothing outlives its owner, even when that is killed: see watchdog.
package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/testbed/toolchain"
)

// Part is a set of the parts of a testbed.
type Part uint

// The parts.
const (
	// API is etcd and kube-apiserver, with Floe's CRDs and roles applied. Nothing schedules or runs pods.
	API Part = 1 << iota
	// Controllers is kube-controller-manager, kube-scheduler and KWOK; they bring API.
	Controllers
	// Temporal is a Temporal server with its UI.
	Temporal
	// Store is a MongoDB-wire store on SQLite.
	Store
	// AWS is the simulated AWS; with API, its machines join the cluster.
	AWS

	// Kubernetes is a whole control plane whose pods run.
	Kubernetes = API | Controllers
	// All is everything.
	All = Kubernetes | Temporal | Store | AWS
)

func (p Part) has(q Part) bool { return p&q != 0 }

// Options of a testbed. The zero value starts everything.
type Options struct {
	// Parts to start; zero means All.
	Parts Part
	// Cluster is the name of the cluster in Floe's config. Empty means "demo".
	Cluster string
	// Bin is the folder of the programs worker and floe. Empty means that they are built (see Binaries) when needed.
	Bin string
	// Scenario is the path of the simulated AWS's scenario file. Empty means its default world.
	Scenario string
	// DescribeLag is how long Floe takes absence in EC2's answers for no proof; a scenario must lag less. Zero means
	// Floe's default of 60 s.
	DescribeLag time.Duration
	// Rates are the account's API rates in Floe's config, calls per second by class. Empty means AWS's.
	Rates map[contract.APIClass]float64
	// Notices are what others put on Nodes to say that AWS takes a machine back, as the cluster's notices in Floe's config
	// have them: {"condition": …, "kind": …} or {"taint": …, "kind": …}.
	Notices []map[string]string
	// NoQueue leaves the account's interruption queue out of Floe's config: nobody reads EC2's warnings.
	NoQueue bool
	// Headless leaves Temporal's UI out, which saves memory.
	Headless bool
	// SearchAttributes registers Floe's search attributes with Temporal at the start. A worker does so by itself; tests
	// without one may want it.
	SearchAttributes bool
	// Progress is told of builds and of parts that came up. It may be nil.
	Progress io.Writer
}

func (o Options) complete() Options {
	if o.Parts == 0 {
		o.Parts = All
	}
	if o.Parts.has(Controllers) {
		o.Parts |= API
	}
	if o.Cluster == "" {
		o.Cluster = "demo"
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// Testbed is a set of running parts. Fields of parts that were not asked for are empty.
type Testbed struct {
	// Dir holds all files of the testbed: data, certificates, kubeconfigs and, in logs/, the log of each process.
	Dir string
	// Cluster is the cluster's name in Floe's config.
	Cluster string

	// AdminKubeconfig is a member of system:masters; WorkerKubeconfig and WatcherKubeconfig are Floe's worker and
	// watcher, with the roles of deploy/rbac and nothing more.
	AdminKubeconfig   string
	WorkerKubeconfig  string
	WatcherKubeconfig string
	// Kube is the admin's client configuration, without client-side rate limits.
	Kube *rest.Config

	// TemporalAddress is host:port of Temporal's gRPC service, TemporalUI the URL of its pages and TemporalMetrics that of
	// its metrics.
	TemporalAddress string
	TemporalUI      string
	TemporalMetrics string
	// StoreURI is a mongodb:// URI.
	StoreURI string
	// SimURL is the endpoint of the simulated AWS.
	SimURL string
	// ConfigFile is the worker's Floe config, WatcherConfigFile the watcher's: they differ in the kubeconfig alone.
	ConfigFile        string
	WatcherConfigFile string

	options  Options
	tools    map[string]string
	watchdog *watchdog
	ca       *authority
	ports    *ports

	mu        sync.Mutex
	processes []*Process // in order of start
	workers   int
	watchers  int
	closed    bool
}

// Start starts the parts that o asks for, side by side, and returns when all of them serve. ctx bounds the start only;
// the testbed runs until Close, or until this program ends. On an error nothing is left behind.
func Start(ctx context.Context, o Options) (*Testbed, error) {
	o = o.complete()
	tools, err := toolchain.Ensure(ctx, toolNames(o.Parts), o.Progress)
	if err != nil {
		return nil, err
	}
	if o.Parts.has(AWS) && o.Bin == "" {
		if o.Bin, err = Binaries(ctx); err != nil {
			return nil, err
		}
	}
	tb, err := newTestbed(o, tools)
	if err != nil {
		return nil, err
	}
	if err := tb.start(ctx); err != nil {
		return nil, errors.Join(err, tb.Close())
	}
	return tb, nil
}

func toolNames(parts Part) []string {
	names := []string{}
	if parts.has(API) {
		names = append(names, "etcd", "kube-apiserver")
	}
	if parts.has(Controllers) {
		names = append(names, "kube-controller-manager", "kube-scheduler", "kwok")
	}
	if parts.has(Temporal) {
		names = append(names, "temporal")
	}
	if parts.has(Store) {
		names = append(names, "ferretdb")
	}
	return names
}

func newTestbed(o Options, tools map[string]string) (tb *Testbed, err error) {
	dir, err := os.MkdirTemp("", "floe-testbed-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	for _, sub := range []string{"logs", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	ca, err := newAuthority(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	ports, err := newPorts()
	if err != nil {
		return nil, err
	}
	dog, err := startWatchdog(dir)
	if err != nil {
		return nil, err
	}
	return &Testbed{Dir: dir, Cluster: o.Cluster, options: o, tools: tools, watchdog: dog, ca: ca, ports: ports}, nil
}

func (tb *Testbed) start(ctx context.Context) error {
	parts := tb.options.Parts
	group, ctx := errgroup.WithContext(ctx)
	// The machines of the simulated AWS need an API server to join.
	group.Go(func() error {
		if parts.has(API) {
			if err := tb.startKubernetes(ctx); err != nil {
				return err
			}
		}
		if parts.has(AWS) {
			return tb.startSim(ctx)
		}
		return nil
	})
	if parts.has(Temporal) {
		group.Go(func() error { return tb.startTemporal(ctx) })
	}
	if parts.has(Store) {
		group.Go(func() error { return tb.startStore(ctx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return tb.writeConfigs()
}

// environment is what every process gets: nothing of the owner's settings, credentials and home may change a testbed.
func (tb *Testbed) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + tb.Dir, "TMPDIR=" + filepath.Join(tb.Dir, "tmp")}
}

// keep takes a process that serves into the testbed.
func (tb *Testbed) keep(p *Process) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.processes = append(tb.processes, p)
	fmt.Fprintf(tb.options.Progress, "%s is up\n", p.Name)
}

// Processes lists the processes of the testbed in the order in which they came up.
func (tb *Testbed) Processes() []*Process {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return slices.Clone(tb.processes)
}

// Process finds a process by its name: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, temporal,
// ferretdb, sim, worker-1, watcher-1, …; nil if there is none.
func (tb *Testbed) Process(name string) *Process {
	for _, p := range tb.Processes() {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Tool is the path of a program that the testbed runs, such as temporal, whose command line is a client as well.
// Empty if no part of this testbed needs it.
func (tb *Testbed) Tool(name string) string { return tb.tools[name] }

// Close stops everything, the last part first, and removes all files. It says which processes had ended by themselves
// and which did not stop when asked to. Closing twice does nothing.
func (tb *Testbed) Close() error {
	tb.mu.Lock()
	closed := tb.closed
	tb.closed = true
	tb.mu.Unlock()
	if closed {
		return nil
	}
	processes := tb.Processes()
	slices.Reverse(processes)
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.failure())
	}
	for _, p := range processes {
		if p.command.graceful {
			errs = append(errs, p.Stop())
		}
	}
	for _, p := range processes {
		p.Kill()
	}
	tb.ports.release()
	errs = append(errs, os.RemoveAll(tb.Dir), tb.watchdog.close())
	return errors.Join(errs...)
}
