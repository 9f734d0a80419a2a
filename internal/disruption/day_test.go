package disruption

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/planner"
)

// A day in the life of a pool, in virtual time: the planner buys for pods that wait, decisions let nodes go, and nothing
// else is real. Two services follow the sun; spot is dry from 8 to 11; the front end fails from 14:00 to 14:12, and what
// is behind it is scaled down meanwhile. FLOE_WRITE=1 writes docs/day.svg anew.

const (
	boots = 2 * time.Minute
	drop  = 10 * time.Minute // how long the offering memory lets a dry offering alone
)

var midnight = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// day is the state of it.
type day struct {
	t       *testing.T
	pool    *v1alpha1.NodePool
	cluster *cluster
	waiting []*corev1.Pod
	ready   map[string]time.Time // by node
	going   map[string]string    // old node by its replacement
	memory  contract.DisruptionMemory
	serial  int
	samples []sample
	evicted int
	usd     float64
}

// sample is one minute of it.
type sample struct {
	at                       time.Time
	pods, waiting            int
	spot, onDemand           int
	usdPerHour               float64
	evicted                  int
	shrunk, returned, bought int
}

// replicas of the two services at a minute of the day.
func replicas(at time.Time) map[string]int {
	hour := at.Sub(midnight).Hours()
	sun := math.Max(0, math.Sin((hour-6)/14*math.Pi))
	n := map[string]int{"front": int(6 + 30*sun), "back": int(4 + 50*sun)}
	if down(at) {
		n["back"] = 10 // no traffic comes through
	}
	return n
}

// down is when the front end fails.
func down(at time.Time) bool { h := at.Sub(midnight).Hours(); return h >= 14 && h < 14.2 }

func dry(at time.Time) bool { h := at.Sub(midnight).Hours(); return h >= 8 && h < 11 }

func (d *day) minute(at time.Time) {
	s := sample{at: at}
	d.scale(at)
	d.replaced(at)
	s.shrunk, s.returned = d.leave(at)
	s.bought = d.buy(at)
	for _, n := range d.cluster.s.Nodes {
		d.usd += n.USDPerHour / 60
		s.usdPerHour += n.USDPerHour
		s.pods += len(n.Pods)
		if n.Labels[v1alpha1.LabelCapacityType] == "spot" {
			s.spot++
		} else {
			s.onDemand++
		}
	}
	s.waiting, s.evicted = len(d.waiting), d.evicted
	d.samples = append(d.samples, s)
}

// scale adds and takes away replicas, the youngest first, as a ReplicaSet does.
func (d *day) scale(at time.Time) {
	want := replicas(at)
	for _, app := range []string{"back", "front"} {
		var have []*corev1.Pod
		for _, n := range d.cluster.s.Nodes {
			for _, p := range n.Pods {
				if p.Labels["app"] == app {
					have = append(have, p)
				}
				if p.Labels["app"] == "front" {
					p.Status.Conditions[0].Status = corev1.ConditionTrue
					if down(at) {
						p.Status.Conditions[0].Status = corev1.ConditionFalse
					}
				}
			}
		}
		waits := 0
		for _, p := range d.waiting {
			if p.Labels["app"] == app {
				waits++
			}
		}
		for len(have)+waits < want[app] {
			d.serial++
			d.waiting = append(d.waiting, aPod(fmt.Sprintf("%s-%d", app, d.serial), "500m", func(p *corev1.Pod) {
				p.Labels["app"], p.CreationTimestamp = app, metav1.NewTime(at)
			}))
			waits++
		}
		slices.SortFunc(have, func(a, b *corev1.Pod) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
		for extra := len(have) + waits - want[app]; extra > 0 && len(have) > 0; extra-- {
			d.remove(have[0])
			have = have[1:]
		}
	}
}

func (d *day) remove(pod *corev1.Pod) {
	for i := range d.cluster.s.Nodes {
		n := &d.cluster.s.Nodes[i]
		n.Pods = slices.DeleteFunc(n.Pods, func(p *corev1.Pod) bool { return p == pod })
	}
}

// snapshot brings the planner's view up to date.
func (d *day) snapshot(at time.Time) Snapshot {
	s := d.cluster.s
	s.Now, s.Room.Now, s.Memory = at, at, d.memory
	s.Room.Pods, s.Room.Nodes = d.waiting, nil
	clear(d.cluster.s.Room.Pools[0].BackOff)
	if dry(at.Add(-drop)) || dry(at) && at.Sub(midnight) > 8*time.Hour {
		d.cluster.dry(at.Add(drop))
	}
	for _, n := range s.Nodes {
		s.Room.Nodes = append(s.Room.Nodes, planner.Node{
			Name: n.Name, Pool: "p", Labels: n.Labels, Settled: !at.Before(d.ready[n.Name]), Pods: n.Pods, USDPerHour: n.USDPerHour,
			Allocatable: catalog.Allocatable(d.pool, d.cluster.view.Types[n.Labels[v1alpha1.LabelInstanceType]]),
		})
	}
	for _, old := range d.going {
		s.Leaving = append(s.Leaving, contract.Leaving{Instance: "i-" + old, Workflow: "replacing"})
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Settled = !at.Before(d.ready[n.Name])
		n.Status.Conditions[0].Status = corev1.ConditionFalse
		if n.Settled {
			n.Status.Conditions[0].Status = corev1.ConditionTrue
		}
	}
	return s
}

// buy binds what fits on nodes that are ready, and launches for the rest.
func (d *day) buy(at time.Time) (bought int) {
	s := d.snapshot(at)
	plan := planner.Plan(s.Room)
	for name, pods := range plan.OnNodes {
		if at.Before(d.ready[name]) {
			continue // it waits for the node
		}
		d.bind(name, pods)
	}
	for _, l := range plan.Launches {
		for range l.Count {
			d.launch(at, l.InstanceTypes[0], contract.PurposeDemand, dry(at))
			bought++
		}
	}
	return bought
}

func (d *day) bind(node string, pods []*corev1.Pod) {
	for i := range d.cluster.s.Nodes {
		n := &d.cluster.s.Nodes[i]
		if n.Name == node {
			n.Pods = append(n.Pods, pods...)
			d.waiting = slices.DeleteFunc(d.waiting, func(p *corev1.Pod) bool { return slices.Contains(pods, p) })
		}
	}
}

func (d *day) launch(at time.Time, instanceType string, purpose contract.Purpose, onDemand bool) string {
	d.serial++
	name := fmt.Sprintf("n%04d", d.serial)
	t := d.cluster.view.Types[instanceType]
	d.cluster.node("p", name, []string{"a", "b", "c"}[d.serial%3], func(n *Node) {
		ct, share := v1alpha1.Spot, 0.4
		if onDemand {
			ct, share = v1alpha1.OnDemand, 1
		}
		zone := n.Labels[v1alpha1.LabelZone]
		n.Labels = catalog.Labels(d.pool, t, zone, n.Labels[v1alpha1.LabelZoneID], "eu-west-1", ct)
		n.CreationTimestamp, n.USDPerHour = metav1.NewTime(at), share*t.OnDemandUSD
		n.Annotations[v1alpha1.AnnotationPurpose] = string(purpose)
	})
	d.ready[name] = at.Add(boots)
	return name
}

// leave lets decisions come true.
func (d *day) leave(at time.Time) (shrunk, returned int) {
	r := Decide(d.snapshot(at))
	d.memory = r.Memory
	for _, g := range r.Grants {
		require.False(d.t, dry(at) && g.Reason == v1alpha1.DisruptReturn, "nothing returns in a drought: %s", at)
		if shrinks(g.Reason) {
			shrunk++
		}
		if g.Reason == v1alpha1.DisruptReturn {
			returned++
		}
		if len(g.Launches) == 0 {
			d.terminate(g.Node)
			continue
		}
		onDemand := slices.Contains(g.Launches[0].CapacityTypes, v1alpha1.OnDemand)
		d.going[d.launch(at, g.Launches[0].InstanceTypes[0], contract.PurposeReturn, onDemand)] = g.Node
	}
	return shrunk, returned
}

// replaced lets the old node go once the new one is ready.
func (d *day) replaced(at time.Time) {
	for name, old := range d.going {
		if !at.Before(d.ready[name]) {
			delete(d.going, name)
			d.terminate(old)
		}
	}
}

func (d *day) terminate(name string) {
	nodes := &d.cluster.s.Nodes
	i := slices.IndexFunc(*nodes, func(n Node) bool { return n.Name == name })
	d.evicted += len((*nodes)[i].Pods)
	d.waiting = append(d.waiting, unbound((*nodes)[i].Pods)...)
	*nodes = slices.Delete(*nodes, i, i+1)
}

func live(t *testing.T, change ...func(*v1alpha1.NodePoolSpec)) *day {
	pool := aPool("p", append([]func(*v1alpha1.NodePoolSpec){disruption(func(d *v1alpha1.Disruption) {
		*d = v1alpha1.Disruption{Budgets: []v1alpha1.DisruptionBudget{{Nodes: "20%"}}}
	})}, change...)...)
	d := &day{t: t, pool: pool, cluster: newCluster(pool), ready: map[string]time.Time{}, going: map[string]string{}}
	for m := range 24 * 60 {
		d.minute(midnight.Add(time.Duration(m) * time.Minute))
	}
	return d
}

func (d *day) at(hour float64) sample { return d.samples[int(hour*60)] }

func TestADayInTheLife(t *testing.T) {
	d := live(t)
	require.Zero(t, d.at(7.9).onDemand, "spot while there is spot")
	require.Positive(t, d.at(10.9).onDemand, "on-demand in the drought")
	require.Zero(t, d.at(16).onDemand, "all has returned some two hours after")
	require.Less(t, d.at(23.9).spot, d.at(13).spot/2, "the evening shrinks it")
	for m := 14 * 60; m < 14*60+30; m++ {
		require.Zero(t, d.samples[m].shrunk, "nothing shrinks while the front end fails, minute %d", m)
	}
	peak := 0
	for _, s := range d.samples[14*60 : 15*60] {
		peak += s.bought
	}
	require.Zero(t, peak, "and nothing has to be bought when it is back")
	never := live(t, disruption(func(s *v1alpha1.Disruption) {
		s.Budgets = []v1alpha1.DisruptionBudget{{Nodes: "0"}}
	}))
	require.Less(t, d.usd, never.usd)
	t.Logf("$%.2f with %d evictions; $%.2f where nothing may leave", d.usd, d.evicted, never.usd)
	svg := d.svg(never.usd)
	if os.Getenv("FLOE_WRITE") != "" {
		require.NoError(t, os.WriteFile("../../docs/day.svg", svg, 0o644))
	}
	committed, err := os.ReadFile("../../docs/day.svg")
	require.NoError(t, err)
	require.True(t, bytes.Equal(committed, svg), "docs/day.svg is not of this code: FLOE_WRITE=1 go test -run ADay ./internal/disruption")
}

// svg plots the day: capacity, evictions so far, and cost.
func (d *day) svg(never float64) []byte {
	const width, height, left = 720, 130, 70
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="820" height="560" font-family="sans-serif" font-size="12">`+"\n"+
		`<rect width="820" height="560" fill="white"/>`+"\n"+
		`<text x="%d" y="20" font-size="14">A day of one pool, in virtual time: $%.2f and %d evictions; $%.2f where nothing may leave</text>`+"\n", left, d.usd, d.evicted, never)
	plot := func(top int, title, color string, of func(sample) float64) {
		most := 0.0
		for _, s := range d.samples {
			most = math.Max(most, of(s))
		}
		var points strings.Builder
		for i, s := range d.samples {
			if i%5 == 0 {
				fmt.Fprintf(&points, "%.1f,%.1f ", left+float64(width*i)/float64(len(d.samples)), float64(top+height)-of(s)/math.Max(most, 1e-9)*height)
			}
		}
		for _, band := range []struct {
			from, to float64
			color    string
		}{{8, 11, "#fde2c8"}, {14, 14.2, "#f5b5b5"}} {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left+band.from*width/24, top, (band.to-band.from)*width/24, height, band.color)
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>`+"\n", color, strings.TrimSpace(points.String()))
		fmt.Fprintf(&b, `<path d="M%d %dV%dH%d" fill="none" stroke="black"/>`+"\n", left, top, top+height, left+width)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%.4g</text><text x="%d" y="%d">%s</text>`+"\n", left-6, top+10, most, left+6, top+12, title)
	}
	plot(40, "on-demand, % of nodes (spot is dry in the light band)", "#c0392b", func(s sample) float64 {
		return 100 * float64(s.onDemand) / math.Max(1, float64(s.onDemand+s.spot))
	})
	plot(210, "evictions so far", "#2c3e50", func(s sample) float64 { return float64(s.evicted) })
	plot(380, "cost, $/h (the front end fails in the dark band)", "#2980b9", func(s sample) float64 { return s.usdPerHour })
	for hour := 0; hour <= 24; hour += 4 {
		fmt.Fprintf(&b, `<text x="%d" y="530" text-anchor="middle">%02d:00</text>`+"\n", left+hour*width/24, hour)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
