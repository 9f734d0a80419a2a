package planner

import (
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
)

// class is pods that nothing tells apart: they ask for the same, under the same constraints.
type class struct {
	key string // orders classes, so that a plan does not depend on the order of its input
	// public is a hash of what the pods ask for, without the labels that this snapshot happens to look at: the same in
	// every plan.
	public   string
	pods     []*corev1.Pod // by name; the first len-left are placed
	left     int
	sample   *corev1.Pod
	priority int32
	req      vec
	profile  *profile     // what a node must have
	bought   *profile     // what a machine that is bought for it has: preferences too, as far as they are kept
	prefers  *preferences // nil where it has none
	volumes  *volumes
	ports    []hostPort
	topology topology
	slots    []option // see slotsOf
	host     hostRules
}

// take is the next n pods.
func (c *class) take(n int) []*corev1.Pod {
	from := len(c.pods) - c.left
	c.left -= n
	return c.pods[from : from+n : from+n]
}

// planned reports whether a pod is to be planned for at all.
func planned(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil || pod.Spec.NodeName != "" || len(pod.Spec.SchedulingGates) > 0 || ended(pod) {
		return false
	}
	owner := metav1.GetControllerOfNoCopy(pod)
	return owner == nil || owner.Kind != "DaemonSet"
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// group sorts pods into classes. labelKeys are the labels that some selector looks at: no other label matters.
func group(pods []*corev1.Pod, labelKeys []string, st *storage) []*class {
	byKey := map[string]*class{}
	var all []*class
	var s signature
	for _, pod := range pods {
		key := s.of(pod, labelKeys)
		v := st.of(pod)
		if v != nil {
			s.text("volumes", v.text())
			key = s.buf
		}
		c := byKey[string(key)]
		if c == nil {
			c = &class{
				key: string(key), public: s.public(), sample: pod,
				priority: schedulinghelper.PodPriority(pod), ports: hostPorts(&pod.Spec), volumes: v,
			}
			byKey[c.key] = c
			all = append(all, c)
		}
		c.pods = append(c.pods, pod)
	}
	for _, c := range all {
		slices.SortFunc(c.pods, func(a, b *corev1.Pod) int {
			if d := strings.Compare(a.Name, b.Name); d != 0 {
				return d
			}
			return strings.Compare(string(a.UID), string(b.UID))
		})
		c.sample, c.left = c.pods[0], len(c.pods)
	}
	slices.SortFunc(all, func(a, b *class) int { return strings.Compare(a.key, b.key) })
	return all
}

// podRequests is what the scheduler counts for a pod: init and sidecar containers, overhead and pod-level resources.
func podRequests(pod *corev1.Pod) corev1.ResourceList {
	return resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
}

// signature writes what the scheduler would hold against a pod as bytes. Its buffer is used again.
type signature struct {
	buf    []byte
	stable int // where the part ends that is the same in every plan
	keys   []string
}

func (s *signature) public() string {
	h := fnv.New64a()
	_, _ = h.Write(s.buf[:s.stable]) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}

func (s *signature) of(pod *corev1.Pod, labelKeys []string) []byte {
	spec := &pod.Spec
	s.buf = s.buf[:0]
	s.text(pod.Namespace)
	s.number(int64(schedulinghelper.PodPriority(pod)))
	for i := range spec.Containers {
		s.container(&spec.Containers[i])
	}
	s.text("init")
	for i := range spec.InitContainers {
		s.container(&spec.InitContainers[i])
	}
	s.text("overhead")
	s.resources(spec.Overhead)
	if spec.Resources != nil {
		s.text("pod")
		s.resources(spec.Resources.Requests)
	}
	s.text("selector")
	s.labels(spec.NodeSelector)
	s.affinity(spec.Affinity)
	s.text("tolerations")
	for i := range spec.Tolerations {
		t := &spec.Tolerations[i]
		s.text(t.Key, string(t.Operator), t.Value, string(t.Effect))
	}
	s.text("spread")
	for i := range spec.TopologySpreadConstraints {
		if t := &spec.TopologySpreadConstraints[i]; t.WhenUnsatisfiable == corev1.DoNotSchedule {
			s.message(t)
		}
	}
	s.stable = len(s.buf)
	s.text("labels")
	for _, key := range labelKeys {
		if value, ok := pod.Labels[key]; ok {
			s.text(key, value)
		}
	}
	s.text(pod.Status.NominatedNodeName)
	return s.buf
}

// Alike is a key that pods share of which the scheduler says the same at the same time: the same namespace, labels and
// scheduler, asking for the same under the same constraints. ok is false for a pod that is like no other: claims tie it
// to volumes of its own.
func Alike(pod *corev1.Pod) (key uint64, ok bool) {
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			return 0, false
		}
	}
	var s signature
	s.of(pod, nil)
	s.buf = s.buf[:s.stable]
	s.text("all labels")
	s.labels(pod.Labels)
	s.text("scheduler", pod.Spec.SchedulerName)
	h := fnv.New64a()
	_, _ = h.Write(s.buf) // a hash never fails
	return h.Sum64(), true
}

func (s *signature) container(c *corev1.Container) {
	s.text("container")
	s.resources(c.Resources.Requests)
	if c.RestartPolicy != nil {
		s.text(string(*c.RestartPolicy))
	}
	for i := range c.Ports {
		if p := &c.Ports[i]; p.HostPort > 0 {
			s.number(int64(p.HostPort))
			s.text(string(p.Protocol), p.HostIP)
		}
	}
}

func (s *signature) resources(list corev1.ResourceList) {
	s.keys = s.keys[:0]
	for name := range list {
		s.keys = append(s.keys, string(name))
	}
	slices.Sort(s.keys)
	for _, name := range s.keys {
		s.text(name)
		s.number(amount(corev1.ResourceName(name), list[corev1.ResourceName(name)]))
	}
}

func (s *signature) labels(labels map[string]string) {
	s.keys = s.keys[:0]
	for key := range labels {
		s.keys = append(s.keys, key)
	}
	slices.Sort(s.keys)
	for _, key := range s.keys {
		s.text(key, labels[key])
	}
}

func (s *signature) affinity(a *corev1.Affinity) {
	if a == nil {
		return
	}
	if n := a.NodeAffinity; n != nil && n.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		s.text("node")
		s.message(n.RequiredDuringSchedulingIgnoredDuringExecution)
	}
	if n := a.NodeAffinity; n != nil {
		for i := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			s.text("prefers")
			s.message(&n.PreferredDuringSchedulingIgnoredDuringExecution[i])
		}
	}
	if p := a.PodAffinity; p != nil {
		for i := range p.RequiredDuringSchedulingIgnoredDuringExecution {
			s.text("with")
			s.message(&p.RequiredDuringSchedulingIgnoredDuringExecution[i])
		}
	}
	if p := a.PodAntiAffinity; p != nil {
		for i := range p.RequiredDuringSchedulingIgnoredDuringExecution {
			s.text("without")
			s.message(&p.RequiredDuringSchedulingIgnoredDuringExecution[i])
		}
	}
}

// message writes a part of a pod's spec in its wire form, which is deterministic: maps are sorted there.
func (s *signature) message(m interface{ Marshal() ([]byte, error) }) {
	b, err := m.Marshal()
	if err != nil {
		// Marshal fails only on text that is not UTF-8, which the API server never stores.
		s.text("unreadable")
		return
	}
	s.number(int64(len(b)))
	s.buf = append(s.buf, b...)
}

func (s *signature) text(parts ...string) {
	for _, p := range parts {
		s.buf = append(s.buf, p...)
		s.buf = append(s.buf, 0)
	}
}

func (s *signature) number(n int64) { s.buf = binary.BigEndian.AppendUint64(s.buf, uint64(n)) }
