package cloud

import (
	"encoding/base64"
	"maps"
	"net/netip"
	"slices"
	"time"

	"floe.dev/floe/internal/sim/query"
)

// The default world: one VPC with a subnet in each zone, images for both architectures, and a launch template whose user
// data registers the kubelet as design and README ask for.
const (
	DefaultAccount = "123456789012"
	DefaultRegion  = "eu-west-1"

	VPCID = "vpc-0f10e000000000001"
	// SubnetA, SubnetB and SubnetC are in the first, second and third zone: 10.0.0.0/20, 10.0.16.0/20, 10.0.32.0/20.
	SubnetA = "subnet-0f10e00000000000a"
	SubnetB = "subnet-0f10e00000000000b"
	SubnetC = "subnet-0f10e00000000000c"
	// ImageX86 is the image of the default launch template. ImageARM is its twin for arm64 types: a launch of an arm64
	// type from the template as it is, is refused, as on EC2.
	ImageX86 = "ami-0f10e000000000086"
	ImageARM = "ami-0f10e000000000064"
	// LaunchTemplateID and LaunchTemplateName name the default launch template, LaunchTemplateARMID and
	// LaunchTemplateARMName the same one with ImageARM.
	LaunchTemplateID      = "lt-0f10e000000000001"
	LaunchTemplateName    = "floe-sim"
	LaunchTemplateARMID   = "lt-0f10e000000000002"
	LaunchTemplateARMName = "floe-sim-arm64"
	// SecurityGroupID and InstanceProfile are what the templates carry.
	SecurityGroupID = "sg-0f10e000000000001"
	InstanceProfile = "floe-sim-node"
)

// DefaultZones are the default region's.
var DefaultZones = []Zone{{"eu-west-1a", "euw1-az1"}, {"eu-west-1b", "euw1-az2"}, {"eu-west-1c", "euw1-az3"}}

// Architectures, in EC2's words.
const (
	ArchX86 = "x86_64"
	ArchARM = "arm64"
)

// reservedAddresses of each subnet cannot be used: the first four and the last
// (docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
const reservedAddresses = 5

// Subnet is a subnet. Its free addresses are those that no instance holds.
type Subnet struct {
	ID, VPCID string
	CIDR      netip.Prefix
	Zone      Zone
	Free      int

	held map[netip.Addr]bool
	next netip.Addr
	last netip.Addr // given back
}

// Image is an AMI.
type Image struct {
	ID, Name, Arch string
	RootGiB        int
	Created        time.Time
}

// ImageAliases are the SSM parameters that resolve to images; they look like those of the EKS images
// (docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id.html).
func ImageAliases() map[string]string {
	return map[string]string{
		"/aws/service/floe-sim/amazon-linux-2023/x86_64/standard/recommended/image_id": ImageX86,
		"/aws/service/floe-sim/amazon-linux-2023/arm64/standard/recommended/image_id":  ImageARM,
	}
}

// furnish makes the default world.
func (c *Cloud) furnish() {
	names := []string{SubnetA, SubnetB, SubnetC}
	base := netip.MustParseAddr("10.0.0.0").As4()
	for n, zone := range c.cfg.Zones {
		id := c.id("subnet")
		if n < len(names) {
			id = names[n]
		}
		base[2] = byte(n * 16)
		prefix := netip.PrefixFrom(netip.AddrFrom4(base), 20)
		s := &Subnet{ID: id, VPCID: VPCID, CIDR: prefix, Zone: zone, Free: 1<<12 - reservedAddresses, held: map[netip.Addr]bool{}}
		s.next = s.first()
		c.subnets[id] = s
	}
	for _, i := range []Image{
		{ImageX86, "floe-sim-al2023-x86_64", ArchX86, 20, c.started},
		{ImageARM, "floe-sim-al2023-arm64", ArchARM, 20, c.started},
	} {
		c.images[i.ID] = i
	}
	data := LaunchData{
		UserData:         base64.StdEncoding.EncodeToString([]byte(c.cfg.UserData)),
		SecurityGroupIDs: []string{SecurityGroupID},
		InstanceProfile:  &InstanceProfileRef{Name: InstanceProfile},
	}
	x86, arm := data, data
	x86.ImageID, arm.ImageID = ImageX86, ImageARM
	for _, t := range []struct {
		id, name string
		data     LaunchData
	}{{LaunchTemplateID, LaunchTemplateName, x86}, {LaunchTemplateARMID, LaunchTemplateARMName, arm}} {
		c.templates[t.id] = &Template{
			ID: t.id, Name: t.name, Created: c.started, Default: 1,
			Versions: []TemplateVersion{{Number: 1, Created: c.started, Data: t.data}},
		}
	}
}

// Subnets are the subnets of these IDs, or all without any.
func (c *Cloud) Subnets(ids []string) ([]Subnet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(ids) == 0 {
		ids = slices.Sorted(maps.Keys(c.subnets))
	}
	list := make([]Subnet, 0, len(ids))
	for _, id := range ids {
		s, ok := c.subnets[id]
		if !ok {
			return nil, subnetNotFound(id)
		}
		list = append(list, *s)
	}
	return list, nil
}

func subnetNotFound(id string) *query.Error {
	return query.Errorf("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}

// Images are the images of these IDs, or all without any.
func (c *Cloud) Images(ids []string) ([]Image, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(ids) == 0 {
		ids = slices.Sorted(maps.Keys(c.images))
	}
	list := make([]Image, 0, len(ids))
	for _, id := range ids {
		i, ok := c.images[id]
		if !ok {
			return nil, imageNotFound(id)
		}
		list = append(list, i)
	}
	return list, nil
}

func imageNotFound(id string) *query.Error {
	return query.Errorf("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
}

// take takes a free address of the subnet, which must have one. Addresses are handed out in turn, so that one is not used
// again soon.
func (s *Subnet) take() netip.Addr {
	for {
		addr := s.next
		s.next = addr.Next()
		// The address after this one must still be of the subnet, since its last cannot be used.
		if !s.CIDR.Contains(s.next) {
			s.next = s.first()
			continue
		}
		if !s.held[addr] {
			s.hold(addr)
			return addr
		}
	}
}

func (s *Subnet) hold(addr netip.Addr) {
	s.held[addr] = true
	s.Free--
}

// release gives an address back.
func (s *Subnet) release(addr netip.Addr) {
	delete(s.held, addr)
	s.Free++
	s.last = addr
}

// first is the first address that an instance can have.
func (s *Subnet) first() netip.Addr {
	addr := s.CIDR.Addr()
	for range reservedAddresses - 1 {
		addr = addr.Next()
	}
	return addr
}
