// Command bench measures Floe from outside, on the real parts, and prints one table. Every figure was measured in this
// run; the machine is named above the table.
//
// The simulated AWS has no boot time and no API budgets here, so that what is left is Floe's, Temporal's and Kubernetes'
// own; the one row with boot time says what it takes beyond it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// measure is one group of figures that share a testbed.
type measure struct {
	name string
	run  func(ctx context.Context, t *table) error
}

var measures = []measure{
	{"bursts", measureBursts},
	{"signal", measureSignal},
	{"hops", measureHops},
	{"calls", measureCalls},
	{"main-job", measureMainJob},
	{"karpenter", measureRival},
	{"size-50", measureSize(50)},
	{"size-200", measureSize(200)},
	{"size-500", measureSize(500)},
	{"size-1000", measureSize(1000)},
	{"storm", measureStorm},
	{"slow-boot", measureStormBoot},
	{"resume", measureResume},
	{"resume-100", measureResumes(100)},
	{"resume-200", measureResumes(200)},
	{"machines", measureMachines},
	{"simulated-aws", measureSim},
	{"prefetch", measurePrefetch},
	{"fallback", measureFallback},
}

// names are what can be chosen.
func names() string {
	all := make([]string, len(measures))
	for i, m := range measures {
		all[i] = m.name
	}
	return strings.Join(all, ", ")
}

func main() {
	only := flag.String("run", ".", "regular expression of the measures to run: "+names())
	traces := flag.String("traces", "", "folder of recorded spot availability for the measure fallback, instead of its synthetic markets")
	short := flag.Bool("short", false, "few rounds, to see that it works")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, *only, *traces, *short); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func bench(ctx context.Context, only, traces string, short bool) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	t := &table{short: short, traces: traces}
	for _, m := range measures {
		if !chosen.MatchString(m.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", m.name)
		if err := m.run(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	t.print()
	return nil
}

// table gathers rows.
type table struct {
	short  bool
	traces string // see -traces
	rows   [][3]string
}

// rounds is how often something is repeated.
func (t *table) rounds(n int) int {
	if t.short {
		return min(n, 3)
	}
	return n
}

// row adds a figure; goal may be empty.
func (t *table) row(what, figure, goal string) {
	t.rows = append(t.rows, [3]string{what, figure, goal})
	fmt.Fprintf(os.Stderr, "  %s: %s\n", what, figure)
}

func (t *table) print() {
	fmt.Printf("\n%s, %s/%s, %d cores, %s\n\n", processor(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmeasured\tgoal")
	for _, r := range t.rows {
		fmt.Fprintln(w, strings.Join(r[:], "\t"))
	}
	_ = w.Flush()
}

// processor is the processor's name where Linux tells it.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			}
		}
	}
	return "unknown processor"
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.0f ms", d.Seconds()*1000) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
