package kube

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/planner"
)

// starting is how long a node that is not of a pool may take to become ready; pools say their own
// (spec.registrationTimeout, which has the same default).
const starting = 15 * time.Minute

// patience is how long a machine of a pool, which may be nil, may take to become ready.
func (p *planned) patience() time.Duration {
	if p != nil && p.Spec.RegistrationTimeout != nil {
		return p.Spec.RegistrationTimeout.Duration
	}
	return starting
}

// snapshot is the cluster as the planner wants it. seen are the ledger's instances that need no ledger any more: their
// Node is registered, so that every later snapshot knows by itself what it is.
func (c *Cluster) snapshot(pools []planned, ledger []contract.LedgerEntry, now time.Time) (s planner.Snapshot, seen []string) {
	s = planner.Snapshot{
		Pods:       needing(list[*corev1.Pod](c.pods)),
		DaemonSets: list[*appsv1.DaemonSet](c.daemonSets),
		Namespaces: list[*corev1.Namespace](c.namespaces),
		Claims:     list[*corev1.PersistentVolumeClaim](c.claims),
		Volumes:    list[*corev1.PersistentVolume](c.volumes),

		StorageClasses: list[*storagev1.StorageClass](c.storageClasses),
		Now:            now,
	}
	attach := attachLimits(list[*storagev1.CSINode](c.csiNodes))
	byName := map[string]*planned{}
	for i := range pools {
		byName[pools[i].Name] = &pools[i]
	}
	launched := launchedOf(ledger)
	here := map[string]bool{}
	for _, node := range list[*corev1.Node](c.nodes) {
		if node.DeletionTimestamp != nil {
			continue
		}
		id, _ := contract.InstanceOfProviderID(node.Spec.ProviderID)
		l := launched[id]
		if l.waking(node, byName[node.Labels[v1alpha1.LabelPool]], now) {
			continue // the ledger speaks for it until it is open to pods
		}
		if l != nil {
			here[id] = true
			if registered(node) {
				seen = append(seen, id)
			}
		}
		if Leaves(node) {
			// Its pods need room as if they waited already, and it has none for anybody. Nor does it count against its
			// pool's limits: what takes its place would have to wait until it is gone.
			s.Pods = append(s.Pods, moving(c.podsOn(node.Name))...)
			continue
		}
		if pool := byName[node.Labels[v1alpha1.LabelPool]]; pool != nil && pool.Spec.Standby != nil && asleep(node) {
			pool.Standby = append(pool.Standby, standbyOf(node))
		}
		if n, ok := nodeOf(node, l, byName, now); ok {
			n.Pods = c.podsOn(node.Name)
			n.AttachLimits = attach[node.Name]
			s.Nodes = append(s.Nodes, n)
		}
	}
	s.Ledger = without(ledger, here)
	for i := range pools {
		s.Pools = append(s.Pools, pools[i].Pool)
	}
	slices.Sort(seen)
	return s, seen
}

// attachLimits is how many volumes nodes take, by node and driver. A driver that says no number sets no limit
// (CSINodeDriver.allocatable).
func attachLimits(nodes []*storagev1.CSINode) map[string]map[string]int32 {
	limits := make(map[string]map[string]int32, len(nodes))
	for _, node := range nodes {
		for _, driver := range node.Spec.Drivers {
			if driver.Allocatable == nil || driver.Allocatable.Count == nil {
				continue
			}
			if limits[node.Name] == nil {
				limits[node.Name] = map[string]int32{}
			}
			limits[node.Name][driver.Name] = *driver.Allocatable.Count
		}
	}
	return limits
}

// launch is an instance of the ledger, and of the launch that brought it the pool, what for, and when it was opened.
type launch struct {
	pool     string
	purpose  contract.Purpose
	opened   time.Time
	instance contract.Instance
}

func launchedOf(ledger []contract.LedgerEntry) map[string]*launch {
	launched := map[string]*launch{}
	for _, entry := range ledger {
		for _, instance := range entry.Instances {
			launched[instance.ID] = &launch{pool: entry.Pool, purpose: entry.Purpose, opened: entry.Opened, instance: instance}
		}
	}
	return launched
}

// without is the ledger without the instances whose Node is there.
func without(ledger []contract.LedgerEntry, here map[string]bool) []contract.LedgerEntry {
	out := make([]contract.LedgerEntry, 0, len(ledger))
	for _, entry := range ledger {
		entry.Instances = slices.DeleteFunc(slices.Clone(entry.Instances), func(i contract.Instance) bool { return here[i.ID] })
		if entry.Open > 0 || len(entry.Instances) > 0 {
			out = append(out, entry)
		}
	}
	return out
}

// nodeOf is a Node for the planner, counted in its pool's use. A Node that is not registered yet is taken for what it
// is going to be: the pool's labels and taints are on it. ok is false where nobody knows what it is going to be.
func nodeOf(node *corev1.Node, l *launch, pools map[string]*planned, now time.Time) (n planner.Node, ok bool) {
	n = planner.Node{
		Name: node.Name, Pool: node.Labels[v1alpha1.LabelPool], Labels: node.Labels, Taints: node.Spec.Taints,
		Allocatable: node.Status.Allocatable, Unschedulable: node.Spec.Unschedulable,
	}
	if n.Pool == "" && l != nil {
		n.Pool = l.pool
	}
	if n.Pool == "" && hasTaint(node.Spec.Taints, v1alpha1.TaintUnregistered) {
		return n, false
	}
	pool := pools[n.Pool]
	n.Settled = settled(node, pool, now)
	if pool == nil {
		return n, true
	}
	m := machineOf(node, l, pool)
	if !registered(node) {
		n.Labels = with(node.Labels, catalog.Labels(pool.NodePool, m.Type, m.zone, m.zoneID, pool.region, m.capacityType))
		n.Taints = withTaints(node.Spec.Taints, pool.Spec.Template.Taints)
	}
	if !hasAllocatable(node) && m.Type.VCPU > 0 {
		n.Allocatable = catalog.Allocatable(pool.NodePool, m.Type)
	}
	n.USDPerHour = m.usd
	pool.use(m.Type, node.Status.Capacity)
	return n, true
}

// registered reports whether Register has done its work, which puts the pool's label on and takes the taint off at once.
func registered(node *corev1.Node) bool {
	return node.Labels[v1alpha1.LabelPool] != "" && !hasTaint(node.Spec.Taints, v1alpha1.TaintUnregistered)
}

// settled reports whether a node has been ready once, as far as one look can tell: it is Ready with no startup taint
// left, or its kubelet has spoken and fallen silent, or it has had the time to become ready. The node controller takes
// not-ready off a while after the kubelet has said that it is ready; hundreds of nodes at once keep it busy for seconds.
func settled(node *corev1.Node, pool *planned, now time.Time) bool {
	var startup []corev1.Taint
	if pool != nil {
		startup = pool.Spec.Template.StartupTaints
	}
	if now.Sub(node.CreationTimestamp.Time) > pool.patience() {
		return true
	}
	for _, c := range node.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		if c.Status == corev1.ConditionTrue {
			return !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
				return t.Key == v1alpha1.TaintUnregistered || t.Key == corev1.TaintNodeNotReady ||
					slices.ContainsFunc(startup, func(s corev1.Taint) bool { return s.MatchTaint(&t) })
			})
		}
		// Unknown is the node controller's word for a kubelet that stopped posting; before it has posted at all the
		// reason is NodeStatusNeverUpdated (pkg/controller/nodelifecycle/node_lifecycle_controller.go).
		return c.Status == corev1.ConditionUnknown && c.Reason != "NodeStatusNeverUpdated"
	}
	return false
}

// machine is what is known of the machine under a Node.
type machine struct {
	Type         contract.InstanceType
	zone, zoneID string
	capacityType v1alpha1.CapacityType
	usd          float64
}

// machineOf asks the ledger first, which knows the machine before its Node does, then the Node's labels.
func machineOf(node *corev1.Node, l *launch, pool *planned) machine {
	m := machine{
		Type:   contract.InstanceType{Name: node.Labels[v1alpha1.LabelInstanceType]},
		zone:   node.Labels[v1alpha1.LabelZone],
		zoneID: node.Labels[v1alpha1.LabelZoneID], capacityType: v1alpha1.CapacityType(node.Labels[v1alpha1.LabelCapacityType]),
	}
	if l != nil {
		m = machine{
			Type: contract.InstanceType{Name: l.instance.InstanceType},
			zone: l.instance.Zone, zoneID: l.instance.ZoneID, capacityType: l.instance.CapacityType, usd: l.instance.USDPerHour,
		}
	}
	if pool.view == nil {
		return m
	}
	if t, ok := pool.view.Types[m.Type.Name]; ok {
		m.Type = t
	}
	if m.usd == 0 {
		m.usd, _ = pool.view.USDPerHour(m.Type.Name, m.zoneID, m.capacityType)
	}
	return m
}

// use counts a machine against its pool's limits: nominal cpu and memory, or what the Node reports where the type is
// not known.
func (p *planned) use(t contract.InstanceType, capacity corev1.ResourceList) {
	cpu, memory := *resource.NewQuantity(int64(t.VCPU), resource.DecimalSI), *resource.NewQuantity(int64(t.MemoryMiB)<<20, resource.BinarySI)
	if t.VCPU == 0 {
		cpu, memory = *capacity.Cpu(), *capacity.Memory()
	}
	add(p.Used, corev1.ResourceCPU, cpu)
	add(p.Used, corev1.ResourceMemory, memory)
	add(p.Used, v1alpha1.ResourceNodes, *resource.NewQuantity(1, resource.DecimalSI))
}

func add(list corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
	sum := list[name]
	sum.Add(q)
	list[name] = sum
}
