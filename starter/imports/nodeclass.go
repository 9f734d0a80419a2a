package imports

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// class carries what the class that ref names says of the pool. kind is EC2NodeClass or AWSNodeTemplate.
func (b *builder) class(name node, kind string, ref node) {
	for _, want := range []struct{ field, value string }{{"group", "karpenter.k8s.aws"}, {"kind", kind}} {
		if n := ref.get(want.field); n.text() == want.value {
			n.carry("spec.launchTemplate")
		}
	}
	apiVersion := ref.get("apiVersion")
	if strings.HasPrefix(apiVersion.text(), "karpenter.k8s.aws/") {
		apiVersion.idle()
	}
	if name.text() == "" {
		return
	}
	name.carry("spec.launchTemplate")
	for _, class := range b.im.classes {
		if class.kind == kind && class.name == name.text() {
			class.used = true
			b.nodeClass(class)
			b.template(class.kind, class.name)
			return
		}
	}
	b.im.choose("%s %s, which %s names, is not among the sources: its subnets, kubelet settings and launch template are not known", kind, name.text(), b.source)
	b.template(kind, name.text())
}

// template gives the pool a launch template by the class's name, where nobody named one: Karpenter makes its own of what
// the class says.
func (b *builder) template(kind, name string) {
	spec := &b.pool.Spec
	if b.im.options.LaunchTemplate != "" || spec.LaunchTemplate.Name != "" || len(name) < 3 || len(name) > 128 {
		return
	}
	spec.LaunchTemplate.Name = name
	b.im.result.Missing = append(b.im.result.Missing, Missing{
		Pool: b.pool.Name, Field: "spec.launchTemplate",
		Why: fmt.Sprintf("Floe launches machines from an EC2 launch template of yours, where Karpenter makes one of %s %s", kind, name),
		Do:  fmt.Sprintf("make the launch template %s of what the class says, its kubelet settings in the user data; or name another with --launch-template", name),
	})
}

// nodeClass reads karpenter.k8s.aws/v1 EC2NodeClass (karpenter.sh/docs/concepts/nodeclasses) and
// karpenter.k8s.aws/v1alpha1 AWSNodeTemplate.
func (b *builder) nodeClass(class *object) {
	root := class.root()
	root.get("metadata", "name").carry("spec.launchTemplate")
	spec := root.get("spec")
	b.subnets(spec, root.get("status", "subnets"))
	b.kubelet(spec.get("kubelet"))
	b.nodeTemplate(spec)
	for _, entry := range root.get("status").entries() {
		if entry.key != "subnets" {
			entry.idle()
		}
	}
}

// subnets carries subnets that are named by ID: by the selector, or else in the status, where Karpenter keeps those that
// it found by their tags.
func (b *builder) subnets(spec, status node) {
	var ids []string
	selected := true // all selectors are IDs
	for _, term := range spec.get("subnetSelectorTerms").items() {
		id := term.get("id")
		if id.text() == "" {
			selected = false
			continue
		}
		id.carry("spec.subnets")
		ids = append(ids, id.text())
	}
	for _, key := range []string{"aws-ids", "aws::ids"} {
		if named := spec.get("subnetSelector", key); named.text() != "" {
			named.carry("spec.subnets")
			for id := range strings.SplitSeq(named.text(), ",") {
				ids = append(ids, strings.TrimSpace(id))
			}
		}
	}
	if found := status.items(); (!selected || len(ids) == 0) && len(found) > 0 {
		ids = nil
		for _, subnet := range found {
			if id := subnet.get("id"); id.text() != "" {
				id.carry("spec.subnets")
				ids = append(ids, id.text())
			}
			for _, zone := range []string{"zone", "zoneID"} {
				subnet.get(zone).idle()
			}
		}
		b.im.choose("pool %s names the subnets that Karpenter had found by its selector: one that is tagged later is not the pool's", b.pool.Name)
	}
	status.idle()
	const why, do = "a pool names its subnets by ID", "name the IDs in spec.subnets; see what is missing"
	for _, term := range spec.get("subnetSelectorTerms").items() {
		term.get("tags").lose(why, do)
	}
	for _, tag := range spec.get("subnetSelector").entries() {
		tag.lose(why, do)
	}
	b.pool.Spec.Subnets = append(b.pool.Spec.Subnets, ids...)
}

const (
	templates = "the launch template says it"
	userData  = "the kubelet's own settings are in the launch template's user data"
)

// ofTemplate are fields of a class that an EC2 launch template says
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RequestLaunchTemplateData.html).
var ofTemplate = []told{
	{"amiSelectorTerms", templates, "set ImageId, or resolve:ssm:PARAMETER for what follows an alias"},
	{"amiSelector", templates, "set ImageId, or resolve:ssm:PARAMETER for what follows an alias"},
	{"amiFamily", templates, "set ImageId and the user data of that family"},
	{"userData", templates, "set UserData, with --register-with-taints=floe.dev/unregistered=true:NoExecute for the kubelet and what Karpenter would have added: the cluster's endpoint and CA, labels"},
	{"role", templates, "set IamInstanceProfile to an instance profile with this role"},
	{"instanceProfile", templates, "set IamInstanceProfile"},
	{"securityGroupSelectorTerms", templates, "set SecurityGroupIds"},
	{"securityGroupSelector", templates, "set SecurityGroupIds"},
	{"tags", templates, "set TagSpecifications; Floe adds its own tags"},
	{"blockDeviceMappings", templates, "set BlockDeviceMappings"},
	{"metadataOptions", templates, "set MetadataOptions"},
	{"detailedMonitoring", templates, "set Monitoring"},
	{"associatePublicIPAddress", templates, "set AssociatePublicIpAddress of NetworkInterfaces"},
	{"associatePublicIpAddress", templates, "set AssociatePublicIpAddress of NetworkInterfaces"},
	{"ipPrefixCount", templates, "set Ipv4PrefixCount of NetworkInterfaces"},
	{"enclaveOptions", templates, "set EnclaveOptions"},
	{"cpuOptions", templates, "set CpuOptions"},
	{"placementGroupSelector", templates, "set Placement"},
	{"capacityReservationSelectorTerms", templates, "set CapacityReservationSpecification"},
	{"instanceStorePolicy", templates, "format instance-store disks in the user data"},
	{"context", "a reserved field of CreateFleet that Floe does not send", "nothing"},
}

// ofKubelet are settings that no pool says.
var ofKubelet = []told{
	{"podsPerCore", "a pool knows one number of pods, for all types", "set spec.maxPods, and --max-pods for the kubelet"},
	{"clusterDNS", userData, "set it there"},
	{"containerRuntime", userData, "nothing: containerd is the only one left"},
	{"evictionSoft", userData, "set it there"},
	{"evictionSoftGracePeriod", userData, "set it there"},
	{"evictionMaxPodGracePeriod", userData, "set it there"},
	{"imageGCHighThresholdPercent", userData, "set it there"},
	{"imageGCLowThresholdPercent", userData, "set it there"},
	{"cpuCFSQuota", userData, "set it there"},
	{"cpuManagerPolicy", userData, "set it there"},
}

// nodeTemplate tells of what a launch template says, and carries the name of one.
func (b *builder) nodeTemplate(spec node) {
	if name := spec.get("launchTemplate"); name.text() != "" {
		name.carry("spec.launchTemplate.name")
		b.pool.Spec.LaunchTemplate.Name = name.text()
	}
	spec.loseEach(ofTemplate)
}

// kubelet carries what planning must know of the kubelet's settings.
func (b *builder) kubelet(k node) {
	if pods, ok := k.get("maxPods").integer(); ok && pods > 0 {
		k.get("maxPods").carry("spec.maxPods")
		most := int32(pods)
		b.pool.Spec.MaxPods = &most
	}
	for _, field := range []string{"kubeReserved", "systemReserved"} {
		for _, n := range k.get(field).entries() {
			b.reserve(n, corev1.ResourceName(n.key))
		}
	}
	for _, n := range k.get("evictionHard").entries() {
		b.reserve(n, map[string]corev1.ResourceName{
			"memory.available": corev1.ResourceMemory, "nodefs.available": corev1.ResourceEphemeralStorage,
		}[n.key])
	}
	k.loseEach(ofKubelet)
}

// reserve adds an amount to what is kept from pods.
func (b *builder) reserve(n node, name corev1.ResourceName) {
	amount, ok := n.quantity()
	switch {
	case name != corev1.ResourceCPU && name != corev1.ResourceMemory && name != corev1.ResourceEphemeralStorage:
		n.lose("a pool reserves cpu, memory and ephemeral-storage", "set it in the launch template's user data")
		return
	case !ok:
		n.lose("a pool reserves amounts, not shares of a machine", fmt.Sprintf("add to spec.reserved.%s what it comes to on the pool's largest type", name))
		return
	}
	n.carry("spec.reserved." + string(name))
	if b.pool.Spec.Reserved == nil {
		b.pool.Spec.Reserved = corev1.ResourceList{}
	}
	sum := b.pool.Spec.Reserved[name]
	if sum.IsZero() {
		sum = resource.Quantity{Format: amount.Format}
	}
	sum.Add(amount)
	b.pool.Spec.Reserved[name] = sum
}
