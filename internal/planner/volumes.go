package planner

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// DriverEBS is the CSI driver of EBS volumes.
const DriverEBS = "ebs.csi.aws.com"

const (
	// zoneEBS is the label by which the EBS driver ties volumes to zones; its value is the node's zone
	// (github.com/kubernetes-sigs/aws-ebs-csi-driver, docs/parameters.md). A machine carries it as soon as the driver
	// runs there, so that volumes are looked at as if they named the zone itself.
	zoneEBS = "topology.ebs.csi.aws.com/zone"
	// annBound is on claims that have their volume (k8s.io/component-helpers/storage/volume, AnnBindCompleted).
	annBound = "pv.kubernetes.io/bind-completed"
	// attachPrefix makes a resource of what a driver can attach to a node: the name that Kubernetes itself had for it
	// (k8s.io/kubernetes/pkg/volume/util, CSIAttachLimitPrefix).
	attachPrefix = "attachable-volumes-csi-"
	// attachmentsNitro is how many network interfaces and volumes most Nitro machines take together
	// (EBS user guide, "Amazon EBS volume limits for Amazon EC2 instances").
	attachmentsNitro = 28
	// unlimited is more volumes than anything takes.
	unlimited = 1 << 20
)

// volumes is what of a pod's claims decides where it can run.
type volumes struct {
	key     string // tells them apart
	where   []*nodeaffinity.NodeSelector
	zonal   bool           // some of where looks at the zone
	attach  map[string]int // how many are attached by each driver
	shared  []string       // claims without a volume yet that other pods use too, by namespace/name
	problem string         // why the pod can run nowhere, whatever is bought
}

// storage knows claims, volumes and classes by name.
type storage struct {
	claims  map[string]*corev1.PersistentVolumeClaim // by namespace/name
	volumes map[string]*corev1.PersistentVolume
	classes map[string]*storagev1.StorageClass

	zones   map[string]string      // of nodes
	holders map[string]*corev1.Pod // of claims that one pod alone may use, see users
	shared  map[string]bool
}

func newStorage(s *Snapshot) *storage {
	st := &storage{
		claims:  make(map[string]*corev1.PersistentVolumeClaim, len(s.Claims)),
		volumes: make(map[string]*corev1.PersistentVolume, len(s.Volumes)),
		classes: make(map[string]*storagev1.StorageClass, len(s.StorageClasses)),
		zones:   map[string]string{}, holders: map[string]*corev1.Pod{}, shared: map[string]bool{},
	}
	for _, c := range s.Claims {
		st.claims[c.Namespace+"/"+c.Name] = c
	}
	for _, v := range s.Volumes {
		st.volumes[v.Name] = v
	}
	for _, c := range s.StorageClasses {
		st.classes[c.Name] = c
	}
	return st
}

// of a pod; nil for pods without claims, as nearly all are.
func (st *storage) of(pod *corev1.Pod) *volumes {
	var v *volumes
	for i := range pod.Spec.Volumes {
		name, claim := st.claim(pod, &pod.Spec.Volumes[i])
		if name == "" {
			continue
		}
		if v == nil {
			v = &volumes{attach: map[string]int{}}
		}
		st.add(v, name, claim)
		st.addUsers(v, pod, name)
	}
	return v
}

// claim of a pod's volume. An ephemeral volume's is read from the pod as long as its controller has not made it. name is
// empty for volumes without claims.
func (st *storage) claim(pod *corev1.Pod, v *corev1.Volume) (name string, claim *corev1.PersistentVolumeClaim) {
	switch {
	case v.PersistentVolumeClaim != nil:
		name = v.PersistentVolumeClaim.ClaimName
		return name, st.claims[pod.Namespace+"/"+name]
	case v.Ephemeral != nil:
		name = pod.Name + "-" + v.Name
		claim = st.claims[pod.Namespace+"/"+name]
		if claim == nil && v.Ephemeral.VolumeClaimTemplate != nil {
			claim = &corev1.PersistentVolumeClaim{Spec: v.Ephemeral.VolumeClaimTemplate.Spec}
		}
	}
	return name, claim
}

// add what one claim says (the scheduler's VolumeBinding, VolumeZone and NodeVolumeLimits).
func (st *storage) add(v *volumes, name string, claim *corev1.PersistentVolumeClaim) {
	switch {
	case claim == nil:
		v.never("claim %s does not exist", name)
		return
	case claim.DeletionTimestamp != nil:
		v.never("claim %s is being deleted", name)
		return
	case claim.Status.Phase == corev1.ClaimLost:
		v.never("claim %s has lost its volume", name)
		return
	}
	if claim.Spec.VolumeName != "" && claim.Annotations[annBound] != "" {
		volume := st.volumes[claim.Spec.VolumeName]
		if volume == nil {
			v.never("volume %s of claim %s does not exist", claim.Spec.VolumeName, name)
			return
		}
		v.addVolume(volume)
		return
	}
	var class *storagev1.StorageClass
	if claim.Spec.StorageClassName != nil {
		class = st.classes[*claim.Spec.StorageClassName]
	}
	switch {
	case class == nil || class.VolumeBindingMode == nil || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer:
		v.never("claim %s has no volume yet, and its class does not wait for the pod to have a node", name)
	case class.Provisioner == "kubernetes.io/no-provisioner":
		v.never("claim %s waits for a volume that somebody makes by hand: a new machine brings none", name)
	default:
		v.attached(class.Provisioner)
		v.within(allowed(class.AllowedTopologies))
	}
}

func (v *volumes) never(format string, args ...any) {
	if v.problem == "" {
		v.problem = fmt.Sprintf(format, args...)
		v.key += v.problem + "\x00"
	}
}

func (v *volumes) attached(driver string) {
	v.attach[driver]++
	v.key += driver + "\x00"
}

func (v *volumes) addVolume(volume *corev1.PersistentVolume) {
	if driver, _ := attachment(volume); driver != "" {
		v.attached(driver)
	}
	if a := volume.Spec.NodeAffinity; a != nil {
		v.within(a.Required)
	}
	// Volumes of old have labels instead (VolumeZone); several values are joined by two underscores.
	var in []corev1.NodeSelectorRequirement
	for _, key := range []string{corev1.LabelTopologyZone, corev1.LabelTopologyRegion, corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion} {
		if value, ok := volume.Labels[key]; ok {
			in = append(in, corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: strings.Split(value, "__")})
		}
	}
	if len(in) > 0 {
		v.within(&corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: in}}})
	}
}

// attachment is the driver that attaches a volume, and its handle; none for volumes that no CSI driver has.
func attachment(volume *corev1.PersistentVolume) (driver, handle string) {
	switch {
	case volume.Spec.CSI != nil:
		return volume.Spec.CSI.Driver, volume.Spec.CSI.VolumeHandle
	case volume.Spec.AWSElasticBlockStore != nil: // the EBS driver serves those too
		return DriverEBS, volume.Spec.AWSElasticBlockStore.VolumeID
	}
	return "", ""
}

// allowed is a class's allowed topologies as a selector of nodes; nil where all are.
func allowed(topologies []corev1.TopologySelectorTerm) *corev1.NodeSelector {
	if len(topologies) == 0 {
		return nil
	}
	selector := &corev1.NodeSelector{}
	for _, t := range topologies {
		var term corev1.NodeSelectorTerm
		for _, r := range t.MatchLabelExpressions {
			term.MatchExpressions = append(term.MatchExpressions, corev1.NodeSelectorRequirement{Key: r.Key, Operator: corev1.NodeSelectorOpIn, Values: r.Values})
		}
		selector.NodeSelectorTerms = append(selector.NodeSelectorTerms, term)
	}
	return selector
}

// within narrows the nodes.
func (v *volumes) within(selector *corev1.NodeSelector) {
	if selector == nil {
		return
	}
	selector = selector.DeepCopy()
	for i := range selector.NodeSelectorTerms {
		for j := range selector.NodeSelectorTerms[i].MatchExpressions {
			r := &selector.NodeSelectorTerms[i].MatchExpressions[j]
			if r.Key == zoneEBS {
				r.Key = v1alpha1.LabelZone
			}
			v.zonal = v.zonal || placeLabels[r.Key]
		}
	}
	parsed, err := nodeaffinity.NewNodeSelector(selector)
	if err != nil {
		v.never("a volume's node affinity cannot be read: %v", err)
		return
	}
	v.where = append(v.where, parsed)
	v.key += selector.String() + "\x00"
}

// text tells volumes apart; nothing for none.
func (v *volumes) text() string {
	if v == nil {
		return ""
	}
	return v.key
}

// attaching adds what the volumes attach to a request.
func (v *volumes) attaching(d *dims, req vec) {
	if v == nil {
		return
	}
	for driver, n := range v.attach {
		if i, ok := d.index[corev1.ResourceName(attachPrefix+driver)]; ok {
			req[i] += int64(n)
		}
	}
}

// limitAttached puts how many volumes each driver attaches into a machine's room.
func (p *plan) limitAttached(room vec, limits map[string]int32) {
	for i, name := range p.dims.names {
		if driver, ok := strings.CutPrefix(string(name), attachPrefix); ok {
			room[i] = unlimited
			if n, ok := limits[driver]; ok {
				room[i] = int64(n)
			}
		}
	}
}

// learnAttached reads off the nodes how many volumes their types take.
func (p *plan) learnAttached(nodes []Node) {
	p.attach = map[string]map[string]int32{}
	for i := range nodes {
		n := &nodes[i]
		if typ := n.Labels[v1alpha1.LabelInstanceType]; typ != "" && len(n.AttachLimits) > 0 {
			known := p.attach[typ]
			if known == nil {
				known = map[string]int32{}
				p.attach[typ] = known
			}
			for driver, limit := range n.AttachLimits {
				if have, ok := known[driver]; !ok || limit < have {
					known[driver] = limit
				}
			}
		}
	}
}

// attachedBy is how many volumes a type takes, by driver: what its nodes say, or else what is left of a Nitro machine's
// attachments once it has all its network interfaces and its root volume.
func (p *plan) attachedBy(t contract.InstanceType) map[string]int32 {
	limits := map[string]int32{DriverEBS: int32(max(1, attachmentsNitro-t.ENIs-1))}
	for driver, limit := range p.attach[t.Name] {
		limits[driver] = limit
	}
	return limits
}

// loadAttached takes off what bound pods have attached: volumes, not claims, each once.
func (p *plan) loadAttached(n *nodeState) {
	if !slices.ContainsFunc(p.dims.names, func(name corev1.ResourceName) bool { return strings.HasPrefix(string(name), attachPrefix) }) {
		return
	}
	seen := map[string]bool{}
	for _, pod := range n.Pods {
		for i := range pod.Spec.Volumes {
			name, claim := p.storage.claim(pod, &pod.Spec.Volumes[i])
			if claim == nil || ended(pod) {
				continue
			}
			driver, handle := "", pod.Namespace+"/"+name
			if volume := p.storage.volumes[claim.Spec.VolumeName]; volume != nil {
				driver, handle = attachment(volume)
			} else if claim.Spec.StorageClassName != nil {
				if class := p.storage.classes[*claim.Spec.StorageClassName]; class != nil {
					driver = class.Provisioner
				}
			}
			dim, ok := p.dims.index[corev1.ResourceName(attachPrefix+driver)]
			if ok && !seen[driver+" "+handle] {
				seen[driver+" "+handle] = true
				n.free[dim]--
			}
		}
	}
}
