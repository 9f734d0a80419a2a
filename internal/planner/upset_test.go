package planner

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/v1alpha1"
)

// Pods that are spread by one another's labels upset each other in turns: all of them find a place all the same.
func TestPodsThatSpreadByOneAnotherAllFindAPlace(t *testing.T) {
	p := pool(t, view("m5", "c5"), "general")
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 42))
		kind := func() string { return string(rune('a' + random.IntN(7))) }
		var pods []*corev1.Pod
		for i := range 600 {
			change := []func(*corev1.Pod){labeled("app", kind())}
			switch i % 3 {
			case 1:
				change = append(change, spreading(v1alpha1.LabelZone, kind(), 1))
			case 2:
				change = append(change, spreading(corev1.LabelHostname, kind(), 1))
			}
			pods = append(pods, pod(fmt.Sprintf("pod-%03d", i), cpuMem(fmt.Sprintf("%dm", 250*(1+random.IntN(4))), "512Mi"), change...))
		}
		r := Plan(Snapshot{Pods: pods, Pools: []Pool{p}})
		require.Zero(t, len(r.Unplaced), "seed %d", seed)
	}
}
