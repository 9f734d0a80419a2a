package differential

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/planner"
)

const (
	zoneEBS     = "topology.ebs.csi.aws.com/zone"
	annSelected = "volume.kubernetes.io/selected-node"
	annBound    = "pv.kubernetes.io/bind-completed"
)

// inZone is the node affinity of a volume in a zone.
func inZone(key, zone string) *corev1.NodeSelector {
	return &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}},
	}}}
}

// claimFor gives a pod a claim of its own: with a volume in a zone, or without one, of a class that waits for the pod.
func (d *draw) claimFor(p *corev1.Pod, name, zone string) {
	class := here + "-waits"
	small := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	once := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	c := claim{PVC: &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: p.Namespace},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: once, StorageClassName: &class, Resources: corev1.VolumeResourceRequirements{Requests: small},
		},
	}}
	if zone != "" {
		c.PV = &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: here + "-" + name},
			Spec: corev1.PersistentVolumeSpec{
				Capacity: small, AccessModes: once, StorageClassName: class,
				ClaimRef: &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: p.Namespace, Name: name},
				PersistentVolumeSource: corev1.PersistentVolumeSource{
					CSI: &corev1.CSIPersistentVolumeSource{Driver: planner.DriverEBS, VolumeHandle: here + "-" + name},
				},
				NodeAffinity: &corev1.VolumeNodeAffinity{Required: inZone(pick(d, zoneEBS, v1alpha1.LabelZone), zone)},
			},
		}
		c.PVC.Spec.VolumeName = c.PV.Name
		c.PVC.Annotations = map[string]string{annBound: "yes"}
	}
	d.Claims = append(d.Claims, c)
	p.Spec.Volumes = append(p.Spec.Volumes, volumeOf(name))
}

func volumeOf(claim string) corev1.Volume {
	return corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}
}

// share gives all pods of a kind, two at least, one claim: see claimFor.
func (d *draw) share(zone string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	kind := d.aKind()
	d.more(kind, 2)
	name := ""
	for _, p := range d.Pods {
		switch {
		case kindOf(p) != kind:
		case name == "":
			name = fmt.Sprintf("shared-%d", len(d.Claims))
			d.claimFor(p, name, zone)
		default:
			p.Spec.Volumes = append(p.Spec.Volumes, volumeOf(name))
		}
	}
	c := &d.Claims[len(d.Claims)-1]
	c.PVC.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{mode}
	if c.PV != nil {
		c.PV.Spec.AccessModes = c.PVC.Spec.AccessModes
	}
	return c.PVC
}

// waiting makes sure of the class that waits for pods, in all zones or in some.
func (d *draw) waiting() {
	if len(d.Classes) > 0 {
		return
	}
	mode := storagev1.VolumeBindingWaitForFirstConsumer
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: here + "-waits"}, Provisioner: planner.DriverEBS, VolumeBindingMode: &mode}
	if d.often(50) {
		class.AllowedTopologies = []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{
			{Key: pick(d, zoneEBS, v1alpha1.LabelZone), Values: zones[:d.number(1, 2)]},
		}}}
	}
	d.Classes = append(d.Classes, class)
}

// setUpVolumes makes classes, volumes and claims.
func (r *run) setUpVolumes(ctx context.Context) error {
	for _, class := range r.Classes {
		if _, err := r.kube.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	for _, c := range r.Claims {
		if c.PV != nil {
			if _, err := r.kube.CoreV1().PersistentVolumes().Create(ctx, c.PV, metav1.CreateOptions{}); err != nil {
				return err
			}
		}
		if _, err := r.kube.CoreV1().PersistentVolumeClaims(c.PVC.Namespace).Create(ctx, c.PVC, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// storage puts what there is of volumes into a snapshot.
func (r *run) storage(ctx context.Context, s *planner.Snapshot) error {
	s.StorageClasses = r.Classes
	for _, c := range r.Claims {
		now, err := r.kube.CoreV1().PersistentVolumeClaims(c.PVC.Namespace).Get(ctx, c.PVC.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		s.Claims = append(s.Claims, now)
		switch {
		case c.PV != nil:
			s.Volumes = append(s.Volumes, c.PV)
		case now.Spec.VolumeName != "": // made for a pod that preempted others before the plan
			made, err := r.kube.CoreV1().PersistentVolumes().Get(ctx, now.Spec.VolumeName, metav1.GetOptions{})
			if err != nil {
				return err
			}
			s.Volumes = append(s.Volumes, made)
		}
	}
	return nil
}

// attachable is how many volumes a type of machine takes in this trial: what its nodes say, or few.
func (r *run) attachable(t contract.InstanceType) int32 {
	for _, n := range r.Nodes {
		if n.Type == t.Name && n.Attach > 0 {
			return n.Attach
		}
	}
	return int32(27 - t.ENIs) // 28 attachments, one of them the root volume
}

// createAttachLimit says how many volumes a node takes, before there is the node.
func (l *lane) createAttachLimit(ctx context.Context, run, node string, n int32) error {
	_, err := l.kube.StorageV1().CSINodes().Create(ctx, &storagev1.CSINode{
		ObjectMeta: metav1.ObjectMeta{Name: node, Labels: map[string]string{labelCase: run}},
		Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{
			Name: planner.DriverEBS, NodeID: node, TopologyKeys: []string{zoneEBS}, Allocatable: &storagev1.VolumeNodeResources{Count: &n},
		}}},
	}, metav1.CreateOptions{})
	return err
}

// cleanVolumes removes a trial's volumes; claims go with the lane's pods.
func (l *lane) cleanVolumes(ctx context.Context, t *trial, run string) error {
	for _, ns := range l.namespaces() {
		if len(t.Claims) > 0 {
			if err := l.kube.CoreV1().PersistentVolumeClaims(ns).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
				return err
			}
		}
	}
	for _, c := range t.Claims {
		if c.PV != nil {
			if err := l.kube.CoreV1().PersistentVolumes().Delete(ctx, c.PV.Name, metav1.DeleteOptions{}); err != nil {
				return err
			}
		}
	}
	for _, class := range t.Classes {
		if err := l.kube.StorageV1().StorageClasses().Delete(ctx, class.Name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	if err := l.kube.StorageV1().CSINodes().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: labelCase + "=" + run}); err != nil {
		return err
	}
	return await(ctx, func() string { return "claims to be gone" }, func() bool {
		for _, ns := range l.namespaces() {
			if left, err := l.kube.CoreV1().PersistentVolumeClaims(ns).List(ctx, metav1.ListOptions{}); len(t.Claims) > 0 && (err != nil || len(left.Items) > 0) {
				return false
			}
		}
		return true
	})
}

// provision makes a volume for every claim that the scheduler has chosen a node for, as the EBS driver would, in the
// node's zone.
func (c *cluster) provision(ctx context.Context, factory informers.SharedInformerFactory) error {
	provide := func(obj any) {
		claim, ok := obj.(*corev1.PersistentVolumeClaim)
		if !ok || claim.Spec.VolumeName != "" || claim.Annotations[annSelected] == "" {
			return
		}
		node, err := c.nodes.Get(claim.Annotations[annSelected])
		if err != nil {
			return
		}
		name := fmt.Sprintf("pvc-%s", claim.UID)
		// An error leaves the claim as it is; the scheduler gives up on its pod, and the trial says so.
		_, _ = c.kube.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeSpec{
				Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, StorageClassName: *claim.Spec.StorageClassName,
				PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
				ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
				PersistentVolumeSource:        corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: planner.DriverEBS, VolumeHandle: name}},
				NodeAffinity:                  &corev1.VolumeNodeAffinity{Required: inZone(zoneEBS, node.Labels[v1alpha1.LabelZone])},
			},
		}, metav1.CreateOptions{})
	}
	_, err := factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: provide, UpdateFunc: func(_, now any) { provide(now) },
	})
	return err
}
