package disruption

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// Each node of the table alone decides; "busy" beside it has room for two small pods.
func TestWhatLeavesAndWhy(t *testing.T) {
	deadlock := corev1.NodeCondition{Type: "KernelDeadlock", Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(now.Add(-10 * time.Minute))}
	bad := func(n *Node) { n.Status.Conditions = append(n.Status.Conditions, deadlock) }
	watches := disruption(func(d *v1alpha1.Disruption) {
		d.Conditions = []v1alpha1.UnsoundCondition{{Type: "KernelDeadlock", After: after(5 * time.Minute)}}
	})
	expires := disruption(func(d *v1alpha1.Disruption) { d.ExpireAfter = after(12 * time.Hour) })
	patient := disruption(func(d *v1alpha1.Disruption) {
		d.EmptyAfter, d.Stabilization = after(5*time.Minute), after(30*time.Minute)
	})
	onDemandOnly := func(s *v1alpha1.NodePoolSpec) { s.Fallback = s.Fallback[1:] }
	small := func() func(*Node) { return running(aPod("small", "100m")) }
	large := func() func(*Node) { return running(aPod("large", "3500m")) }
	for name, c := range map[string]struct {
		pool    []func(*v1alpha1.NodePoolSpec)
		node    []func(*Node)
		cluster func(*cluster)
		leaves  v1alpha1.DisruptionReason // "" where it stays
		words   string
		code    string // of the refusal; "" where nothing would have it leave
		first   int    // machines that have to come first
	}{
		"empty":                            {leaves: "empty", words: "it is empty since 2026-07-01T12:00:00Z"},
		"only a DaemonSet's pod":           {node: []func(*Node){running(aPod("agent", "1", owned("DaemonSet")))}, leaves: "empty"},
		"a mirror pod":                     {node: []func(*Node){running(aPod("static", "1", func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }))}, leaves: "empty"},
		"a pod that has ended":             {node: []func(*Node){running(aPod("done", "1", owned("Job"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }))}, leaves: "empty"},
		"empty, not long enough":           {pool: []func(*v1alpha1.NodePoolSpec){patient}},
		"empty for long enough":            {pool: []func(*v1alpha1.NodePoolSpec){patient}, cluster: func(c *cluster) { c.emptyFor(5 * time.Minute) }, leaves: "empty"},
		"empty, the pool has just grown":   {pool: []func(*v1alpha1.NodePoolSpec){patient}, cluster: func(c *cluster) { c.emptyFor(time.Hour).node("p", "new", "a", aged(29*time.Minute), large()) }},
		"empty, the pool grew a while ago": {pool: []func(*v1alpha1.NodePoolSpec){patient}, cluster: func(c *cluster) { c.emptyFor(time.Hour).node("p", "new", "a", aged(30*time.Minute), large()) }, leaves: "empty"},
		"empty beside a replacement": {pool: []func(*v1alpha1.NodePoolSpec){patient}, cluster: func(c *cluster) {
			c.emptyFor(time.Hour).node("p", "new", "a", aged(time.Minute), annotated(v1alpha1.AnnotationPurpose, "return"), large())
		}, leaves: "empty"},
		"empty, the pool grew by a resume": {pool: []func(*v1alpha1.NodePoolSpec){patient}, cluster: func(c *cluster) {
			c.emptyFor(time.Hour).node("p", "new", "a", resumed(time.Minute, "demand"), large())
		}},
		"empty, it grew by what has left": {pool: []func(*v1alpha1.NodePoolSpec){patient}, cluster: func(c *cluster) {
			c.emptyFor(time.Hour)
			c.s.Memory.ScaledUp = map[string]time.Time{"p": now.Add(-time.Minute)}
		}},
		"busy":                              {node: []func(*Node){large()}},
		"fits on the other":                 {node: []func(*Node){small()}, leaves: "underused", words: "its pod fits on other nodes"},
		"fits on a smaller machine":         {node: []func(*Node){running(aPod("half", "1500m"))}, leaves: "underused", words: "its pod fits on one m5.large at $0.0384/h instead of $0.0768/h", first: 1},
		"fits, but a pod is new":            {pool: []func(*v1alpha1.NodePoolSpec){disruption(func(d *v1alpha1.Disruption) { d.EmptyAfter = after(5 * time.Minute) })}, node: []func(*Node){running(aPod("small", "100m", func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(now.Add(-time.Minute)) }))}},
		"expired":                           {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){large()}, leaves: "expired", words: "older than expireAfter 12h0m0s", first: 1},
		"expired, its pods fit":             {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){small()}, leaves: "expired"},
		"not expired":                       {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){aged(11 * time.Hour), large()}},
		"another version of the template":   {node: []func(*Node){large(), annotated(v1alpha1.AnnotationLaunchTemplate, "lt-1/2/ami-1")}, leaves: "drifted", words: "from version 2 of template lt-1, which is at 3 now", first: 1},
		"another image":                     {node: []func(*Node){large(), annotated(v1alpha1.AnnotationLaunchTemplate, "lt-1/3/ami-0")}, leaves: "drifted", words: "it runs image ami-0", first: 1},
		"another template":                  {node: []func(*Node){large(), annotated(v1alpha1.AnnotationLaunchTemplate, "lt-0/3/ami-1")}, leaves: "drifted", words: "template lt-0", first: 1},
		"the pool's labels have changed":    {node: []func(*Node){large(), annotated(v1alpha1.AnnotationTemplateHash, "0")}, leaves: "drifted", words: "labels or taints", first: 1},
		"nobody knows what it is from":      {node: []func(*Node){large(), annotated(v1alpha1.AnnotationLaunchTemplate, ""), annotated(v1alpha1.AnnotationTemplateHash, "")}},
		"the pool wants other machines":     {node: []func(*Node){large(), func(n *Node) { n.Labels[v1alpha1.LabelArch] = "arm64" }}, leaves: "drifted", words: "kubernetes.io/arch In [amd64] leaves out its arm64", first: 1},
		"a fallback":                        {node: []func(*Node){onDemand, large()}, leaves: "return", words: "return to spot after 2h0m0s", first: 1},
		"a fallback, not long enough":       {node: []func(*Node){onDemand, large(), aged(time.Hour)}},
		"a fallback whose pods fit":         {node: []func(*Node){onDemand, small()}, leaves: "return"},
		"a fallback, resumed since":         {node: []func(*Node){onDemand, large(), resumed(time.Hour, "demand")}},
		"a standby machine, resumed":        {node: []func(*Node){onDemand, large(), resumed(3*time.Hour, "demand")}, leaves: "return", words: "it was resumed from standby as a fallback at 2026-07-01T09:00:00Z", first: 1},
		"a standby machine, just resumed":   {node: []func(*Node){onDemand, large(), resumed(time.Hour, "demand")}},
		"a standby machine, by hand":        {node: []func(*Node){onDemand, large(), resumed(3*time.Hour, "standby")}},
		"a fallback in another's place":     {node: []func(*Node){onDemand, large(), annotated(v1alpha1.AnnotationPurpose, "replace")}, leaves: "return", first: 1},
		"a fallback, by hand":               {node: []func(*Node){onDemand, large(), annotated(v1alpha1.AnnotationPurpose, "hand")}},
		"on-demand by choice":               {pool: []func(*v1alpha1.NodePoolSpec){onDemandOnly}, node: []func(*Node){onDemand, large()}},
		"a fallback that must be on-demand": {node: []func(*Node){onDemand, running(aPod("paid", "3500m", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{v1alpha1.LabelCapacityType: "on-demand"} }))}, code: "no-room"},
		"a fallback in a drought":           {node: []func(*Node){onDemand, large()}, cluster: func(c *cluster) { c.dry(now.Add(time.Minute)) }, code: "drought"},
		"a fallback, the drought has ended": {node: []func(*Node){onDemand, large()}, cluster: func(c *cluster) { c.dry(now) }, leaves: "return", first: 1},
		"a fallback that found none before": {node: []func(*Node){onDemand, large()}, cluster: func(c *cluster) { c.postpone("return") }, code: "postponed"},
		"what was postponed was another":    {node: []func(*Node){onDemand, large()}, cluster: func(c *cluster) { c.postpone("expired") }, leaves: "return", first: 1},
		"unsound":                           {pool: []func(*v1alpha1.NodePoolSpec){watches}, node: []func(*Node){large(), bad}, leaves: "condition", words: "its condition KernelDeadlock is True since 2026-07-01T11:50:00Z", first: 1},
		"unsound, not Ready and cordoned":   {pool: []func(*v1alpha1.NodePoolSpec){watches}, node: []func(*Node){large(), bad, unready, func(n *Node) { n.Spec.Unschedulable = true }}, leaves: "condition", first: 1},
		"unsound, but nobody watches":       {node: []func(*Node){large(), bad}},
		"unsound for a moment": {pool: []func(*v1alpha1.NodePoolSpec){watches}, node: []func(*Node){large(), func(n *Node) {
			d := deadlock
			d.LastTransitionTime = metav1.NewTime(now.Add(-time.Minute))
			n.Status.Conditions = append(n.Status.Conditions, d)
		}}},
		"unsound, a budget is used up":             {pool: []func(*v1alpha1.NodePoolSpec){watches}, node: []func(*Node){large(), bad}, cluster: func(c *cluster) { c.s.Budgets = []*policyv1.PodDisruptionBudget{budget("b", "large", 0)} }, leaves: "condition", first: 1},
		"a pod that waits is to come to it":        {cluster: func(c *cluster) { c.s.Room.Pods = []*corev1.Pod{waiting(9*time.Minute, "1")} }, code: "promised"},
		"a pod that waits has waited in vain":      {cluster: func(c *cluster) { c.s.Room.Pods = []*corev1.Pod{waiting(10*time.Minute, "1")} }, leaves: "empty"},
		"a pod that waits has room elsewhere":      {cluster: func(c *cluster) { c.s.Room.Pods = []*corev1.Pod{waiting(time.Minute, "100m")} }, node: []func(*Node){func(n *Node) { n.Spec.Unschedulable = true }}, code: "cordoned"},
		"expired, and a pod is to come to it":      {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){small()}, cluster: func(c *cluster) { c.s.Room.Pods = []*corev1.Pod{waiting(time.Minute, "1")} }, leaves: "expired"},
		"the pods of one that leaves come to it":   {cluster: func(c *cluster) { c.node("p", "goes", "a", running(aPod("moves", "1")), tainting) }, code: "promised"},
		"nobody knows what is launched":            {cluster: func(c *cluster) { c.s.Blind = "no worker" }, code: "launching"},
		"expired, nobody knows what is launched":   {pool: []func(*v1alpha1.NodePoolSpec){expires}, cluster: func(c *cluster) { c.s.Blind = "no worker" }, leaves: "expired"},
		"fits, but machines come to the pool":      {node: []func(*Node){small()}, cluster: launching("p", contract.PurposeDemand)},
		"fits, machines come to another pool":      {node: []func(*Node){small()}, cluster: launching("q", contract.PurposeDemand), leaves: "underused"},
		"fits, a machine comes to the standby":     {node: []func(*Node){small()}, cluster: launching("p", contract.PurposeStandby), leaves: "underused"},
		"empty, machines come to the pool":         {cluster: launching("p", contract.PurposeDemand), leaves: "empty"},
		"empty, the pool grows at this moment":     {pool: []func(*v1alpha1.NodePoolSpec){patient}, cluster: func(c *cluster) { launching("p", contract.PurposeDemand)(c.emptyFor(time.Hour)) }},
		"empty, something else is launched for it": {pool: []func(*v1alpha1.NodePoolSpec){patient}, cluster: func(c *cluster) { launching("p", contract.PurposeReturn)(c.emptyFor(time.Hour)) }, leaves: "empty"},
		"held":                         {node: []func(*Node){func(n *Node) { n.Hold = &contract.Hold{By: "alice", Since: now} }}, code: "held"},
		"its workflow is silent":       {node: []func(*Node){func(n *Node) { n.Silent = "down" }}, code: "silent"},
		"a hold that is over":          {node: []func(*Node){func(n *Node) { n.Hold = &contract.Hold{By: "alice", Until: now} }}, leaves: "empty"},
		"do not disrupt":               {node: []func(*Node){annotated(v1alpha1.AnnotationDoNotDisrupt, "true")}, code: "do-not-disrupt"},
		"do not disrupt, by Karpenter": {node: []func(*Node){annotated(v1alpha1.AnnotationKarpenterDoNotDisrupt, "true")}, code: "do-not-disrupt"},
		"do not disrupt: false":        {node: []func(*Node){annotated(v1alpha1.AnnotationDoNotDisrupt, "false")}, leaves: "empty"},
		"a pod not to disrupt": {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){running(aPod("x", "100m", func(p *corev1.Pod) {
			p.Annotations = map[string]string{v1alpha1.AnnotationKarpenterDoNotDisrupt: "true"}
		}))}, code: "do-not-disrupt"},
		"too young":                     {pool: []func(*v1alpha1.NodePoolSpec){disruption(func(d *v1alpha1.Disruption) { d.MinimumAge = after(25 * time.Hour) })}, code: "minimum-age"},
		"old enough":                    {pool: []func(*v1alpha1.NodePoolSpec){disruption(func(d *v1alpha1.Disruption) { d.MinimumAge = after(24 * time.Hour) })}, leaves: "empty"},
		"not Ready":                     {node: []func(*Node){unready}, code: "not-ready"},
		"came for one that leaves":      {node: []func(*Node){aged(0), annotated(v1alpha1.AnnotationPurpose, "replace")}, cluster: replacing, code: "replaces"},
		"came for one that left":        {node: []func(*Node){aged(time.Hour), annotated(v1alpha1.AnnotationPurpose, "replace")}, cluster: replacing, leaves: "empty"},
		"came for demand meanwhile":     {node: []func(*Node){aged(0)}, cluster: replacing, leaves: "empty"},
		"cordoned by somebody":          {node: []func(*Node){func(n *Node) { n.Spec.Unschedulable = true }}, code: "cordoned"},
		"cordoned and expired":          {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){func(n *Node) { n.Spec.Unschedulable = true }}, leaves: "expired"},
		"a pod that nobody brings back": {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){running(aPod("bare", "100m", func(p *corev1.Pod) { p.OwnerReferences = nil }))}, code: "bare-pod"},
		"a budget is used up":           {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){small()}, cluster: func(c *cluster) { c.s.Budgets = []*policyv1.PodDisruptionBudget{budget("b", "small", 0)} }, code: "pdb"},
		"a budget with room":            {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){small()}, cluster: func(c *cluster) { c.s.Budgets = []*policyv1.PodDisruptionBudget{budget("b", "small", 1)} }, leaves: "expired"},
		"another's budget":              {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){small()}, cluster: func(c *cluster) { c.s.Budgets = []*policyv1.PodDisruptionBudget{budget("b", "other", 0)} }, leaves: "expired"},
		"a budget for those that serve": {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){running(aPod("sick", "100m", failing(2*time.Hour)))}, cluster: func(c *cluster) {
			c.s.Budgets = []*policyv1.PodDisruptionBudget{budget("b", "sick", 0, func(b *policyv1.PodDisruptionBudget) {
				b.Spec.UnhealthyPodEvictionPolicy = ptr.To(policyv1.AlwaysAllow)
			})}
		}, leaves: "expired"},
		"two budgets": {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){small()}, cluster: func(c *cluster) {
			c.s.Budgets = []*policyv1.PodDisruptionBudget{budget("b", "small", 1), budget("c", "small", 1)}
		}, code: "budgets"},
		"a standby machine": {node: []func(*Node){func(n *Node) { n.Labels[v1alpha1.LabelStandby] = "hibernated" }}},
		"a machine not registered": {node: []func(*Node){func(n *Node) {
			n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintUnregistered, Effect: corev1.TaintEffectNoExecute}}
		}}},
		"leaving": {node: []func(*Node){func(n *Node) {
			n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintLeaving, Effect: corev1.TaintEffectNoSchedule}}
		}}},
		"no room for it within the limits": {pool: []func(*v1alpha1.NodePoolSpec){expires, func(s *v1alpha1.NodePoolSpec) {
			s.Limits = corev1.ResourceList{v1alpha1.ResourceNodes: resource.MustParse("2")}
		}}, node: []func(*Node){large()}, cluster: func(c *cluster) { c.s.Room.Pools[0].Used = c.s.Room.Pools[0].Spec.Limits }, code: "no-room"},
		"others wait for the room": {pool: []func(*v1alpha1.NodePoolSpec){expires}, node: []func(*Node){running(aPod("x", "700m"))}, cluster: func(c *cluster) { c.s.Room.Pods = []*corev1.Pod{aPod("waits", "200m")} }, leaves: "expired", first: 1},
		"the room is on a node that leaves": {node: []func(*Node){onDemand, running(aPod("x", "1"))}, cluster: func(c *cluster) {
			c.node("p", "goes", "a", func(n *Node) { n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintLeaving}} })
		}, leaves: "return", first: 1},
		"the room is on a node that is starting": {node: []func(*Node){onDemand, running(aPod("x", "1"))}, cluster: func(c *cluster) {
			c.node("p", "new", "a", aged(time.Minute), unready, func(n *Node) { n.Settled = false })
		}, leaves: "return", first: 1},
		"the room is on a machine that comes": {node: []func(*Node){onDemand, running(aPod("x", "1"))}, cluster: launching("p", contract.PurposeHand), leaves: "return", first: 1},
		"the room is on a node not Ready":     {node: []func(*Node){onDemand, running(aPod("x", "1"))}, cluster: func(c *cluster) { c.node("p", "silent", "a", unready) }, leaves: "return", first: 1},
	} {
		t.Run(name, func(t *testing.T) {
			world := newCluster(aPool("p", c.pool...)).node("p", "subject", "a", c.node...).
				// It is younger than any expiry, and has 720m of room for pods.
				node("p", "busy", "b", aged(11*time.Hour), running(aPod("old", "3200m"), aPod("agent", "0", owned("DaemonSet"))), annotated(v1alpha1.AnnotationDoNotDisrupt, "true"))
			if c.cluster != nil {
				c.cluster(world)
			}
			r := Decide(world.s)
			v, known := Explain(world.s, "i-subject")
			if c.leaves == "" {
				for _, g := range r.Grants {
					require.NotEqual(t, "subject", g.Node, "%+v", g)
				}
				if c.code != "" {
					require.Equal(t, c.code, refused(t, r, "subject").Code, "%+v", r.Refused)
				} else {
					for _, f := range r.Refused {
						require.NotEqual(t, "subject", f.Node, "%+v", f)
					}
				}
				require.Empty(t, v.Leaves)
				return
			}
			var mine contract.Grant
			for _, g := range r.Grants {
				if g.Node == "subject" {
					mine = g
				}
			}
			require.Equal(t, c.leaves, mine.Reason, "refused: %+v", r.Refused)
			require.Contains(t, mine.Words, c.words)
			count := 0
			for _, l := range mine.Launches {
				count += l.Count
			}
			require.Equal(t, c.first, count, "%+v", mine.Launches)
			require.Equal(t, c.leaves == "condition", mine.Cordon)
			require.True(t, known)
			require.Equal(t, mine.Words, v.Leaves)
			require.Equal(t, "i-subject", mine.Instance)
			require.Equal(t, "uid-subject", mine.UID)
		})
	}
}

// waiting is a pod that has waited for room for so long.
func waiting(since time.Duration, cpu string) *corev1.Pod {
	return aPod("waits", cpu, func(p *corev1.Pod) {
		p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(now.Add(-since))},
		}}
	})
}

// launching has one machine come to a pool, asked for a minute ago.
func launching(pool string, purpose contract.Purpose) func(*cluster) {
	return func(c *cluster) {
		c.s.Room.Ledger = []contract.LedgerEntry{{
			ScaleUp: "scaleup/demo/x/0", Pool: pool, Purpose: purpose, Count: 1, Open: 1, Opened: now.Add(-time.Minute),
		}}
	}
}

func tainting(n *Node) {
	n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintLeaving, Effect: corev1.TaintEffectNoSchedule}}
}

// resumed says that a machine was started from standby so long ago, and what for.
func resumed(ago time.Duration, purpose string) func(*Node) {
	return func(n *Node) {
		n.Annotations[v1alpha1.AnnotationResumed] = now.Add(-ago).Format(time.RFC3339)
		n.Annotations[v1alpha1.AnnotationPurpose] = purpose
	}
}

// replacing lets another node leave, whose replacement was asked for a moment ago.
func replacing(c *cluster) {
	c.s.Leaving = []contract.Leaving{{Instance: "i-old", Node: "old", Since: now.Add(-time.Minute), Workflow: "replace/demo/i-old/1"}}
}

// dry puts every spot offering into back-off.
func (c *cluster) dry(until time.Time) {
	for _, p := range c.s.Room.Pools {
		for _, candidate := range p.Candidates {
			for _, o := range candidate.Overrides {
				if o.CapacityType == v1alpha1.Spot {
					p.BackOff[o.Offering] = until
				}
			}
		}
	}
}

func (c *cluster) postpone(reason v1alpha1.DisruptionReason) {
	c.s.NotBefore = map[string]contract.Postponed{"i-subject": {Reason: reason, Until: now.Add(time.Minute), Tries: 1, Why: "no capacity"}}
}

func TestAReturnBuysSpotAndNothingElse(t *testing.T) {
	c := newCluster(aPool("other"), aPool("p")).node("p", "n", "b", onDemand, running(aPod("x", "3")))
	r := Decide(c.s)
	require.Equal(t, []string{"n: return"}, granted(r))
	l := r.Grants[0].Launches[0]
	require.Equal(t, "p", l.Pool)
	require.Equal(t, []v1alpha1.CapacityType{v1alpha1.Spot}, l.CapacityTypes)
	require.Equal(t, 1, l.PodCount)
	require.Contains(t, l.InstanceTypes, "m5.xlarge")
	in := r.Grants[0].LaunchOf("demo", l)
	require.Equal(t, contract.PurposeReturn, in.Purpose)
	require.NoError(t, in.Validate())
}

// The same room is not promised twice.
func TestRoomIsGivenOnce(t *testing.T) {
	c := newCluster(aPool("p", disruption(func(d *v1alpha1.Disruption) { d.ExpireAfter = after(12 * time.Hour) }))).
		node("p", "a", "a", running(aPod("a", "3"))).
		node("p", "b", "b", running(aPod("b", "3"))).
		node("p", "c", "c", aged(time.Hour), running(aPod("c", "500m")))
	r := Decide(c.s)
	require.Equal(t, []string{"a: expired", "b: expired"}, granted(r))
	require.Len(t, r.Grants[0].Launches, 0, "it fits beside c")
	require.Len(t, r.Grants[1].Launches, 1, "by then there is no room")
	require.Equal(t, contract.PurposeReplace, r.Grants[1].LaunchOf("demo", r.Grants[1].Launches[0]).Purpose)
}

// Two that would each fit on the other cannot both go.
func TestOfTwoThatFitOnEachOtherOneStays(t *testing.T) {
	c := newCluster(aPool("p")).
		node("p", "a", "a", running(aPod("a", "1900m"))).
		node("p", "b", "b", running(aPod("b", "1900m")))
	require.Len(t, Decide(c.s).Grants, 1)
}

func TestZonesStayInBalance(t *testing.T) {
	budgets := disruption(func(d *v1alpha1.Disruption) { d.Budgets = []v1alpha1.DisruptionBudget{{Nodes: "3"}} })
	c := newCluster(aPool("p", budgets)).node("p", "1", "a").node("p", "2", "b").node("p", "3", "b").node("p", "4", "c").node("p", "5", "c").node("p", "6", "c")
	require.Equal(t, []string{"4: empty", "2: empty", "5: empty"}, granted(Decide(c.s)), "one is left in each zone")
}

// A consolidation that waits for launches says so to whoever asks.
func TestExplainTellsOfLaunches(t *testing.T) {
	c := newCluster(aPool("p")).node("p", "n", "a", running(aPod("small", "100m"))).node("p", "other", "a", running(aPod("large", "3")))
	launching("p", contract.PurposeDemand)(c)
	v, ok := Explain(c.s, "n")
	require.True(t, ok)
	require.Equal(t, "launch scaleup/demo/x/0 of 2026-07-01T11:59:00Z is to bring pool p 1 machine, which may change what fits where", v.Reasons[5].Refused)
}

func TestExplainNamesEveryReason(t *testing.T) {
	c := newCluster(aPool("p")).node("p", "n", "a", running(aPod("x", "3500m")))
	v, ok := Explain(c.s, "n")
	require.True(t, ok)
	require.Len(t, v.Reasons, len(v1alpha1.DisruptionReasons))
	for i, r := range v.Reasons {
		require.Equal(t, v1alpha1.DisruptionReasons[i], r.Reason)
		require.NotEmpty(t, r.Words)
	}
	require.Contains(t, v.Reasons[5].Refused, "the cheapest machine for its pods costs")
	_, ok = Explain(c.s, "i-nobody")
	require.False(t, ok)
}

func TestTemplates(t *testing.T) {
	in := contract.ResolvedTemplate{ID: "lt-1", Version: "3", ImageID: "ami-1"}
	out, ok := ParseTemplate(FormatTemplate(in))
	require.True(t, ok)
	require.Equal(t, in, out)
	for _, bad := range []string{"", "lt-1", "lt-1/3"} {
		_, ok := ParseTemplate(bad)
		require.False(t, ok, bad)
	}
	require.Empty(t, FormatTemplate(contract.ResolvedTemplate{}))
}
