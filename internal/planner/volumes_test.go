package planner

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
)

func claiming(names ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, name := range names {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
			}})
		}
	}
}

// bound claim and its volume in a zone.
func boundClaim(name, zone string) (*corev1.PersistentVolumeClaim, *corev1.PersistentVolume) {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Annotations: map[string]string{annBound: "yes"}},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: "pv-" + name},
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: DriverEBS, VolumeHandle: name}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: zoneEBS, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}},
			}}}},
		},
	}
	return claim, volume
}

func unboundClaim(name, class string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: &class},
	}
}

func storageClass(name string, mode storagev1.VolumeBindingMode, zones ...string) *storagev1.StorageClass {
	c := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: DriverEBS, VolumeBindingMode: &mode}
	if len(zones) > 0 {
		c.AllowedTopologies = []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: zoneEBS, Values: zones}}}}
	}
	return c
}

// withStorage is a snapshot with a claim of every sort.
func withStorage(t *testing.T, pods ...*corev1.Pod) Snapshot {
	c, v := boundClaim("in-b", testZones[1])
	lost, _ := boundClaim("lost", testZones[1])
	return Snapshot{
		Pods: pods, Pools: []Pool{pool(t, view("m5"), "general")},
		Claims:  []*corev1.PersistentVolumeClaim{c, lost, unboundClaim("waits", "waits"), unboundClaim("waits-c", "waits-c"), unboundClaim("now", "now")},
		Volumes: []*corev1.PersistentVolume{v},
		StorageClasses: []*storagev1.StorageClass{
			storageClass("waits", storagev1.VolumeBindingWaitForFirstConsumer), storageClass("now", storagev1.VolumeBindingImmediate),
			storageClass("waits-c", storagev1.VolumeBindingWaitForFirstConsumer, testZones[2]),
		},
	}
}

func TestMachinesAreBoughtWhereVolumesAre(t *testing.T) {
	for claim, want := range map[string][]string{"in-b": {testZones[1]}, "waits": nil, "waits-c": {testZones[2]}} {
		r := Plan(withStorage(t, pod("a", cpuMem("1", "1Gi"), claiming(claim))))
		require.Len(t, r.Launches, 1, claim)
		require.Equal(t, want, r.Launches[0].Zones, claim)
		require.NotContains(t, r.Launches[0].Requests, corev1.ResourceName(attachPrefix+DriverEBS), "no chain asks for volumes")
	}
}

func TestPodsWhoseVolumesHaveNoPlaceAreExplained(t *testing.T) {
	for claim, want := range map[string]string{
		"now":  "pool general: claim now has no volume yet, and its class does not wait for the pod to have a node",
		"gone": "pool general: claim gone does not exist",
		"lost": "pool general: volume pv-lost of claim lost does not exist",
	} {
		r := Plan(withStorage(t, pod("a", cpuMem("1", "1Gi"), claiming(claim))))
		require.Len(t, r.Unplaceable, 1, claim)
		require.Equal(t, []string{want}, r.Unplaceable[0].Reasons)
	}
	s := withStorage(t, pod("a", cpuMem("1", "1Gi"), claiming("in-b", "waits-c")))
	require.Equal(t, []string{"pool general: none can be bought where the pod's volumes are"}, Plan(s).Unplaceable[0].Reasons)
}

func TestVolumesThatANodeTakes(t *testing.T) {
	s := withStorage(t)
	n := node(s.Pools[0], "n", "m5.xlarge", testZones[1], pod("has", cpuMem("100m", "1Gi"), claiming("in-b")))
	for _, name := range []string{"a", "b"} {
		s.Claims = append(s.Claims, unboundClaim(name, "waits"))
		s.Pods = append(s.Pods, pod("pod-"+name, cpuMem("100m", "1Gi"), claiming(name)))
	}
	s.Nodes = []Node{n}
	require.Len(t, Plan(s).OnNodes["n"], 2, "nobody says that there is a limit")
	s.Nodes[0].AttachLimits = map[string]int32{DriverEBS: 2}
	r := Plan(s)
	require.Len(t, r.OnNodes["n"], 1, "one is attached already")
	require.Equal(t, 1, machines(r))
}

func TestVolumesThatAMachineTakes(t *testing.T) {
	s := withStorage(t, many(60, "a", cpuMem("10m", "10Mi"), claiming("waits"))...)
	r := Plan(s)
	require.Empty(t, r.Unplaced)
	for _, l := range r.Launches {
		for _, pods := range l.Machines {
			for _, name := range l.InstanceTypes {
				require.LessOrEqual(t, len(pods), 27-typeOf(s.Pools[0], name).ENIs, name)
			}
		}
	}
	// What its nodes say of a type is better than what is said of all types.
	n := node(s.Pools[0], "full", "m5.large", testZones[0], pod("all", cpuMem("2", "1Gi")))
	n.AttachLimits = map[string]int32{DriverEBS: 1}
	s.Nodes = []Node{n}
	s.Pods = []*corev1.Pod{pod("two", cpuMem("10m", "10Mi"), claiming("waits", "in-b"))}
	require.NotContains(t, Plan(s).Launches[0].InstanceTypes, "m5.large")
}

func TestVolumesDoNotNarrowASpread(t *testing.T) {
	// The scheduler's spread looks at selector and affinity alone: the zone without the volume is a domain all the same.
	s := withStorage(t, many(2, "a", cpuMem("100m", "1Gi"), claiming("in-b"), labeled("app", "db"), spreading(v1alpha1.LabelZone, "db", 1))...)
	s.Nodes = []Node{
		node(s.Pools[0], "in-a", "m5.xlarge", testZones[0]), node(s.Pools[0], "in-b", "m5.xlarge", testZones[1]),
	}
	r := Plan(s)
	require.Len(t, r.OnNodes["in-b"], 1)
	require.Len(t, r.Unplaced, 1)
}
