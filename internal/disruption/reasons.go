package disruption

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// want says whether a reason holds for a node.
type want struct {
	now   bool
	words string
	due   time.Time // when it is going to hold by the passing of time alone; zero where that is not known
}

func wanted(format string, args ...any) want {
	return want{now: true, words: fmt.Sprintf(format, args...)}
}

func unwanted(format string, args ...any) want {
	return want{words: fmt.Sprintf(format, args...)}
}

// shrinks reports whether a pool is smaller afterwards.
func shrinks(reason v1alpha1.DisruptionReason) bool {
	return reason == v1alpha1.DisruptEmpty || reason == v1alpha1.DisruptUnderused
}

func (j *judge) wants(n *node, reason v1alpha1.DisruptionReason) want {
	switch reason {
	case v1alpha1.DisruptCondition:
		return j.unsound(n)
	case v1alpha1.DisruptEmpty:
		return j.empty(n)
	case v1alpha1.DisruptExpired:
		return j.expired(n)
	case v1alpha1.DisruptDrifted:
		return j.drifted(n)
	case v1alpha1.DisruptReturn:
		return j.returns(n)
	case v1alpha1.DisruptUnderused:
		return j.underused(n)
	}
	return unwanted("nobody knows this reason")
}

// unsound: a condition that the pool names holds.
func (j *judge) unsound(n *node) want {
	conditions := n.pool.Spec.Disruption.Conditions
	if len(conditions) == 0 {
		return unwanted("the pool names no conditions")
	}
	var due time.Time
	for _, c := range conditions {
		i := slices.IndexFunc(n.Status.Conditions, func(have corev1.NodeCondition) bool { return string(have.Type) == c.Type })
		if i < 0 || n.Status.Conditions[i].Status != c.Status {
			continue
		}
		since := n.Status.Conditions[i].LastTransitionTime.Time
		at := since
		if c.After != nil {
			at = since.Add(c.After.Duration)
		}
		if !at.After(j.Now) {
			return wanted("its condition %s is %s since %s", c.Type, c.Status, stamp(since))
		}
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return want{words: "none of the pool's conditions holds", due: due}
}

// empty: nothing but DaemonSets' pods for long enough, by both clocks.
func (j *judge) empty(n *node) want {
	if len(n.moving) > 0 {
		return unwanted("it runs %s", plural(len(n.moving), "pod"))
	}
	d := n.pool.Spec.Disruption
	at := n.emptyAt.Add(d.EmptyAfter.Duration)
	if stable := j.stableAt(n.pool); stable.After(at) && stable.After(j.Now) {
		return want{due: stable, words: fmt.Sprintf("it is empty since %s; the pool grew at %s and does not shrink before %s (stabilization %s)",
			stamp(n.emptyAt), stamp(j.Memory.ScaledUp[n.pool.name]), stamp(stable), d.Stabilization.Duration)}
	}
	if at.After(j.Now) {
		return want{due: at, words: fmt.Sprintf("it is empty since %s; it may go at %s (emptyAfter %s)", stamp(n.emptyAt), stamp(at), d.EmptyAfter.Duration)}
	}
	return wanted("it is empty since %s", stamp(n.emptyAt))
}

// stableAt is when a pool may shrink again after its last scale-up for demand.
func (j *judge) stableAt(p *pool) time.Time {
	at, ok := j.Memory.ScaledUp[p.name]
	if !ok {
		return time.Time{}
	}
	return at.Add(p.Spec.Disruption.Stabilization.Duration)
}

// expired: older than the pool wants.
func (j *judge) expired(n *node) want {
	limit := n.pool.Spec.Disruption.ExpireAfter
	if limit == nil {
		return unwanted("the pool's nodes do not expire")
	}
	at := n.CreationTimestamp.Add(limit.Duration)
	if at.After(j.Now) {
		return want{due: at, words: fmt.Sprintf("it expires at %s (expireAfter %s)", stamp(at), limit.Duration)}
	}
	return wanted("it is of %s, older than expireAfter %s", stamp(n.CreationTimestamp.Time), limit.Duration)
}

// drifted: the launch template or the pool is not what it was when the node was launched. Of a node that does not tell
// what it was launched from, only the requirements are looked at.
func (j *judge) drifted(n *node) want {
	now := n.pool.Template
	from, known := ParseTemplate(n.Annotations[v1alpha1.AnnotationLaunchTemplate])
	switch {
	case known && now.ID != "" && from.ID != now.ID:
		return wanted("it was launched from template %s, the pool names %s now", from.ID, now.ID)
	case known && now.ID != "" && from.Version != now.Version:
		return wanted("it was launched from version %s of template %s, which is at %s now", from.Version, now.ID, now.Version)
	case known && now.ID != "" && from.ImageID != now.ImageID:
		return wanted("it runs image %s, the template's is %s now", from.ImageID, now.ImageID)
	}
	if hash := n.Annotations[v1alpha1.AnnotationTemplateHash]; hash != "" && hash != TemplateHash(n.pool.NodePool) {
		return wanted("the pool's labels or taints (spec.template) have changed since it registered")
	}
	for _, r := range n.pool.Spec.Requirements {
		if _, has := n.Labels[r.Key]; !has {
			continue
		}
		if ok, _ := catalog.Match([]corev1.NodeSelectorRequirement{r}, n.Labels); !ok {
			return wanted("the pool's requirement %s leaves out its %s", catalog.RequirementWords(r), n.Labels[r.Key])
		}
	}
	return unwanted("it is as the pool and its launch template are")
}

// FormatTemplate and ParseTemplate write what a node was launched from as an annotation: ID/version/image.
func FormatTemplate(t contract.ResolvedTemplate) string {
	if t.ID == "" {
		return ""
	}
	return t.ID + "/" + t.Version + "/" + t.ImageID
}

// ParseTemplate is the inverse of FormatTemplate. ok is false where nothing is known.
func ParseTemplate(words string) (t contract.ResolvedTemplate, ok bool) {
	parts := strings.Split(words, "/")
	if len(parts) != 3 {
		return t, false
	}
	return contract.ResolvedTemplate{ID: parts[0], Version: parts[1], ImageID: parts[2]}, true
}

// TemplateHash stands for what a pool puts on its Nodes.
func TemplateHash(pool *v1alpha1.NodePool) string {
	encoded, err := json.Marshal(pool.Spec.Template)
	if err != nil {
		return "" // it always encodes: it has neither cycles nor channels
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8])
}

// returns: on-demand because a spot step found no capacity, or because it was there sooner, frozen, and for long enough.
// The clock of a machine that was resumed from standby runs from then on: it was taken as a fallback at that time. Nodes
// return spread over a tenth of returnAfter, by a hash of their instance, so that those of one drought do not all come at
// once.
func (j *judge) returns(n *node) want {
	d := n.pool.Spec.Disruption
	switch {
	case n.Labels[v1alpha1.LabelCapacityType] != string(v1alpha1.OnDemand):
		return unwanted("it is not on-demand")
	case !fallsBack(n.pool.NodePool):
		return unwanted("the pool is on-demand by choice: its chain has no spot step before on-demand")
	case !n.forPods():
		return unwanted("it was neither bought nor resumed for pods, or before Floe wrote down what for")
	}
	taken, resumed := n.taken()
	how := "it was a fallback"
	if resumed {
		how = "it was resumed from standby as a fallback"
	}
	at := taken.Add(d.ReturnAfter.Duration + Spread(n.instance, d.ReturnAfter.Duration/10))
	if at.After(j.Now) {
		return want{due: at, words: fmt.Sprintf("%s at %s; its pods return to spot from %s on (returnAfter %s)", how, stamp(taken), stamp(at), d.ReturnAfter.Duration)}
	}
	return wanted("%s at %s, and its pods return to spot after %s", how, stamp(taken), d.ReturnAfter.Duration)
}

// forPods reports whether a machine came into service for pods that had no room: for demand, or in the place of another.
func (n *node) forPods() bool {
	switch contract.Purpose(n.Annotations[v1alpha1.AnnotationPurpose]) {
	case contract.PurposeDemand, contract.PurposeReplace:
		return true
	}
	return false
}

// taken is when a machine came into service last: when its Node came, or when it was resumed from standby.
func (n *node) taken() (at time.Time, resumed bool) {
	at = n.CreationTimestamp.Time
	woke, err := time.Parse(time.RFC3339, n.Annotations[v1alpha1.AnnotationResumed])
	if err == nil && woke.After(at) {
		return woke, true
	}
	return at, false
}

// fallsBack reports whether the pool's chain asks for spot before on-demand.
func fallsBack(p *v1alpha1.NodePool) bool {
	first := func(ct v1alpha1.CapacityType) int {
		return slices.IndexFunc(p.Spec.Fallback, func(f v1alpha1.FallbackStep) bool { return f.CapacityType == ct })
	}
	spot, onDemand := first(v1alpha1.Spot), first(v1alpha1.OnDemand)
	return spot >= 0 && (onDemand < 0 || spot < onDemand)
}

// underused is as far as the clocks can tell; whether its pods fit elsewhere is the planner's word.
func (j *judge) underused(n *node) want {
	d := n.pool.Spec.Disruption
	if len(n.moving) == 0 {
		return unwanted("it is empty")
	}
	if stable := j.stableAt(n.pool); stable.After(j.Now) {
		return want{due: stable, words: fmt.Sprintf("the pool does not shrink before %s (stabilization %s)", stamp(stable), d.Stabilization.Duration)}
	}
	var youngest time.Time
	for _, pod := range n.moving {
		if t := pod.CreationTimestamp.Time; t.After(youngest) {
			youngest = t
		}
	}
	if at := youngest.Add(d.EmptyAfter.Duration); at.After(j.Now) {
		return want{due: at, words: fmt.Sprintf("its youngest pod is of %s; it is not looked at before %s (emptyAfter %s)", stamp(youngest), stamp(at), d.EmptyAfter.Duration)}
	}
	return wanted("it runs %s", plural(len(n.moving), "pod"))
}

// Spread is a part of a duration that differs from instance to instance and stays the same for each.
func Spread(instance string, over time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(instance))
	return time.Duration(float64(over) * float64(binary.BigEndian.Uint32(sum[:4])) / (1 << 32))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
