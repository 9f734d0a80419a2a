package machine

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	clienttesting "k8s.io/client-go/testing"

	"floe.dev/floe/internal/sim/cloud"
)

func TestMachinesThatAreMuteOrLate(t *testing.T) {
	l := newLab(t, Config{})
	mute, late, other := facts(1), facts(2), facts(3)
	mute.Mute, late.Late = true, time.Hour
	for _, f := range []*cloud.Facts{mute, late, other} {
		l.power(f, cloud.PowerOn, nil)
	}
	l.until("the one that is neither", func() bool { return l.ready(other) })
	require.Nil(t, l.node(mute))
	require.Nil(t, l.node(late))
	soon := facts(4)
	soon.Late = 50 * time.Millisecond
	l.power(soon, cloud.PowerOn, nil)
	l.until("better late", func() bool { return l.ready(soon) })
}

func TestAMachineWhoseMemoryIsBeingReadDoesNothing(t *testing.T) {
	l := newLab(t, Config{})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) && l.lease(f) != nil })
	l.power(f, cloud.PowerOff, func(p *cloud.Power) { p.Stopping = true })
	l.until("off", func() bool { return l.node(f).Labels[LabelSimulated] == "off" })
	renewed := l.lease(f).Spec.RenewTime.Time
	l.power(f, cloud.PowerOn, func(p *cloud.Power) { p.Resumed, p.Loaded = true, time.Now().Add(time.Hour) })
	other := facts(2)
	l.power(other, cloud.PowerOn, nil)
	l.until("something after it", func() bool { return l.ready(other) })
	require.Equal(t, renewed, l.lease(f).Spec.RenewTime.Time)
}

func TestTheCloudProviderMakesANodeWhole(t *testing.T) {
	l := newLab(t, Config{Initialize: 200 * time.Millisecond})
	f := facts(1)
	f.UserData = "exec kubelet --cloud-provider=external"
	l.power(f, cloud.PowerOn, nil)
	l.until("registered", func() bool { return l.node(f) != nil })
	hasTaint := func() bool {
		return slices.ContainsFunc(l.node(f).Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taintUninitialized) })
	}
	if n := l.node(f); hasTaint() { // else this was slower than the cloud provider
		require.Empty(t, n.Spec.ProviderID)
		require.Empty(t, n.Labels[corev1.LabelTopologyZone])
	}
	l.until("whole", func() bool { return !hasTaint() })
	require.Equal(t, "aws:///eu-west-1a/"+f.ID, l.node(f).Spec.ProviderID)
	require.Equal(t, "eu-west-1a", l.node(f).Labels[corev1.LabelTopologyZone])
	require.Equal(t, "m5.large", l.node(f).Labels[corev1.LabelInstanceTypeStable])
	created := l.kube.Actions()
	require.True(t, slices.ContainsFunc(created, func(a clienttesting.Action) bool {
		c, is := a.(clienttesting.CreateAction)
		if !is {
			return false
		}
		n, is := c.GetObject().(*corev1.Node)
		return is && n.Spec.ProviderID == "" && slices.Contains(n.Spec.Taints, taintUninitialized)
	}), "the kubelet itself knows neither machine nor zone")
}
