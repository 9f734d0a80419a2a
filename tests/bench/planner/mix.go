package main

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// mix makes the diverse pods of Karpenter's published benchmark (makeDiversePods of
// pkg/controllers/provisioning/scheduling/scheduling_benchmark_test.go in sigs.k8s.io/karpenter v1.14.1), as its text
// describes them; the random numbers are other ones. A fifth each:
//
//   - plain pods, with one label of seven values
//   - pods spread over zones (maxSkew 1) with those of one of the seven values, which need not be their own
//   - pods spread over hosts in the same way
//   - pods that want to be in one zone with those of their own value of another label
//   - pods that share no host with each other, all of one kind
//
// and what is left over plain ones. Each asks for 100, 250, 500, 1000 or 1500 milli-CPU and 100, 256, 512, 1024, 2048 or
// 4096 MiB, at random.
type mix struct {
	random *rand.Rand
	made   int
}

// newMix is the same at every call.
func newMix() *mix { return &mix{random: rand.New(rand.NewPCG(42, 42))} }

func (m *mix) pods(n int) (pods []*corev1.Pod) {
	kinds := []func(*corev1.Pod){
		m.plain,
		m.spread(corev1.LabelTopologyZone),
		m.spread(corev1.LabelHostname),
		m.together,
		m.apart,
	}
	for _, kind := range kinds {
		for range n / len(kinds) {
			pods = append(pods, m.pod(kind))
		}
	}
	for len(pods) < n {
		pods = append(pods, m.pod(m.plain))
	}
	return pods
}

func (m *mix) pod(kind func(*corev1.Pod)) *corev1.Pod {
	m.made++
	name := fmt.Sprintf("pod-%05d", m.made)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID(name)}}
	kind(pod)
	pod.Spec.Containers = []corev1.Container{{
		Name: "main", Image: "image",
		Resources: requests(anyOf(m, 100, 250, 500, 1000, 1500), anyOf(m, 100, 256, 512, 1024, 2048, 4096)),
	}}
	pod.Status.Phase = corev1.PodPending
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
	}}
	return pod
}

func anyOf(m *mix, values ...int64) int64 { return values[m.random.IntN(len(values))] }

// value is one of seven.
func (m *mix) value() string { return string(rune('a' + m.random.IntN(7))) }

func (m *mix) plain(pod *corev1.Pod) { pod.Labels = map[string]string{"kind": m.value()} }

func (m *mix) spread(key string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		m.plain(pod)
		pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kind": m.value()}},
		}}
	}
}

func (m *mix) together(pod *corev1.Pod) {
	pod.Labels = map[string]string{"friends": m.value()}
	pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelTopologyZone, LabelSelector: &metav1.LabelSelector{MatchLabels: pod.Labels},
		}},
	}}
}

func (m *mix) apart(pod *corev1.Pod) {
	pod.Labels = map[string]string{"app": "loner"}
	pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: pod.Labels},
		}},
	}}
}
