package cloud

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

// launch is what one offering is asked for, with nothing left to look up.
type launch struct {
	key       capacity.Offering
	zone      Zone
	subnet    *Subnet
	image     Image
	usd       float64
	data      LaunchData
	template  *Template // may be nil
	version   int
	hibernate bool
	root      rootVolume

	reservation, fleet, token, action string
	index                             int
}

// resolve checks what a launch asks for, and fills in what EC2 would.
func (c *Cloud) resolve(data LaunchData, subnetID, zoneName string, ct v1alpha1.CapacityType) (launch, error) {
	l := launch{data: data}
	t, ok := c.types[data.InstanceType]
	switch {
	case data.InstanceType == "":
		return l, query.Errorf("MissingParameter", "The request must contain the parameter InstanceType")
	case !ok:
		return l, query.Errorf("InvalidInstanceType", "The instance type %s does not exist", data.InstanceType)
	case data.ImageID == "":
		return l, query.Errorf("MissingParameter", "The request must contain the parameter ImageId")
	}
	if l.image, ok = c.images[data.ImageID]; !ok {
		return l, imageNotFound(data.ImageID)
	}
	if arch := archOf(t.Arch); arch != l.image.Arch {
		return l, query.Errorf("InvalidParameterValue", "The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.", arch, l.image.Arch)
	}
	var err error
	if l.subnet, err = c.place(data, subnetID, zoneName); err != nil {
		return l, err
	}
	l.zone = l.subnet.Zone
	l.key = capacity.Offering{InstanceType: t.Name, ZoneID: l.zone.ID, CapacityType: ct}
	if !c.Offered(t.Name, l.zone.ID) {
		return l, query.Errorf("Unsupported", "Your requested instance type (%s) is not supported in your requested Availability Zone (%s). Please retry your request by not specifying an Availability Zone or choosing another one.", t.Name, l.zone.Name)
	}
	l.usd = t.OnDemandUSD
	if ct == v1alpha1.Spot {
		l.usd = c.SpotUSD(t.Name, l.zone.ID)
	}
	return l, l.checkVolumes(t.MemoryMiB, t.Hibernation, ct)
}

// place finds the subnet that a launch goes to.
func (c *Cloud) place(data LaunchData, subnetID, zoneName string) (*Subnet, error) {
	for _, nic := range data.Interfaces {
		if nic.DeviceIndex != 0 || nic.SubnetID == "" {
			continue
		}
		if subnetID != "" && subnetID != nic.SubnetID {
			return nil, query.Errorf("InvalidParameterCombination", "Network interfaces and an instance-level subnet ID may not be specified on the same request")
		}
		subnetID = nic.SubnetID
	}
	if zoneName == "" && data.Placement != nil {
		zoneName = data.Placement.AvailabilityZone
		if zoneName == "" {
			zoneName = data.Placement.AvailabilityZoneID
		}
	}
	if zoneName != "" {
		zone, err := c.zoneOf(zoneName)
		if err != nil {
			return nil, err
		}
		for _, s := range c.subnets {
			if s.Zone == zone && (subnetID == "" || subnetID == s.ID) {
				return s, nil
			}
		}
		if _, known := c.subnets[subnetID]; known {
			return nil, query.Errorf("InvalidParameterValue", "The subnet %s is not in the availability zone %s", subnetID, zone.Name)
		}
	}
	if subnetID == "" {
		// With neither subnet nor zone, EC2 chooses a zone: here the one with the most free addresses.
		best := c.subnets[SubnetA]
		for _, s := range c.subnets {
			if s.Free > best.Free || (s.Free == best.Free && s.ID < best.ID) {
				best = s
			}
		}
		return best, nil
	}
	if s, ok := c.subnets[subnetID]; ok {
		return s, nil
	}
	return nil, subnetNotFound(subnetID)
}

// checkVolumes works out the root volume and whether the machine can be hibernated with it
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/hibernating-prerequisites.html).
func (l *launch) checkVolumes(memoryMiB int, supported bool, ct v1alpha1.CapacityType) error {
	l.root = rootVolume{gib: l.image.RootGiB, kind: "gp3", mibs: gp3MiBs}
	for _, d := range l.data.BlockDevices {
		if d.DeviceName != RootDevice || d.EBS == nil {
			continue
		}
		if d.EBS.VolumeSize != 0 {
			if d.EBS.VolumeSize < l.image.RootGiB {
				return query.Errorf("InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot, expect size >= %dGB", d.EBS.VolumeSize, l.image.RootGiB)
			}
			l.root.gib = d.EBS.VolumeSize
		}
		put(&l.root.kind, d.EBS.VolumeType)
		put(&l.root.mibs, d.EBS.Throughput)
		l.root.encrypted = d.EBS.Encrypted != nil && *d.EBS.Encrypted
	}
	if l.data.Hibernation == nil || !l.data.Hibernation.Configured {
		return nil
	}
	l.hibernate = true
	refuse := func(why string) error {
		return query.Errorf("UnsupportedHibernationConfiguration", "Unsupported hibernation configuration: %s", why)
	}
	switch {
	case ct == v1alpha1.Spot:
		return refuse("a Spot Instance hibernates by its interruption behavior only")
	case !supported:
		return refuse("instance type " + l.data.InstanceType + " does not support hibernation")
	case !l.root.encrypted:
		return refuse("the root volume must be encrypted")
	case l.root.gib*1024 <= memoryMiB:
		return refuse(fmt.Sprintf("the root volume (%d GiB) must be larger than the memory (%d MiB)", l.root.gib, memoryMiB))
	}
	return nil
}

// rootVolume is what a launch's root volume will be.
type rootVolume struct {
	gib, mibs int
	kind      string
	encrypted bool
}

// gp3MiBs is what a gp3 volume moves in a second unless it is asked for more
// (docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html: 125 to 2,000 MiB/s).
const gp3MiBs = 125

// RootDevice is the name of every image's root volume.
const RootDevice = "/dev/xvda"

func archOf(kubernetes string) string {
	if kubernetes == "arm64" {
		return ArchARM
	}
	return ArchX86
}

// obstacle says what keeps the offering from giving want machines now, and how many it gives. c.mu is held.
func (c *Cloud) obstacle(l launch, want int) (n int, err *query.Error) {
	n = want
	if allowed := c.allowed(l.key.CapacityType, c.types[l.key.InstanceType].VCPU, n); allowed < n {
		n, err = allowed, quotaExceeded(l.key.CapacityType, c.cfg.Quotas)
	}
	if l.subnet.Free < n {
		n = l.subnet.Free
		err = query.Errorf("InsufficientFreeAddressesInSubnet", "There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", l.subnet.ID)
	}
	if free := c.market.Free(l.key, n); free < n {
		n, err = free, insufficientCapacity(l.key.InstanceType, l.zone)
	}
	return n, err
}

func insufficientCapacity(instanceType string, z Zone) *query.Error {
	return &query.Error{
		Code: "InsufficientInstanceCapacity", Status: http.StatusInternalServerError,
		Message: fmt.Sprintf("We currently do not have sufficient %s capacity in the Availability Zone you requested (%s). Our system will be working on provisioning additional capacity.", instanceType, z.Name),
	}
}

// launch makes one instance. What it needs is there: obstacle said so. c.mu is held.
func (c *Cloud) launch(l launch, extra map[string]string) *Instance {
	now := c.Now()
	userData, err := base64.StdEncoding.DecodeString(l.data.UserData)
	if err != nil {
		userData = nil // checkData has refused it before
	}
	addr := c.address(l)
	i := &Instance{addr: addr, Facts: Facts{
		ID: c.id("i"), Type: c.types[l.key.InstanceType], Zone: l.zone, Region: c.cfg.Region,
		SubnetID: l.subnet.ID, VPCID: l.subnet.VPCID, CapacityType: l.key.CapacityType, Image: l.image,
		UserData: string(userData), PrivateIP: addr.String(), PrivateDNS: c.privateDNS(addr.String()),
		Reservation: l.reservation, LaunchIndex: l.index, FleetID: l.fleet, Token: l.token, LaunchedBy: l.action,
		Launched: now, USDPerHour: l.usd, Hibernation: l.hibernate,
		RootGiB: l.root.gib, RootType: l.root.kind, RootMiBs: l.root.mibs, Encrypted: l.root.encrypted, RootVolume: c.id("vol"),
	}, volumeTags: TagsFor(l.data.TagSpecs, "volume")}
	tags := TagsFor(l.data.TagSpecs, "instance")
	maps.Copy(tags, extra)
	if l.template != nil {
		// docs.aws.amazon.com/AWSEC2/latest/UserGuide/launch-instances-from-launch-template.html: EC2 adds these two.
		i.TemplateID, i.Version = l.template.ID, l.version
		tags["aws:ec2launchtemplate:id"] = l.template.ID
		tags["aws:ec2launchtemplate:version"] = strconv.Itoa(l.version)
	}
	if l.key.CapacityType == v1alpha1.Spot {
		i.SpotRequest = c.id("sir")
	}
	for _, nic := range l.data.Interfaces {
		i.Public = i.Public || (nic.DeviceIndex == 0 && nic.AssociatePublicIPAddress != nil && *nic.AssociatePublicIPAddress)
	}
	_, i.Mute = c.fate(l.key, l.zone, script.Mute)
	if a, late := c.fate(l.key, l.zone, script.Slow); late {
		i.Late = a.By
	}
	first := Revision{At: now, State: Pending, LaunchTime: now, Tags: tags, PublicIP: c.publicIP(i)}
	if i.SpotRequest != "" {
		first.Spot = spotState(spotFulfilled, now)
	}
	i.revisions = []Revision{first}
	c.instances[i.ID] = i
	c.order = append(c.order, i)
	used := c.used[i.CapacityType]
	used.vcpus += i.Type.VCPU
	used.instances++
	c.used[i.CapacityType] = used
	c.tell(StateChange, i)
	c.boot(i)
	return i
}

// address takes an address for a launch: where a script wants it, that of the machine of the subnet that went last, and
// with it its name.
func (c *Cloud) address(l launch) netip.Addr {
	last := l.subnet.last
	if last.IsValid() && !l.subnet.held[last] {
		if _, again := c.fate(l.key, l.zone, script.Reuse); again {
			l.subnet.hold(last)
			return last
		}
	}
	return l.subnet.take()
}

// publicIP is a public address for an instance that is to have one: of the range that is set aside for benchmarks, which
// leads nowhere (RFC 2544).
func (c *Cloud) publicIP(i *Instance) string {
	if !i.Public {
		return ""
	}
	c.public++
	n := c.public % (1 << 17)
	return netip.AddrFrom4([4]byte{198, byte(18 + n>>16), byte(n >> 8), byte(n)}).String()
}

// privateDNS is the IP-based name of a machine
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-naming.html); us-east-1 has its own form.
func (c *Cloud) privateDNS(ip string) string {
	domain := c.cfg.Region + ".compute.internal"
	if c.cfg.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(ip, ".", "-") + "." + domain
}
