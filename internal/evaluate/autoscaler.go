package evaluate

import (
	"slices"
	"time"
)

// cluster-autoscaler's numbers. Source: github.com/kubernetes/autoscaler, cluster-autoscaler.
const (
	// config/flags: scan-interval.
	scanInterval = 10 * time.Second
	// cloudprovider/aws/aws_manager.go, refreshInterval: how often the groups, and launches that failed in them, are read.
	scanRefresh = time.Minute
	// config/flags: initial-node-group-backoff-duration, max-node-group-backoff-duration, node-group-backoff-reset-timeout.
	groupBackOff      = 5 * time.Minute
	groupBackOffMax   = 30 * time.Minute
	groupBackOffReset = 3 * time.Hour
	// config/flags: scale-down-unneeded-time: how long an empty node is kept, and paid.
	unneeded = 10 * time.Minute
	// Draino's drain-buffer, the least time between two drains (github.com/planetlabs/draino, README).
	drainBuffer = 10 * time.Minute
)

// autoscaler is cluster-autoscaler with the priority expander: an auto scaling group for each offering, spot before
// on-demand. A group that cannot launch is found out when the groups are read next, lowered, and left alone; the next one is
// tried in the next scan. A group whose machine is reclaimed tries to replace it by itself. On-demand machines stay, unless
// something drains them at a given age.
type autoscaler struct {
	groups      []group
	scan        time.Duration // the next
	refreshed   time.Duration
	returnAfter time.Duration
	drained     time.Duration // the last drain
}

type group struct {
	short   int           // how many were asked for and did not come
	failed  time.Duration // when it fell short
	until   time.Duration // is left alone until then
	length  time.Duration // of that wait
	lastICE time.Duration
}

func newAutoscaler(w *world, returnAfter time.Duration) *autoscaler {
	return &autoscaler{groups: make([]group, len(w.offerings)), returnAfter: returnAfter, drained: -drainBuffer}
}

func (a *autoscaler) act(w *world) time.Duration {
	// The group itself replaces what was taken from it, at once, without asking anybody.
	slices.Sort(w.reclaimed)
	for start := 0; start < len(w.reclaimed); {
		end := start
		for end < len(w.reclaimed) && w.reclaimed[end] == w.reclaimed[start] {
			end++
		}
		a.launch(w, w.reclaimed[start], min(end-start, w.missing()))
		start = end
	}
	if w.now >= a.scan {
		a.loop(w)
		a.scan = w.now - w.now%scanInterval + scanInterval
	}
	if w.missing() > 0 || slices.ContainsFunc(a.groups, func(g group) bool { return g.short > 0 }) {
		return a.scan
	}
	return a.nextDrain(w)
}

// launch raises a group by n.
func (a *autoscaler) launch(w *world, i, n int) {
	if n == 0 {
		return
	}
	got, _ := w.fleet([]int{i}, n, 0)
	g := &a.groups[i]
	if g.short += n - len(got); g.short > 0 {
		g.failed = w.now
		return
	}
	g.until, g.length = 0, 0
}

func (a *autoscaler) loop(w *world) {
	if w.now-a.refreshed >= scanRefresh {
		last := w.now - (w.now-a.refreshed)%scanRefresh
		a.refreshed = last
		if a.lower(w.now) {
			a.refreshed = w.now - scanRefresh // after deleting what never came the groups are read anew in the next loop
			return                            // and this one is over
		}
	}
	a.drain(w)
	missing := w.missing()
	for _, g := range a.groups {
		missing -= g.short
	}
	if missing <= 0 {
		return
	}
	for i := range a.groups { // the offerings' order is the priority: spot first
		if g := a.groups[i]; g.until <= w.now && g.short == 0 {
			a.launch(w, i, missing)
			return
		}
	}
}

// lower gives up what groups could not launch, and leaves them alone for a while.
func (a *autoscaler) lower(now time.Duration) (any bool) {
	for i := range a.groups {
		g := &a.groups[i]
		if g.length > 0 && now-g.lastICE > groupBackOffReset {
			g.length = 0
		}
		if g.short == 0 {
			continue
		}
		switch {
		case g.length == 0:
			g.length = groupBackOff
		case g.until < now:
			g.length = min(2*g.length, groupBackOffMax)
		default:
			g.length = groupBackOff
		}
		g.short, g.until, g.lastICE, any = 0, now+g.length, now, true
	}
	return any
}

// drain empties one on-demand machine that is old enough.
func (a *autoscaler) drain(w *world) {
	if a.returnAfter == never || w.now-a.drained < drainBuffer {
		return
	}
	for _, m := range w.returnable() {
		if w.now-m.launched >= a.returnAfter {
			w.drain(m)
			m.leaves, a.drained = w.now+unneeded, w.now
			return
		}
	}
}

func (a *autoscaler) nextDrain(w *world) time.Duration {
	next := never
	if a.returnAfter == never {
		return next
	}
	for _, m := range w.returnable() {
		next = min(next, max(m.launched+a.returnAfter, a.drained+drainBuffer))
	}
	if next == never {
		return next
	}
	return (next + scanInterval - 1) / scanInterval * scanInterval
}
