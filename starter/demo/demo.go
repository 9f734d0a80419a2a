// Package demo is `floe demo`: Floe's main job on real control planes, on one machine, in a minute. Two pools and sixty
// pending pods, an AWS that is out of capacity where the chain begins, and a report of what was bought and why.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/internal/dial"
	"floe.dev/floe/internal/testbed"
)

const (
	// lookEvery is the pause between two looks at the cluster: quick enough for the eye, and little work beside the
	// demo's. The workflows are asked less often, because each answer is a worker's work.
	lookEvery = 500 * time.Millisecond
	askEvery  = time.Second
	// askTimeout is how long the workflows may take to answer.
	askTimeout = 5 * time.Second
)

// Options of a demo.
type Options struct {
	// Out takes what people see: a live view if it is a terminal, else lines.
	Out io.Writer
	// Plain wants lines on a terminal, too.
	Plain bool
	// Keep stays up after the report until the context ends.
	Keep bool
	// Timeout is how long the pods may take to run. Zero means 3 minutes.
	Timeout time.Duration
	// Bin is the folder of the programs worker and floe; where it is empty, they are built.
	Bin string
}

// ErrUnserved is the demo's failure: not everything that should run, runs.
var ErrUnserved = errors.New("not all pods that can run are running")

// Run runs the demo. It returns nil only if everything that should run, runs, and all of it belongs together. Whatever
// happens, no process and no file is left behind but the tool cache.
func Run(ctx context.Context, o Options) (err error) {
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Minute
	}
	fmt.Fprintln(o.Out, "starting a Kubernetes control plane, Temporal, a MongoDB-wire store and the simulated AWS …")
	began := time.Now()
	tb, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		fmt.Fprintln(o.Out, "stopping …")
		err = errors.Join(err, tb.Close())
	}()
	d := &demo{options: o, tb: tb, startup: time.Since(began)}
	fmt.Fprintf(o.Out, "all up after %.1f s; Temporal UI: %s\n\n", d.startup.Seconds(), tb.TemporalUI)
	if err := d.connect(ctx); err != nil {
		return err
	}
	defer d.temporal.Close()
	result := d.play(ctx)
	if result != nil && !errors.Is(result, ErrUnserved) {
		return result
	}
	addresses(o.Out, tb)
	if result == nil {
		result = d.examine(ctx)
	}
	if o.Keep {
		fmt.Fprintln(o.Out, "\nstays up until Ctrl-C")
		<-ctx.Done()
	} else {
		fmt.Fprintln(o.Out, "\nthis ends now; to look around in it, keep it up: make demo KEEP=1, or floe demo --keep")
	}
	return result
}

// start brings everything up, the worker and the watcher included.
func start(ctx context.Context, o Options) (tb *testbed.Testbed, err error) {
	file, err := os.CreateTemp("", "floe-demo-*.yaml")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name()) // the simulator has read it when it serves
	_, err = file.Write(scenario)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	tb, err = testbed.Start(ctx, testbed.Options{Bin: o.Bin, Scenario: file.Name(), Progress: o.Out})
	if err != nil {
		return nil, err
	}
	for _, begin := range []func(context.Context, ...string) (*testbed.Process, error){tb.StartWorker, tb.StartWatcher} {
		p, err := begin(ctx)
		if err == nil {
			err = p.AwaitReady(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, tb.Close())
		}
	}
	return tb, nil
}

// demo is one run.
type demo struct {
	options  Options
	tb       *testbed.Testbed
	startup  time.Duration
	kube     kubernetes.Interface
	dynamic  dynamic.Interface
	temporal client.Client
}

func (d *demo) connect(ctx context.Context) (err error) {
	if d.kube, err = kubernetes.NewForConfig(d.tb.Kube); err != nil {
		return err
	}
	if d.dynamic, err = dynamic.NewForConfig(d.tb.Kube); err != nil {
		return err
	}
	d.temporal, err = d.tb.DialTemporal(ctx)
	return err
}

// play creates pools and pods, watches until all is served, and reports.
func (d *demo) play(ctx context.Context) error {
	wanted, err := workloads()
	if err != nil {
		return err
	}
	if err := applyPools(ctx, d.dynamic); err != nil {
		return err
	}
	o := &observer{kube: d.kube, temporal: d.temporal, cluster: d.tb.Cluster, wanted: wanted, created: time.Now()}
	if err := createWorkloads(ctx, d.kube, wanted); err != nil {
		return err
	}
	last, err := d.follow(ctx, o)
	if err != nil && !errors.Is(err, ErrUnserved) {
		return err
	}
	report(d.options.Out, last, d.startup, o.created)
	return err
}

// follow shows the state until all is served. What it saw last is returned also where that did not come.
func (d *demo) follow(ctx context.Context, o *observer) (last state, err error) {
	asking, stop := context.WithCancel(ctx)
	var asked sync.WaitGroup
	asked.Go(func() { o.ask(asking) })
	defer asked.Wait()
	defer stop()
	deadline := time.After(d.options.Timeout)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	v := newView(d.options.Out, d.options.Plain)
	defer v.end()
	for {
		now, err := o.look(ctx)
		if ctx.Err() != nil {
			return last, ctx.Err()
		} else if err != nil {
			return last, err
		}
		v.show(now, events(last, now))
		last = now
		if now.served() {
			stop()
			asked.Wait()
			o.askOnce(ctx) // the report is of what is, not of a second ago
			final, err := o.look(ctx)
			final.At = now.At
			return final, err
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-deadline:
			return last, fmt.Errorf("%w after %s%s", ErrUnserved, d.options.Timeout, d.complaints())
		case <-tick.C:
		}
		if err := d.alive(); err != nil {
			return last, err
		}
	}
}

// alive is an error if a program has ended that should run.
func (d *demo) alive() error {
	for _, p := range d.tb.Processes() {
		select {
		case <-p.Done():
			return fmt.Errorf("%s has ended:\n%s", p.Name, p.Tail(20))
		default:
		}
	}
	return nil
}

// complaints are the last lines of Floe's own logs, for whoever must find out what went wrong.
func (d *demo) complaints() (text string) {
	for _, p := range d.tb.Processes() {
		switch p.Name {
		case "worker-1", "watcher-1", "sim":
			text += "\n--- " + p.Name + "\n" + p.Tail(10)
		}
	}
	return text
}

// addresses says what can be looked at.
func addresses(w io.Writer, tb *testbed.Testbed) {
	variables := slices.DeleteFunc(tb.Environment(), func(v string) bool { return strings.HasPrefix(v, "OTEL_") })
	fmt.Fprintf(w, `
== What can be explored

  Temporal UI      %s
  simulated AWS    %s/truth
  worker           %s/metrics
  watcher          %s/metrics
  logs             %s

  export %s
  bin/floe node list; bin/floe plan; bin/floe doctor; kubectl get nodes,nodepools
  bin/floe pool apply -f FILE --kubeconfig $KUBECONFIG    # as an administrator: Floe's own user may not change pools
  $(go run ./tools/build -path temporal) workflow list    # Temporal's own CLI
`, dial.WorkflowsPage(tb.TemporalUI, testbed.TemporalNamespace), tb.SimURL, url(tb, "worker-1"), url(tb, "watcher-1"),
		filepath.Join(tb.Dir, "logs"), strings.Join(variables, " "))
}

func url(tb *testbed.Testbed, process string) string {
	if p := tb.Process(process); p != nil {
		return p.URL()
	}
	return ""
}
