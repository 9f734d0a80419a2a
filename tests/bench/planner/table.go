package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

const (
	// enough time is spent on each case and side, and rounds at most; the median round counts.
	enough = 3 * time.Second
	rounds = 15
)

// timed repeats a run and returns the round of median time.
func timed(run func() (outcome, error)) (outcome, error) {
	var all []outcome
	for begin := time.Now(); len(all) < rounds && (len(all) == 0 || time.Since(begin) < enough); {
		runtime.GC() // of what the round before left
		o, err := run()
		if err != nil {
			return o, err
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b outcome) int { return int(a.took - b.took) })
	o := all[len(all)/2]
	o.rounds = len(all)
	return o, nil
}

// table prints a line a case as soon as it is measured, and keeps what the goals look at.
type table struct {
	w          io.Writer
	ratio      float64 // at 5,000 diverse pods on the made-up types
	dearest    float64 // our price over theirs, the worst of all cases
	dearestIn  string
	aboveBound float64 // on the trace, the worst
	measured   map[string]bool
}

func newTable(w io.Writer) *table {
	fmt.Fprintf(w, "%s %s/%s, GOMAXPROCS %d. Ours is Floe's planner, theirs Karpenter v1.14.1's scheduler.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	fmt.Fprintln(w, "| case | pods (classes) | pods/s ours | theirs | ratio | ratio of CPU time | MB allocated ours | theirs | nodes ours | theirs | $/h ours | theirs | lower bound | ours above it | theirs |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	return &table{w: w, measured: map[string]bool{}}
}

func (t *table) add(c *benchCase, ours, theirs outcome) {
	n := float64(len(c.pods))
	ratio := theirs.took.Seconds() / ours.took.Seconds()
	fmt.Fprintf(t.w, "| %s | %d (%d) | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | %d | %d | %.3f | %.3f | %.3f | %.1f %% | %.1f %% |\n",
		c.name, len(c.pods), ours.classes, n/ours.took.Seconds(), n/theirs.took.Seconds(), ratio,
		theirs.cpu.Seconds()/ours.cpu.Seconds(), float64(ours.allocated)/1e6, float64(theirs.allocated)/1e6, ours.nodes, theirs.nodes,
		ours.usd, theirs.usd, ours.bound, above(ours.usd, ours.bound), above(theirs.usd, ours.bound))
	if c.left > 0 {
		fmt.Fprintf(t.w, "| | %d more fit no type | | | | | | | | | | | | | |\n", c.left)
	}
	if ours.unplaced+theirs.unplaced > 0 {
		fmt.Fprintf(t.w, "| | without a place: %d ours, %d theirs | | | | | | | | | | | | | |\n", ours.unplaced, theirs.unplaced)
	}
	if c.name == "diverse 5000, 400 made-up types" {
		t.ratio = ratio
		t.measured["ratio"] = true
	}
	if d := ours.usd / theirs.usd; d > t.dearest {
		t.dearest, t.dearestIn = d, c.name
		t.measured["price"] = true
	}
	if c.trace {
		t.aboveBound = max(t.aboveBound, above(ours.usd, ours.bound))
		t.measured["bound"] = true
	}
}

func above(usd, bound float64) float64 { return 100 * (usd/bound - 1) }

// goals says of what was measured which goal is met.
func (t *table) goals() {
	fmt.Fprintln(t.w)
	for _, g := range []struct {
		what, words string
		met         bool
	}{
		{"ratio", fmt.Sprintf("at least 50 times as fast at 5,000 diverse pods: %.0f times", t.ratio), t.ratio >= 50},
		{"price", fmt.Sprintf("never dearer than theirs: at worst %+.2f %% (%s)", 100*(t.dearest-1), t.dearestIn), t.dearest <= 1},
		{"bound", fmt.Sprintf("within 3 %% of the lower bound on the trace: at worst %.1f %%", t.aboveBound), t.aboveBound <= 3},
	} {
		if !t.measured[g.what] {
			continue
		}
		verdict := "MISSED"
		if g.met {
			verdict = "met"
		}
		fmt.Fprintf(t.w, "Goal %s: %s\n", verdict, g.words)
	}
}
