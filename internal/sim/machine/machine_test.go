package machine

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/sim/cloud"
)

var m5 = contract.InstanceType{Name: "m5.large", Arch: "amd64", VCPU: 2, MemoryMiB: 8192, ENIs: 3, IPv4PerENI: 10}

const userData = `#!/bin/bash
/etc/eks/bootstrap.sh demo --kubelet-extra-args '--node-labels=team=a,tier=web --register-with-taints=floe.dev/unregistered=true:NoExecute'
exec kubelet --kube-reserved=cpu=80m,memory=300Mi --system-reserved memory=50Mi --eviction-hard=memory.available<100Mi,nodefs.available<10%
`

// lab is a fleet in front of a fake API server.
type lab struct {
	t     *testing.T
	kube  *fake.Clientset
	fleet *Fleet
}

// newLab starts a fleet; before that, prepare may do something to the API server.
func newLab(t *testing.T, cfg Config, prepare ...func(*fake.Clientset)) *lab {
	l := &lab{t: t, kube: fake.NewClientset()}
	for _, do := range prepare {
		do(l.kube)
	}
	cfg.Kube, cfg.Log = l.kube, slog.New(slog.DiscardHandler)
	l.fleet = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.fleet.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

func facts(n int) *cloud.Facts {
	ip := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}).String()
	return &cloud.Facts{
		ID: "i-" + string(rune('a'+n%26)) + ip, Type: m5, Zone: cloud.DefaultZones[0], Region: "eu-west-1", UserData: userData,
		PrivateIP: ip, PrivateDNS: "ip-" + ip + ".eu-west-1.compute.internal", RootGiB: 20,
	}
}

func (l *lab) power(f *cloud.Facts, s cloud.PowerState, change func(*cloud.Power)) {
	p := cloud.Power{Facts: f, State: s, At: time.Now(), Boot: 1}
	if change != nil {
		change(&p)
	}
	l.fleet.Notify(p)
}

func (l *lab) node(f *cloud.Facts) *corev1.Node {
	node, err := l.kube.CoreV1().Nodes().Get(l.t.Context(), f.PrivateDNS, metav1.GetOptions{})
	if err != nil {
		require.True(l.t, apierrors.IsNotFound(err), err)
		return nil
	}
	return node
}

func (l *lab) lease(f *cloud.Facts) *coordinationv1.Lease {
	lease, err := l.kube.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(l.t.Context(), f.PrivateDNS, metav1.GetOptions{})
	if err != nil {
		require.True(l.t, apierrors.IsNotFound(err), err)
		return nil
	}
	return lease
}

func (l *lab) until(what string, f func() bool) {
	l.t.Helper()
	require.Eventually(l.t, f, 10*time.Second, 2*time.Millisecond, what)
}

func readyOf(n *corev1.Node) corev1.NodeCondition {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c
		}
	}
	return corev1.NodeCondition{}
}

func (l *lab) ready(f *cloud.Facts) bool {
	n := l.node(f)
	return n != nil && readyOf(n).Status == corev1.ConditionTrue
}

// phases are the writes of a node, in order: "create", "patch status", …
func (l *lab) writes(f *cloud.Facts) []string {
	var got []string
	for _, a := range l.kube.Actions() {
		switch a := a.(type) {
		case clienttesting.CreateAction:
			if n, is := a.GetObject().(*corev1.Node); is && n.Name == f.PrivateDNS {
				got = append(got, "create "+string(readyOf(n).Status))
			}
		case clienttesting.PatchAction:
			if a.GetName() == f.PrivateDNS {
				got = append(got, "patch "+a.GetSubresource())
			}
		}
	}
	return got
}

func TestAMachineJoins(t *testing.T) {
	l := newLab(t, Config{})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) && l.lease(f) != nil })
	n := l.node(f)
	require.Equal(t, "aws:///eu-west-1a/"+f.ID, n.Spec.ProviderID)
	require.Equal(t, []corev1.Taint{
		{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule},
		{Key: v1alpha1.TaintUnregistered, Value: "true", Effect: corev1.TaintEffectNoExecute},
	}, n.Spec.Taints)
	for key, value := range map[string]string{
		"team": "a", "tier": "web", corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux", corev1.LabelHostname: f.PrivateDNS,
		corev1.LabelInstanceTypeStable: "m5.large", corev1.LabelTopologyZone: "eu-west-1a", corev1.LabelTopologyRegion: "eu-west-1",
		v1alpha1.LabelZoneID: "euw1-az1", LabelSimulated: "true",
	} {
		require.Equal(t, value, n.Labels[key], key)
	}
	require.Equal(t, "fake", n.Annotations[annotationKWOK])
	require.Equal(t, []string{"create False", "patch status"}, l.writes(f), "it registers NotReady, and is Ready later")
	require.NotEmpty(t, n.Status.NodeInfo.BootID)
	for _, c := range n.Status.Conditions {
		require.False(t, c.LastTransitionTime.IsZero(), c.Type)
		require.False(t, c.LastHeartbeatTime.IsZero(), c.Type)
	}
	require.Equal(t, "v1.36.3", n.Status.NodeInfo.KubeletVersion)
	require.Equal(t, f.PrivateDNS, *l.lease(f).Spec.HolderIdentity)
	require.Equal(t, n.UID, l.lease(f).OwnerReferences[0].UID)
	life := l.fleet.Lives()[f.ID]
	require.Equal(t, f.PrivateDNS, life.Node)
	require.False(t, life.Registered.IsZero())
	require.False(t, life.Ready.Before(life.Registered))
}

func TestAllocatableIsWhatAPoolThatReservesTheSameIsPromised(t *testing.T) {
	m := &machine{facts: facts(1)}
	var problems []string
	m.kubelet, problems = readUserData(userData)
	require.Empty(t, problems)
	capacity, allocatable := m.resources()
	pool := &v1alpha1.NodePool{}
	pool.Spec.Reserved = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("80m"), corev1.ResourceMemory: resource.MustParse("450Mi")}
	for name, promised := range catalog.Allocatable(pool, m5) {
		require.GreaterOrEqual(t, allocatable.Name(name, promised.Format).Cmp(promised), 0, "%s: promised %s", name, promised.String())
	}
	require.Less(t, capacity.Memory().Value(), int64(m5.MemoryMiB)<<20, "the hypervisor keeps its part")
	require.Less(t, allocatable.Memory().Value(), capacity.Memory().Value())
	require.EqualValues(t, 29, capacity.Pods().Value())
}

func TestPhasesTakeTheirTime(t *testing.T) {
	l := newLab(t, Config{Register: time.Hour})
	f := facts(1)
	l.power(f, cloud.PowerOn, func(p *cloud.Power) { p.At = time.Now().Add(-59 * time.Minute) })
	other := facts(2)
	l.power(other, cloud.PowerOn, func(p *cloud.Power) { p.At = time.Now().Add(-61 * time.Minute) })
	l.until("the one whose time has come", func() bool { return l.ready(other) })
	require.Nil(t, l.node(f))

	for _, c := range []struct {
		name  string
		slow  Config
		wired bool
	}{{"the network plugin is slow", Config{CNI: time.Hour}, false}, {"the kubelet is slow", Config{Ready: time.Hour}, true}} {
		l = newLab(t, c.slow)
		l.power(f, cloud.PowerOn, nil)
		l.until("registered, with a lease", func() bool { return l.node(f) != nil && l.lease(f) != nil })
		require.Equal(t, corev1.ConditionFalse, readyOf(l.node(f)).Status, c.name)
		require.Equal(t, c.wired, !l.fleet.Lives()[f.ID].CNI.IsZero(), c.name)
	}
}

func TestAPhaseWakesTheMachineThatWaitsForIt(t *testing.T) {
	l := newLab(t, Config{Register: 20 * time.Millisecond, CNI: 30 * time.Millisecond, Ready: 40 * time.Millisecond})
	f := facts(1)
	on := time.Now()
	l.power(f, cloud.PowerOn, func(p *cloud.Power) { p.At = on })
	l.until("ready, long before the next lease is due", func() bool { return l.ready(f) && !l.fleet.Lives()[f.ID].Ready.IsZero() })
	life := l.fleet.Lives()[f.ID]
	require.Equal(t, 50*time.Millisecond, life.CNI.Sub(on))
	require.GreaterOrEqual(t, life.Ready.Sub(on), 90*time.Millisecond)
}

func TestATerminatedMachinesNodeIsDeleted(t *testing.T) {
	l := newLab(t, Config{})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) })
	l.power(f, cloud.PowerOff, nil)
	l.power(f, cloud.PowerGone, nil)
	l.until("deleted", func() bool { return l.node(f) == nil })
	l.until("told", func() bool { return !l.fleet.Lives()[f.ID].Deleted.IsZero() })

	l = newLab(t, Config{Deletion: time.Hour})
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) })
	l.power(f, cloud.PowerGone, nil)
	other := facts(2)
	l.power(other, cloud.PowerOn, nil)
	l.until("something after it", func() bool { return l.ready(other) })
	require.NotNil(t, l.node(f), "the cloud provider has not noticed yet")
}

func TestAMachineTakesTheNodeOfItsNameOverAndLosesItWithTheOtherMachine(t *testing.T) {
	l := newLab(t, Config{})
	f, heir := facts(1), facts(1)
	heir.ID = "i-heir"
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) })
	boot := l.node(f).Status.NodeInfo.BootID
	l.power(heir, cloud.PowerOn, nil) // it has the same address
	l.until("the heir speaks in its name", func() bool { return l.node(f).Status.NodeInfo.BootID != boot })
	require.Equal(t, "aws:///eu-west-1a/"+f.ID, l.node(f).Spec.ProviderID, "a provider ID never changes")
	l.power(f, cloud.PowerGone, nil)
	l.until("the cloud provider knows whose it is", func() bool { return l.node(f) == nil })
	l.power(heir, cloud.PowerOn, func(p *cloud.Power) { p.Boot = 2 })
	l.until("the heir's own, once it boots again", func() bool {
		n := l.node(heir)
		return n != nil && n.Spec.ProviderID == "aws:///eu-west-1a/i-heir"
	})
}

func TestAMachineGoneLeavesTheNodeOfItsHeirAlone(t *testing.T) {
	l := newLab(t, Config{})
	f, heir := facts(1), facts(1)
	heir.ID = "i-heir"
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) })
	require.NoError(t, l.kube.CoreV1().Nodes().Delete(t.Context(), f.PrivateDNS, metav1.DeleteOptions{}))
	l.power(heir, cloud.PowerOn, nil)
	l.until("the heir", func() bool { return l.ready(heir) })
	l.power(f, cloud.PowerGone, nil)
	other := facts(2)
	l.power(other, cloud.PowerOn, nil)
	l.until("something after it", func() bool { return l.ready(other) })
	require.Equal(t, "aws:///eu-west-1a/i-heir", l.node(heir).Spec.ProviderID)
}

func TestAMachineThatIsOffLeavesItsPodsAsTheyAre(t *testing.T) {
	l := newLab(t, Config{Deletion: time.Hour})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) })
	label := func() string { return l.node(f).Labels[LabelSimulated] }
	require.Equal(t, "true", label())
	l.power(f, cloud.PowerOff, nil)
	l.until("nobody runs its pods", func() bool { return label() == "off" })
	require.True(t, l.ready(f), "its Node says what it said last")
	l.power(f, cloud.PowerOn, func(p *cloud.Power) { p.Resumed = true })
	l.until("it is back", func() bool { return label() == "true" })
}

func TestStopAndStart(t *testing.T) {
	l := newLab(t, Config{})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) && l.lease(f) != nil })
	boot := l.node(f).Status.NodeInfo.BootID
	hasTaint := func() bool {
		for _, taint := range l.node(f).Spec.Taints {
			if taint.MatchTaint(&taintShutdown) {
				return true
			}
		}
		return false
	}
	l.power(f, cloud.PowerOff, func(p *cloud.Power) { p.Stopping = true })
	l.until("the cloud provider's taint", hasTaint)
	require.True(t, l.ready(f), "a Node whose machine is off keeps its last word")
	renewed := l.lease(f).Spec.RenewTime.Time

	l.power(f, cloud.PowerOn, func(p *cloud.Power) { p.Resumed = true })
	l.until("the taint is taken off", func() bool { return !hasTaint() })
	l.until("the lease is renewed", func() bool { return l.lease(f).Spec.RenewTime.After(renewed) })
	require.Equal(t, boot, l.node(f).Status.NodeInfo.BootID, "memory was kept")

	l.power(f, cloud.PowerOff, func(p *cloud.Power) { p.Stopping = true })
	l.until("the cloud provider's taint", hasTaint)
	l.power(f, cloud.PowerOn, func(p *cloud.Power) { p.Boot = 2 })
	l.until("another boot", func() bool { return l.node(f).Status.NodeInfo.BootID != boot && l.ready(f) })
}

func TestAKubeletDoesNotRegisterTwiceInOneBoot(t *testing.T) {
	l := newLab(t, Config{})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) && l.lease(f) != nil })
	require.NoError(t, l.kube.CoreV1().Nodes().Delete(t.Context(), f.PrivateDNS, metav1.DeleteOptions{}))
	l.power(f, cloud.PowerOff, func(p *cloud.Power) { p.Stopping = true })
	l.power(f, cloud.PowerOn, func(p *cloud.Power) { p.Resumed = true })
	other := facts(2)
	l.power(other, cloud.PowerOn, nil)
	l.until("something after it", func() bool { return l.ready(other) })
	require.Nil(t, l.node(f))
	l.power(f, cloud.PowerOn, func(p *cloud.Power) { p.Boot = 2 })
	l.until("it registers when it boots", func() bool { return l.ready(f) })
}

func TestTroubleInTheClusterIsTriedAgain(t *testing.T) {
	failures := 3
	l := newLab(t, Config{}, func(kube *fake.Clientset) {
		kube.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
			if failures == 0 || a.GetVerb() == "get" || a.GetResource().Resource == "pods" {
				return false, nil, nil
			}
			failures--
			return true, nil, apierrors.NewInternalError(context.DeadlineExceeded)
		})
	})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready all the same", func() bool { return l.ready(f) && l.lease(f) != nil })
}

func TestManyMachines(t *testing.T) {
	l := newLab(t, Config{Jitter: 0.5})
	for n := range 100 {
		l.power(facts(n), cloud.PowerOn, nil)
	}
	require.Eventually(t, func() bool {
		ready := 0
		for _, life := range l.fleet.Lives() {
			if !life.Ready.IsZero() {
				ready++
			}
		}
		return ready == 100
	}, time.Minute, 20*time.Millisecond)
}

func TestReadUserData(t *testing.T) {
	k, problems := readUserData(`
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    flags:
      - --node-labels=a=b
      - "--register-with-taints=x=y:NoSchedule,z:NoExecute"
      - --max-pods=40
`)
	require.Empty(t, problems)
	require.Equal(t, map[string]string{"a": "b"}, k.labels)
	require.Equal(t, []corev1.Taint{{Key: "x", Value: "y", Effect: "NoSchedule"}, {Key: "z", Effect: "NoExecute"}}, k.taints)
	require.Equal(t, 40, k.maxPods)
	for _, wrong := range []string{
		"--max-pods=many", "--register-with-taints=x=y:Never", "--node-labels=a", "--kube-reserved=cpu=lots", "--kube-reserved=cpu=-1",
		"--eviction-hard=memory.available<5%",
	} {
		_, problems := readUserData(wrong)
		require.Equal(t, []string{wrong}, problems)
	}
}
