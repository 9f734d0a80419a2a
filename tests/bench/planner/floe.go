package main

import (
	"runtime"
	"syscall"
	"time"

	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/planner"
)

// outcome is one run of either.
type outcome struct {
	took     time.Duration
	cpu      time.Duration // of the whole process meanwhile
	rounds   int
	nodes    int
	unplaced int
	usd      float64 // per hour
	// allocated is how much memory was asked for in all, in bytes: more than was held at a time.
	allocated uint64
	// bound and classes are told by Floe alone.
	bound   float64
	classes int
}

// floe plans the case; all of planner.Plan counts. Which types the pool may buy is found out before, as a worker does.
func (c *benchCase) floe() outcome {
	p := planner.Pool{NodePool: c.pool}
	p.Candidates, p.Rejected, p.Problem = catalog.Candidates(c.pool, c.view)
	s := planner.Snapshot{Pods: c.pods, Pools: []planner.Pool{p}}
	memory, used, begin := allocated(), cpuTime(), time.Now()
	r := planner.Plan(s)
	o := outcome{
		took: time.Since(begin), cpu: cpuTime() - used, unplaced: len(r.Unplaced), usd: r.USDPerHour,
		allocated: allocated() - memory, bound: r.LowerBoundUSDPerHour, classes: r.Classes,
	}
	for _, l := range r.Launches {
		o.nodes += l.Count
	}
	return o
}

// allocated is how much memory the process has asked for since it began, in bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// cpuTime is what the process has used of its CPUs: on a busy machine the ratio of it says more than that of the time
// that passed. Where it cannot be told it is 0.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
