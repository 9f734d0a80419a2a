package kube

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// BenchmarkPlan is one plan for 100 pods in a cluster of 500 nodes with 30 pods each, three pools, all machine types:
// what stands between a demand and its launches, AWS and the store left out.
func BenchmarkPlan(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	objects := []runtime.Object{testPool("api", untainted), testPool("batch", untainted), testPool("db")}
	for n := range 500 {
		name := fmt.Sprintf("n%d", n)
		objects = append(objects, testNode(name, fmt.Sprintf("i-%d", n), ready, func(node *corev1.Node) {
			node.Labels = map[string]string{v1alpha1.LabelPool: "api", v1alpha1.LabelInstanceType: "c5.xlarge"}
		}))
		for p := range 30 {
			objects = append(objects, testPod(fmt.Sprintf("p%d-%d", n, p), on(name)))
		}
	}
	for p := range 100 {
		objects = append(objects, testPod(fmt.Sprintf("waits-%d", p), unschedulable))
	}
	w := newWorld(b, objects...)
	w.cloud.view = wholeView()
	a := New([]*Cluster{w.cluster}, w.cloud, nil, log)
	for b.Loop() {
		digest, err := a.Plan(b.Context(), contract.PlanInput{Cluster: "demo", Plan: "p"})
		require.NoError(b, err)
		require.Equal(b, 100, digest.Launched)
	}
}

// wholeView is an account that has every machine type in three zones.
func wholeView() *catalog.View {
	v := testView()
	v.At = time.Now()
	for _, t := range catalog.Facts() {
		v.Types[t.Name] = t
		for _, s := range v.Subnets {
			key := catalog.OfferedKey{InstanceType: t.Name, ZoneID: s.ZoneID}
			v.Offered[key], v.SpotUSD[key] = true, 0.4*t.OnDemandUSD
		}
	}
	return v
}
