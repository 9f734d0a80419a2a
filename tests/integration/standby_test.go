package integration

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// quickFreeze lets machines hibernate right after their boot and wake within a second. A kubelet's status tells seconds,
// so that a freeze of less shows nothing new.
const quickFreeze = "hibernation: {minUptime: 0s, quiet: 0s, image: 0.01}\n"

// standbyPool keeps so many machines hibernated, and asks them before it buys.
func standbyPool(name string, hibernated int32) *v1alpha1.NodePool {
	p := pool(name)
	p.Spec.Fallback = append([]v1alpha1.FallbackStep{{CapacityType: v1alpha1.Hibernated}}, p.Spec.Fallback...)
	// One size, so that what a plan wants is what is frozen.
	p.Spec.Requirements[1].Values = []string{"3"}
	p.Spec.Standby = &v1alpha1.Standby{Hibernated: hibernated, MinUptime: &metav1.Duration{Duration: 4 * time.Second}}
	return p
}

// standby is what a pool's Standby says of itself; nothing where there is none yet. A worker that is being restarted, or is busy,
// does not answer at once.
func (w *world) standby(pool string) (view contract.StandbyView) {
	w.t.Helper()
	eventually(w.t, func() bool {
		var err error
		view, err = query[contract.StandbyView](w, contract.StandbyID("demo", pool), contract.QueryStandby)
		missing := (*serviceerror.NotFound)(nil)
		return err == nil || errors.As(err, &missing)
	}, "the standby answers")
	return view
}

// frozen are the machines of a pool's standby that are to be had.
func (w *world) frozen(pool string) (ids []string) {
	w.t.Helper()
	for _, m := range w.standby(pool).Machines {
		if m.Phase == contract.StandbyFrozen {
			ids = append(ids, m.Instance.ID)
		}
	}
	return ids
}

func (w *world) bootIDs() map[string]string {
	w.t.Helper()
	list, err := w.kube.CoreV1().Nodes().List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	boots := map[string]string{}
	for _, n := range list.Items {
		id, _ := contract.InstanceOfProviderID(n.Spec.ProviderID)
		boots[id] = n.Status.NodeInfo.BootID
	}
	return boots
}

// A pool keeps two machines hibernated; pods come, and run on machines that were resumed from memory; the standby is filled
// again.
func TestPodsRunOnMachinesThatWereHibernated(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, quickFreeze, "at 0s * spot *: 0")
	w.createPool(standbyPool("general", 2))
	eventually(t, func() bool { return len(w.frozen("general")) == 2 }, "two machines are frozen")
	first := w.frozen("general")
	boots := w.bootIDs()
	require.Empty(t, w.nodes("general"), "they are no room for pods")
	for _, i := range w.truth().Instances {
		require.Equal(t, "stopped", i.State)
		require.EqualValues(t, v1alpha1.OnDemand, i.CapacityType)
	}

	w.deploy("app", 2, "1200m", "1Gi")
	eventually(t, func() bool { return w.running() == 2 }, "the pods run")
	ran := map[string]bool{}
	for _, n := range w.nodes("general") {
		id, _ := contract.InstanceOfProviderID(n.Spec.ProviderID)
		ran[id] = true
		require.Equal(t, boots[id], n.Status.NodeInfo.BootID, "it was resumed from memory")
		require.NotContains(t, n.Labels, v1alpha1.LabelStandby)
	}
	require.Len(t, ran, 2)
	require.True(t, ran[first[0]] && ran[first[1]], "they run on the machines that were frozen")
	require.Equal(t, 1, w.truth().Counts["StartInstances"].All, "both are started in one call")
	eventually(t, func() bool { return len(w.frozen("general")) == 2 }, "the standby is full again")
	for _, id := range w.frozen("general") {
		require.False(t, ran[id])
	}

	// By hand, with Floe's command line and with Temporal's.
	again := first[0]
	status, out, errs := w.floe("node", "hibernate", again, "--reason=at night")
	require.Zero(t, status, errs)
	require.Contains(t, out, "hibernate begins")
	node := contract.NodeID("demo", again)
	eventually(t, func() bool { return w.phase(node) == contract.PhaseStandby }, "it is frozen again")
	w.cli("workflow", "update", "execute", "--workflow-id", node, "--name", "resume", "--input", `{"reason":"morning"}`)
	eventually(t, func() bool { return w.phase(node) == contract.PhaseReady }, "it is awake again")
	status, out, errs = w.floe("node", "describe", again)
	require.Zero(t, status, errs)
	require.Contains(t, out, "from memory")

	// A drain of the standby gives back what is frozen.
	status, out, errs = w.floe("standby", "drain", "general")
	require.Zero(t, status, errs)
	require.Contains(t, out, "general")
	eventually(t, func() bool { return len(w.standby("general").Machines) == 0 }, "no machine is left")
	status, _, errs = w.floe("standby", "fill", "general")
	require.Zero(t, status, errs)
	eventually(t, func() bool { return len(w.frozen("general")) == 2 }, "it is full again")
	status, out, errs = w.floe("standby", "list")
	require.Zero(t, status, errs)
	require.Contains(t, out, "hibernated")
}
