package kube

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func untainted(s *v1alpha1.NodePoolSpec) { s.Template.Taints = nil }

func TestPlan(t *testing.T) {
	w := newWorld(t, testPool("api", untainted), testPod("a", unschedulable), testPod("b", unschedulable), testPod("bound", on("n9")))
	require.NoError(t, w.client.Tracker().Add(testPod("late", labeled("app", "other"), func(p *corev1.Pod) { p.ResourceVersion = "11" })))
	digest, err := w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "run-1", Watermark: "11"})
	require.NoError(t, err)
	require.Equal(t, "run-1", digest.Plan)
	require.Equal(t, 2, digest.Pending)
	require.Equal(t, 2, digest.Launched)
	require.True(t, digest.CaughtUp)
	require.GreaterOrEqual(t, digest.CatalogAge, time.Minute)
	require.NotEmpty(t, digest.Launches)
	require.True(t, digest.Stored)
	require.Len(t, w.plans.plans, 1)
	require.Equal(t, "demo/run-1", w.plans.plans[0].ID)
	kept := w.plans.plans[0].Plan.(plan)
	require.ElementsMatch(t, []string{"default/a", "default/b"}, kept.Launches[0].Machines[0])
	require.Equal(t, "api", kept.Pools[0].Name)
}

func TestPlanDryRunIsNotKept(t *testing.T) {
	w := newWorld(t, testPool("api", untainted), testPod("a", unschedulable))
	digest, err := w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "dry", DryRun: true})
	require.NoError(t, err)
	require.Equal(t, 1, digest.Launched)
	require.False(t, digest.Stored)
	require.Empty(t, w.plans.plans)
}

func TestPlanDoesNotWaitForTheStore(t *testing.T) {
	w := newWorld(t, testPool("api"))
	w.plans.hold = make(chan struct{})
	defer close(w.plans.hold)
	digest, err := w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "run-1"}) // would hang if it waited
	require.NoError(t, err)
	require.False(t, digest.Stored)
}

func TestPlanWithAPoolThatCannotBe(t *testing.T) {
	malformed := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "broken"}, "spec": map[string]any{"weight": "heavy"},
	}}
	w := newWorld(t, malformed, testPool("api", untainted),
		testPool("lost", func(s *v1alpha1.NodePoolSpec) { s.Subnets = []string{"subnet-9"} }), testPod("a", unschedulable))
	digest, err := w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "run-1"})
	require.NoError(t, err)
	require.Equal(t, 1, digest.Launched, "the pool that works is planned with")
	problems := strings.Join(digest.Problems, "\n")
	require.Contains(t, problems, "broken: it cannot be read")
	require.Contains(t, problems, "lost: spec.subnets: none of subnet-9")
	require.NotContains(t, problems, "api")
}

func TestPlanWithoutAWS(t *testing.T) {
	w := newWorld(t, testPool("api"), testPod("a", unschedulable))
	w.cloud.viewErr = unavailable(errors.New("AWS does not answer"))
	digest, err := w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "run-1"})
	require.NoError(t, err)
	require.Equal(t, 1, digest.UnplaceableCount)
	require.Contains(t, strings.Join(digest.Problems, "\n"), "AWS does not answer")

	w.cloud.viewErr, w.cloud.templateErr = nil, poolInvalid("api", "spec.launchTemplate: not found")
	digest, err = w.Plan(t.Context(), contract.PlanInput{Cluster: "demo", Plan: "run-2"})
	require.NoError(t, err)
	require.Contains(t, strings.Join(digest.Problems, "\n"), "spec.launchTemplate: not found")
}

func TestCandidatesAreSiftedAnewWhenSomethingChanged(t *testing.T) {
	var c candidates
	pool, view := &Pool{NodePool: testPool("api")}, testView()
	kept, _, _ := c.of("demo", pool, view)
	require.NotEmpty(t, kept)

	copied := *view
	again, _, _ := c.of("demo", pool, &copied)
	require.Same(t, &kept[0], &again[0], "nothing is new but the back-offs")

	copied.Subnets = nil
	_, _, problem := c.of("demo", pool, &copied)
	require.Contains(t, problem, "spec.subnets")

	narrow := &Pool{NodePool: testPool("api", func(s *v1alpha1.NodePoolSpec) {
		s.Requirements = []corev1.NodeSelectorRequirement{{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"c5"}}}
	})}
	fewer, _, _ := c.of("demo", narrow, view)
	require.Less(t, len(fewer), len(kept))
	other, _, _ := c.of("prod", pool, view)
	require.Len(t, other, len(kept))
}

func TestPlanBehindTheWatermark(t *testing.T) {
	w := newWorld(t) // a fake list has no resourceVersion: what counts comes by events
	require.NoError(t, w.client.Tracker().Add(testPod("a")))
	require.Eventually(t, func() bool { return w.cluster.podsReached("10") }, waitFor, tick)
	require.False(t, w.cluster.caughtUp(t.Context(), "11", 20*time.Millisecond))
	require.True(t, w.cluster.caughtUp(t.Context(), "10", 20*time.Millisecond))
	require.True(t, w.cluster.caughtUp(t.Context(), "", 0))
	require.True(t, w.cluster.caughtUp(t.Context(), "nonsense", 0))

	done := make(chan bool)
	go func() { done <- w.cluster.caughtUp(t.Context(), "12", waitFor) }()
	require.NoError(t, w.client.Tracker().Add(testPod("b", func(p *corev1.Pod) { p.ResourceVersion = "12" })))
	require.True(t, <-done)
}

func TestPlanBeforeTheFirstList(t *testing.T) {
	w := newWorld(t)
	cold, err := NewCluster(ClusterOptions{Name: "cold", Client: w.client, Dynamic: w.cluster.dynamic})
	require.NoError(t, err)
	a := New([]*Cluster{cold}, w.cloud, nil, nil)
	_, err = a.Plan(t.Context(), contract.PlanInput{Cluster: "cold"})
	app := requireType(t, err, contract.ErrUnavailable, true)
	require.Contains(t, app.Message(), "no nodepools, nodes, pods yet")
}

// However much a plan says, its digest fits a history, and what it says of counts stays true.
func TestFitDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &contract.PlanDigest{CaughtUp: true, Pending: 100_000}
		for i := range rapid.IntRange(0, 400).Draw(t, "launches") {
			l := contract.PlannedLaunch{Pool: "api", Count: 2, PodCount: 7, USDPerHour: 1, Reason: "the cheapest"}
			for j := range rapid.IntRange(1, 60).Draw(t, "types") {
				l.InstanceTypes = append(l.InstanceTypes, fmt.Sprintf("c5.%d-%d", i, j))
			}
			for j := range rapid.IntRange(0, 20).Draw(t, "pods") {
				l.Pods = append(l.Pods, fmt.Sprintf("%s/%d", strings.Repeat("n", 60), j))
			}
			d.Launches = append(d.Launches, l)
			d.Launched += 7
			d.USDPerHour += 2
		}
		for range rapid.IntRange(0, 40).Draw(t, "unplaceable") {
			d.Unplaceable = append(d.Unplaceable, contract.Unplaceable{Pod: "a/b", Count: 3, Reasons: []string{strings.Repeat("r", 500), "s"}})
			d.UnplaceableCount += 3
		}
		before, launches := *d, len(d.Launches)
		fitDigest(d, launches)
		if digestSize(d) > maxDigest {
			t.Fatalf("%d bytes", digestSize(d))
		}
		if d.Pending != before.Pending || d.UnplaceableCount != before.UnplaceableCount {
			t.Fatal("a count was lost")
		}
		if d.Launched != 7*len(d.Launches) || d.USDPerHour != float64(2*len(d.Launches)) {
			t.Fatalf("%d launches say %d pods, %f", len(d.Launches), d.Launched, d.USDPerHour)
		}
		if d.CaughtUp != (len(d.Launches) == launches) {
			t.Fatal("what is left out is planned again, and only then")
		}
		for i, l := range d.Launches {
			if len(l.InstanceTypes) == 0 || l.InstanceTypes[0] != before.Launches[i].InstanceTypes[0] {
				t.Fatal("the cheapest types stay")
			}
		}
	})
}
