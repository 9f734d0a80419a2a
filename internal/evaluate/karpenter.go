package evaluate

import "time"

// Karpenter's numbers. Sources: github.com/aws/karpenter-provider-aws and sigs.k8s.io/karpenter v1.14.1.
const (
	// pkg/cache/cache.go, UnavailableOfferingsTTL. The cache is in memory. A spot interruption's offering goes there too
	// (pkg/controllers/interruption/controller.go).
	karpenterCache = 3 * time.Minute
	// pkg/operator/options/options.go, batch-idle-duration.
	karpenterBatch = time.Second
	// pkg/controllers/provisioning/controller.go: a pod that is still pending is looked at again after so long.
	karpenterAgain = 10 * time.Second
	// pkg/controllers/disruption/controller.go, pollingPeriod.
	karpenterPoll = 10 * time.Second
	// pkg/controllers/disruption/consolidation.go, commandValidationDelay.
	karpenterValidation = 15 * time.Second
	// pkg/controllers/state/cluster.go, ConsolidationState: a cluster in which nothing changes is looked at again after so
	// long.
	karpenterConsolidated = 5 * time.Minute
)

// karpenter provisions from spot where its cache allows any, else from on-demand. What a launch did not bring waits for the
// next loop. It returns to spot by consolidation, since spot is cheaper: one node at a time (the default budget, 10 % of
// nodes rounded up, is one of up to ten), its replacement first.
type karpenter struct {
	cached   []time.Duration // until when each offering is left alone
	restart  time.Duration   // when it restarts next
	loop     time.Duration   // the next provisioning loop; never: no pod is pending
	mark     time.Duration   // when the cluster changed last, as far as consolidation is concerned
	seen     time.Duration   // the mark at which nothing was to be consolidated
	validate time.Duration   // when a consolidation that was found is carried out; never: none was
}

func newKarpenter(w *world) *karpenter {
	k := &karpenter{cached: make([]time.Duration, len(w.offerings)), loop: never, seen: -1, validate: never, restart: never}
	if w.Restart > 0 {
		k.restart = w.Restart
	}
	return k
}

func (k *karpenter) act(w *world) time.Duration {
	if w.now >= k.restart {
		clear(k.cached)
		k.restart += w.Restart
	}
	for _, i := range w.reclaimed {
		k.cached[i] = w.now + karpenterCache
	}
	if w.changed {
		k.mark = w.now
	}
	return min(k.provision(w), k.consolidate(w))
}

func (k *karpenter) free(w *world) func(int) bool {
	return func(i int) bool { return k.cached[i] <= w.now }
}

func (k *karpenter) launch(w *world, places []int, n int) []*machine {
	got, dry := w.fleet(places, n, 0)
	for _, i := range dry {
		k.cached[i] = w.now + karpenterCache
	}
	k.mark = w.now // NodeClaims came, and those without a machine went
	return got
}

func (k *karpenter) provision(w *world) time.Duration {
	switch {
	case w.missing() == 0:
		k.loop = never
		return never
	case k.loop == never:
		k.loop = w.now + karpenterBatch
	}
	if w.now < k.loop {
		return k.loop
	}
	places := w.of(true, k.free(w))
	if len(places) == 0 {
		places = w.of(false, k.free(w))
	}
	if len(places) > 0 {
		k.launch(w, places, w.missing())
	}
	k.loop = never
	if w.missing() > 0 {
		k.loop = w.now + karpenterAgain
	}
	return k.loop
}

func (k *karpenter) consolidate(w *world) time.Duration {
	nodes := w.returnable()
	underway := false
	for _, m := range w.machines {
		underway = underway || m.replaces != nil && !m.serving
	}
	if len(nodes) == 0 || underway {
		k.validate = never
		return never // the world calls when that changes
	}
	if k.validate <= w.now {
		k.validate = never
		if places := w.of(true, k.free(w)); len(places) > 0 {
			replace(k.launch(w, places, 1), nodes[:1])
			return k.poll(w)
		}
	}
	if k.validate != never {
		return k.validate
	}
	if w.now-k.mark >= karpenterConsolidated {
		k.mark = w.now
	}
	if k.mark == k.seen {
		return k.mark + karpenterConsolidated
	}
	if w.now%karpenterPoll != 0 {
		return k.poll(w)
	}
	if len(w.of(true, k.free(w))) == 0 {
		k.seen = k.mark
		return k.mark + karpenterConsolidated
	}
	k.validate = w.now + karpenterValidation
	return k.validate
}

func (k *karpenter) poll(w *world) time.Duration {
	return w.now - w.now%karpenterPoll + karpenterPoll
}
