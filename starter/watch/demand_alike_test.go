package watch

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

// fresh is a pod that the scheduler has yet to look at.
func fresh(name, resourceVersion string) *corev1.Pod {
	pod := pending(name, resourceVersion)
	pod.Status.Conditions = nil
	return pod
}

// In a burst the scheduler's first verdict speaks for all that are alike; what it says of the others is no news.
func TestOneVerdictSpeaksForAllAlike(t *testing.T) {
	d, told := alone(t)
	for i := range 20 {
		d.pod(fresh(fmt.Sprint("p", i), fmt.Sprint(100+i)))
	}
	require.Nil(t, d.batch, "nobody has said yet that there is no room")
	d.pod(pending("p7", "130"))
	d.tellNow(t)
	require.Equal(t, 20, told.demands[0].Pods)
	require.Equal(t, "130", told.demands[0].Watermark)

	for i := range 20 {
		d.pod(pending(fmt.Sprint("p", i), fmt.Sprint(140+i)))
	}
	require.Nil(t, d.batch, "known")
	d.pod(fresh("p20", "170"))
	d.tellNow(t)
	require.Equal(t, 1, told.demands[1].Pods, "one more of those")

	other := fresh("other", "180")
	other.Labels = map[string]string{"app": "other"}
	d.pod(other)
	require.Nil(t, d.batch)
	d.podGone(other)
	require.Empty(t, d.unjudged)
	require.Nil(t, d.batch, "it never needed room")

	for i := range 21 {
		d.pod(bound(pending(fmt.Sprint("p", i), fmt.Sprint(200+i))))
	}
	require.Empty(t, d.waiting)
	require.Empty(t, d.judged)
	d.pod(fresh("later", "230"))
	require.Nil(t, d.batch, "the last verdict says nothing of a later time")
}

// While a batch is open, pods that come belong to the same burst, judged or not.
func TestArrivalsKeepTheBatchOpen(t *testing.T) {
	d, _ := alone(t)
	d.pod(pending("a", "1"))
	d.batch.last = d.batch.last.Add(-time.Minute)
	other := fresh("b", "2")
	other.Labels = map[string]string{"app": "other"}
	d.pod(other)
	require.Less(t, time.Since(d.batch.last), 10*time.Second)
}

// One that makes room by preemption says nothing of the others.
func TestAPreemptorIsNoWitness(t *testing.T) {
	d, told := alone(t)
	nominated := pending("a", "1")
	nominated.Status.NominatedNodeName = "n1"
	d.pod(nominated)
	d.pod(fresh("b", "2"))
	d.tellNow(t)
	require.Equal(t, 1, told.demands[0].Pods)
	d.pod(pending("a", "3")) // its victim did not go
	d.tellNow(t)
	require.Equal(t, 1, told.demands[1].Pods)
	require.Len(t, d.waiting, 2)
}

// Whatever happens in whatever order: those wait of whom it is known that there is no room, and the count of witnesses
// is right.
func TestWaitingIsWhatIsKnown(t *testing.T) {
	type state struct {
		app           string
		judged, waits bool
	}
	rapid.Check(t, func(rt *rapid.T) {
		d, _ := alone(t)
		pods := map[string]*state{}
		witnesses := func(app string) (n int) {
			for _, s := range pods {
				if s.app == app && s.judged {
					n++
				}
			}
			return n
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			name := fmt.Sprint("p", rapid.IntRange(0, 7).Draw(rt, "pod"))
			s := pods[name]
			if s == nil {
				s = &state{app: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "app")}
			}
			pod := pending(name, "1")
			pod.Labels = map[string]string{"app": s.app}
			switch rapid.SampledFrom([]string{"arrives", "judged", "bound", "gone"}).Draw(rt, "what") {
			case "arrives":
				if !s.judged {
					pod.Status.Conditions = nil
				}
				s.waits = s.waits || witnesses(s.app) > 0
				pods[name] = s
				d.pod(pod)
			case "judged":
				s.judged, s.waits = true, true
				pods[name] = s
				for _, other := range pods {
					other.waits = other.waits || other.app == s.app
				}
				d.pod(pod)
			case "bound":
				delete(pods, name)
				d.pod(bound(pod))
			case "gone":
				delete(pods, name)
				d.podGone(pod)
			}
			waiting, judged := map[types.UID]bool{}, map[string]int{}
			for name, s := range pods {
				if s.waits {
					waiting[pending(name, "1").UID] = true
				}
				if s.judged {
					judged[s.app]++
				}
			}
			require.Len(rt, d.waiting, len(waiting))
			for uid := range d.waiting {
				require.True(rt, waiting[uid], uid)
			}
			require.Len(rt, d.judged, len(judged))
			require.Len(rt, d.unjudged, len(pods)-len(waiting))
		}
	})
}
