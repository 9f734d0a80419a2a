package kube

import (
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubectl/pkg/util/podutils"

	"floe.dev/floe/internal/planner"
	"floe.dev/floe/internal/reclaim"
)

// roomEvery is how often it is worked out at most which pods have room elsewhere.
const roomEvery = 250 * time.Millisecond

// rooms are the pods of machines that AWS takes back for which there is room on other nodes now. All drains of a cluster go by
// the same answer: who has room is packed for all of them together, with the pods that wait already, so that no two count on
// the same place.
type rooms struct {
	mu    sync.Mutex
	again time.Time // when it is to be worked out anew
	have  map[types.UID]bool
}

// hasRoom reports whether a pod of a machine that leaves would find room if it were evicted now.
func (c *Cluster) hasRoom(pod *corev1.Pod, now time.Time) bool {
	c.rooms.mu.Lock()
	defer c.rooms.mu.Unlock()
	if !now.Before(c.rooms.again) {
		began := time.Now()
		s, _ := c.snapshot(nil, nil, now)
		s.Nodes = slices.DeleteFunc(s.Nodes, func(n planner.Node) bool { return !n.Settled })
		c.rooms.have = map[types.UID]bool{}
		for _, pods := range planner.Plan(s).OnNodes {
			for _, p := range pods {
				c.rooms.have[p.UID] = true
			}
		}
		// In a cluster so large that this takes long it takes no more than a fifth of a core.
		c.rooms.again = now.Add(max(roomEvery, 4*time.Since(began)))
	}
	return c.rooms.have[pod.UID]
}

// holds reports whether a pod stays for now on a machine that AWS takes back, because there is no room for it elsewhere yet:
// it serves for as long. Its place is announced, and machines are on their way; once they are there, or half of the time is
// over, it goes, and early enough for its own grace period. One that does not serve, or that nobody makes anew, has nothing
// to wait for.
func (d *drain) holds(pod *corev1.Pod, now time.Time) bool {
	if d.holdUntil.IsZero() || !now.Before(reclaim.Earlier(d.holdUntil, d.deadline.Add(-ownGrace(pod)))) {
		return false
	}
	if !podutils.IsPodReady(pod) || metav1.GetControllerOfNoCopy(pod) == nil {
		return false
	}
	return !d.cluster.hasRoom(pod, now)
}
