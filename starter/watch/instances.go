package watch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
)

// expectNode is how long after its launch a machine without a Node keeps the EC2 loop quick: the default of a pool's
// registration timeout.
const expectNode = 15 * time.Minute

// instances is what EC2 shows of the cluster's machines.
type instances struct {
	cluster *kube.Cluster
	ec2     EC2
	timing  Timing
	metrics *metrics
	quiet   quiet

	mu       sync.Mutex
	known    map[string]*instance
	expected time.Time                // machines are expected to appear until then
	hurry    map[string]chan struct{} // by account: ends a slow wait
}

// instance is one machine as EC2 showed it last.
type instance struct {
	contract.Instance
	account string
	absent  time.Time // since when EC2 does not show it; zero where it does
}

func newInstances(c *kube.Cluster, ec2 EC2, timing Timing, m *metrics, log *slog.Logger) *instances {
	return &instances{
		cluster: c, ec2: ec2, timing: timing, metrics: m, quiet: quiet{log: log},
		known: map[string]*instance{}, hurry: map[string]chan struct{}{},
	}
}

// owns reports whether EC2 has shown the instance as the cluster's.
func (i *instances) owns(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.known[id] != nil
}

// state is EC2's word on an instance, gone for one that it has not shown for the lag; empty for one never shown.
func (i *instances) state(id string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if in := i.known[id]; in != nil {
		return in.State
	}
	return ""
}

// find is an instance as EC2 showed it last, and the account that it is in.
func (i *instances) find(id string) (in contract.Instance, account string, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known := i.known[id]; known != nil {
		return known.Instance, known.account, true
	}
	return contract.Instance{}, "", false
}

// poke ends an account's slow wait: something has changed there.
func (i *instances) poke(account string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if hurry, ok := i.hurry[account]; ok {
		select {
		case hurry <- struct{}{}:
		default:
		}
	}
}

// expect makes the loop quick for a while: a demand was signaled, so machines are to appear.
func (i *instances) expect() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.expected = time.Now().Add(i.timing.Expect)
	for _, hurry := range i.hurry {
		select {
		case hurry <- struct{}{}:
		default:
		}
	}
}

// run looks at one account until ctx ends, and has every instance looked at whose state is another than before.
func (i *instances) run(ctx context.Context, account string, look func(instance string)) {
	hurry := make(chan struct{}, 1)
	i.mu.Lock()
	i.hurry[account] = hurry
	i.mu.Unlock()
	failures := 0
	for {
		listed, err := i.ec2.Instances(ctx, account, i.cluster.Name())
		if ctx.Err() != nil {
			return
		}
		var wait time.Duration
		if err != nil {
			wait = min(i.timing.EC2Fast<<min(failures, 10), i.timing.EC2Slow)
			failures++
			i.metrics.polls.WithLabelValues(account, "error").Inc()
			i.quiet.warn("cannot look at EC2, trying again", "account", account, "retry", wait, "error", err)
		} else {
			failures = 0
			i.metrics.polls.WithLabelValues(account, "ok").Inc()
			now := time.Now()
			for _, id := range i.take(account, listed, now) {
				look(id)
			}
			wait = i.wait(account, now)
		}
		if wait <= i.timing.EC2Fast {
			select { // as quick as it gets already
			case <-hurry:
			default:
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-hurry:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// take remembers what EC2 shows now and returns the instances whose state changed.
func (i *instances) take(account string, listed []contract.Instance, now time.Time) (changed []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	shown := make(map[string]bool, len(listed))
	for _, in := range listed {
		shown[in.ID] = true
		if before := i.known[in.ID]; before == nil || before.State != in.State {
			changed = append(changed, in.ID)
		}
		i.known[in.ID] = &instance{Instance: in, account: account}
	}
	for id, in := range i.known {
		switch {
		case in.account != account || shown[id]:
		case ended(in.State):
			delete(i.known, id)           // EC2 shows the terminated for an hour or so; all is said about it,
			changed = append(changed, id) // but that is still to be forgotten
		case in.absent.IsZero():
			in.absent = now
		case now.Sub(in.absent) >= i.timing.DescribeLag:
			in.State = contract.InstanceGone
			changed = append(changed, id)
		}
	}
	return changed
}

// wait is how long to wait before the next look.
func (i *instances) wait(account string, now time.Time) time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.Before(i.expected) {
		return i.timing.EC2Fast
	}
	for id, in := range i.known {
		if in.account == account && i.inTransition(id, in, now) {
			return i.timing.EC2Fast
		}
	}
	return i.timing.EC2Slow
}

// inTransition reports whether something about an instance is about to change.
func (i *instances) inTransition(id string, in *instance, now time.Time) bool {
	switch in.State {
	case "pending", "shutting-down", "stopping":
		return true
	case "running":
		if !in.absent.IsZero() {
			return true
		}
		if now.Sub(in.LaunchTime) < expectNode {
			_, registered := i.cluster.NodeOfInstance(id)
			return !registered
		}
	}
	return false
}
