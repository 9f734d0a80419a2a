// Package machine is what boots on the simulated EC2: machines that read their user data and join a Kubernetes cluster as
// a kubelet would, keep their lease and status there, and fall silent when they are switched off. It also plays the cloud
// provider's controllers, which delete the Node of a terminated machine and taint that of a stopped one.
package machine

import (
	"context"
	"hash/fnv"
	"log/slog"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"

	"floe.dev/floe/internal/sim/cloud"
)

// Config is what a Fleet is made of.
type Config struct {
	Kube kubernetes.Interface
	Log  *slog.Logger
	// Register is how long a machine takes from running until its Node is registered, CNI from there until its network
	// plugin is ready, and Ready from there until its Node is; each varies by the fraction Jitter. Deletion is how long the
	// cloud provider's controllers take to notice that a machine is stopped or gone.
	Register, CNI, Ready, Deletion time.Duration
	// Jitter is the fraction by which they vary, up and down; or, where Sigma is not 0, they are lognormal: Sigma is the
	// standard deviation of their logarithm, and they are the medians.
	Jitter, Sigma float64
	// Initialize is how long the cloud provider's controllers take to see a new Node, where the kubelet leaves it to them
	// to make it whole.
	Initialize time.Duration
	// Images is how machines pull images. Nil: they don't.
	Images *Images
	// Speed divides the times of Images.
	Speed float64
	Seed  int64
}

const (
	// workers is how many machines talk to the API server at a time. It serves a few hundred writes a second on two
	// cores; more at once would only wait longer.
	workers = 32
	// retryFirst and retryMost bound the back-off of a machine that the API server does not serve.
	retryFirst = 200 * time.Millisecond
	retryMost  = 10 * time.Second
)

// Fleet is all machines of one cluster.
type Fleet struct {
	cfg   Config
	queue workqueue.TypedRateLimitingInterface[string]

	mu       sync.Mutex
	machines map[string]*machine
	lives    map[string]Life
	names    map[string]string // of Nodes, to instance IDs
}

// Life is a machine's part in Kubernetes.
type Life struct {
	Node       string    `json:"node"`
	Registered time.Time `json:"registered,omitzero"`
	// CNI is when its network plugin was ready. The Node does not say so before it is Ready: the kubelet posts both at once.
	CNI     time.Time `json:"cni,omitzero"`
	Ready   time.Time `json:"ready,omitzero"`
	Deleted time.Time `json:"deleted,omitzero"` // by the cloud provider's part
}

// machine is one machine. Only the worker that has it at hand uses the fields below power; the queue hands a machine to
// one worker at a time.
type machine struct {
	facts   *cloud.Facts
	kubelet kubelet
	power   cloud.Power // guarded by Fleet.mu
	images  pulls       // guarded by Fleet.mu
	waiting []waiting   // guarded by Fleet.mu: pods, for images

	boot       int       // that the fields below are about
	tried      bool      // to register, in any boot
	known      bool      // it has a Node, as far as it knows
	uid        types.UID // of the Node
	registered bool      // in this boot
	networked  bool      // in this boot: the network plugin is ready
	ready      bool      // in this boot
	orphan     bool      // somebody deleted the Node: the kubelet does not register it again before it restarts
	shutdown   bool      // the taint is on
	whole      bool      // the cloud provider has initialized the Node
	dark       bool      // the Node is marked as one whose pods nobody runs
	listed     int       // images told in the last status
	lease      *coordinationv1.Lease
	nextLease  time.Time
	nextStatus time.Time
}

// New makes a fleet without machines. Run works for it.
func New(cfg Config) *Fleet {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryMost)
	return &Fleet{
		cfg:      cfg,
		queue:    workqueue.NewTypedRateLimitingQueue(limiter),
		machines: map[string]*machine{},
		lives:    map[string]Life{},
		names:    map[string]string{},
	}
}

// Notify hears of a machine that was switched on, off, or is gone. It never blocks.
func (f *Fleet) Notify(p cloud.Power) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.machines[p.Facts.ID]
	if !ok {
		if p.State != cloud.PowerOn {
			return // it never ran, so Kubernetes never heard of it
		}
		m = &machine{facts: p.Facts}
		var problems []string
		if m.kubelet, problems = readUserData(p.Facts.UserData); len(problems) > 0 {
			f.cfg.Log.Warn("a machine's user data has kubelet flags that cannot be understood", "instance", p.Facts.ID, "flags", problems)
		}
		f.machines[p.Facts.ID] = m
		f.names[p.Facts.PrivateDNS] = p.Facts.ID
	}
	m.power = p
	f.queue.Add(p.Facts.ID)
}

// Lives tells what Kubernetes has seen of each machine, by instance ID.
func (f *Fleet) Lives() map[string]Life {
	f.mu.Lock()
	defer f.mu.Unlock()
	lives := make(map[string]Life, len(f.lives))
	for id, life := range f.lives {
		lives[id] = life
	}
	return lives
}

// Run lets the machines live until ctx is done.
func (f *Fleet) Run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { f.watchPods(ctx) })
	for range workers {
		group.Go(func() {
			for f.work(ctx) {
			}
		})
	}
	<-ctx.Done()
	f.queue.ShutDown()
	group.Wait()
}

// work does what is due for one machine.
func (f *Fleet) work(ctx context.Context) bool {
	id, stopped := f.queue.Get()
	if stopped {
		return false
	}
	defer f.queue.Done(id)
	f.mu.Lock()
	m, ok := f.machines[id]
	var power cloud.Power
	if ok {
		power = m.power
	}
	f.mu.Unlock()
	if !ok || ctx.Err() != nil {
		return true
	}
	wait, err := f.live(ctx, m, power)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			f.cfg.Log.Warn("a machine cannot do what it should in the cluster; it tries again", "instance", id, "node", m.facts.PrivateDNS, "error", err)
		}
		f.queue.AddRateLimited(id)
	default:
		f.queue.Forget(id)
		if wait > 0 {
			f.queue.AddAfter(id, wait)
		}
	}
	return true
}

// live does what is due for a machine now, and says when to look again; 0 is never.
func (f *Fleet) live(ctx context.Context, m *machine, p cloud.Power) (time.Duration, error) {
	switch p.State {
	case cloud.PowerOn:
		return f.on(ctx, m, p)
	case cloud.PowerOff:
		return f.off(ctx, m, p)
	default:
		return f.gone(ctx, m, p)
	}
}

// on boots a machine and keeps it alive.
func (f *Fleet) on(ctx context.Context, m *machine, p cloud.Power) (time.Duration, error) {
	if m.boot != p.Boot {
		// The kubelet starts anew, and registers again.
		m.boot, m.registered, m.networked, m.ready, m.orphan, m.lease = p.Boot, false, false, false, false, nil
		m.nextLease, m.nextStatus = time.Time{}, time.Time{}
	}
	if m.facts.Mute {
		return 0, nil
	}
	register := p.Loaded
	if !p.Resumed {
		register = p.At.Add(f.jittered(m, "register", f.cfg.Register) + m.facts.Late)
	}
	cni := register.Add(f.jittered(m, "cni", f.cfg.CNI))
	ready := cni.Add(f.jittered(m, "ready", f.cfg.Ready))
	now := time.Now()
	if wait := register.Sub(now); wait > 0 && (!m.registered || p.Resumed) {
		return wait, nil // a machine whose memory is still being read does nothing
	}
	if m.dark {
		if err := f.darken(ctx, m, false); err != nil {
			return 0, err
		}
	}
	if !m.registered {
		if err := f.register(ctx, m); err != nil {
			return 0, err
		}
	}
	if m.orphan {
		return 0, nil
	}
	if !m.networked && !now.Before(cni) {
		m.networked = true
		f.record(m, func(l *Life) { l.CNI = cni })
	}
	uninitialized := register.Add(f.cfg.Initialize)
	if !m.whole && !now.Before(uninitialized) {
		if err := f.initialize(ctx, m); err != nil {
			return 0, err
		}
	}
	if err := f.release(ctx, m, now); err != nil {
		return 0, err
	}
	pulled, nextImage := f.pulled(m, now)
	if (!m.ready && !now.Before(ready)) || len(pulled) != m.listed {
		m.nextStatus = time.Time{}
	}
	if due := !now.Before(m.nextStatus); due {
		if err := f.postStatus(ctx, m, m.ready || !now.Before(ready), pulled); err != nil {
			return 0, err
		}
	}
	if !m.orphan && !now.Before(m.nextLease) {
		if err := f.renewLease(ctx, m); err != nil {
			return 0, err
		}
	}
	if m.orphan {
		return 0, nil
	}
	next := m.nextLease
	for _, due := range []struct {
		at      time.Time
		waiting bool
	}{{m.nextStatus, true}, {cni, !m.networked}, {ready, !m.ready}, {uninitialized, !m.whole}, {nextImage, !nextImage.IsZero()}} {
		if due.waiting && due.at.Before(next) {
			next = due.at
		}
	}
	return max(time.Millisecond, time.Until(next)), nil
}

// off leaves a machine silent; once the cloud provider has noticed that it is stopped, its Node is tainted.
func (f *Fleet) off(ctx context.Context, m *machine, p cloud.Power) (time.Duration, error) {
	// A machine that wakes says so at once.
	m.nextLease, m.nextStatus = time.Time{}, time.Time{}
	if m.known && !m.dark {
		if err := f.darken(ctx, m, true); err != nil {
			return 0, err
		}
	}
	if !m.known || m.shutdown || !p.Stopping {
		return 0, nil
	}
	if wait := time.Until(p.At.Add(f.cfg.Deletion)); wait > 0 {
		return wait, nil
	}
	return 0, f.taintShutdown(ctx, m, true)
}

// gone deletes the Node of a terminated machine, once the cloud provider has noticed.
func (f *Fleet) gone(ctx context.Context, m *machine, p cloud.Power) (time.Duration, error) {
	if m.tried {
		if wait := time.Until(p.At.Add(f.cfg.Deletion)); wait > 0 {
			return wait, nil
		}
		deleted, err := f.deleteNode(ctx, m)
		if err != nil {
			return 0, err
		}
		if deleted {
			f.record(m, func(l *Life) { l.Deleted = time.Now() })
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.machines, m.facts.ID)
	if f.names[m.facts.PrivateDNS] == m.facts.ID {
		delete(f.names, m.facts.PrivateDNS)
	}
	return 0, nil
}

func (f *Fleet) record(m *machine, change func(*Life)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	life := f.lives[m.facts.ID]
	life.Node = m.facts.PrivateDNS
	change(&life)
	f.lives[m.facts.ID] = life
}

// jittered varies d in a way that depends on seed, machine, boot and phase alone.
func (f *Fleet) jittered(m *machine, phase string, d time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(m.facts.ID + strconv.Itoa(m.boot) + phase)) // a hash never fails
	chance := rand.New(rand.NewPCG(uint64(f.cfg.Seed), h.Sum64()))
	if f.cfg.Sigma > 0 {
		return time.Duration(float64(d) * math.Exp(f.cfg.Sigma*chance.NormFloat64()))
	}
	return time.Duration(float64(d) * (1 + f.cfg.Jitter*(2*chance.Float64()-1)))
}
