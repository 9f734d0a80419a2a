package cloud

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"

	"floe.dev/floe/internal/sim/query"
)

// LaunchData is what a launch template holds and RunInstances takes: the tags are the names on the wire, in requests
// and in answers.
type LaunchData struct {
	ImageID          string              `query:"ImageId" xml:"imageId,omitempty"`
	InstanceType     string              `xml:"instanceType,omitempty"`
	KeyName          string              `xml:"keyName,omitempty"`
	UserData         string              `xml:"userData,omitempty"` // base64
	EBSOptimized     *bool               `query:"EbsOptimized" xml:"ebsOptimized"`
	Monitoring       *Monitoring         `xml:"monitoring"`
	SecurityGroupIDs []string            `query:"SecurityGroupId" xml:"securityGroupIdSet>item,omitempty"`
	SecurityGroups   []string            `query:"SecurityGroup" xml:"securityGroupSet>item,omitempty"`
	InstanceProfile  *InstanceProfileRef `query:"IamInstanceProfile" xml:"iamInstanceProfile"`
	Placement        *Placement          `xml:"placement"`
	Market           *Market             `query:"InstanceMarketOptions" xml:"instanceMarketOptions"`
	Hibernation      *Hibernation        `query:"HibernationOptions" xml:"hibernationOptions"`
	Metadata         *Metadata           `query:"MetadataOptions" xml:"metadataOptions"`
	BlockDevices     []BlockDevice       `query:"BlockDeviceMapping" xml:"blockDeviceMappingSet>item,omitempty"`
	Interfaces       []NetworkInterface  `query:"NetworkInterface" xml:"networkInterfaceSet>item,omitempty"`
	Credit           *Credit             `query:"CreditSpecification" xml:"creditSpecification"`
	ShutdownBehavior string              `query:"InstanceInitiatedShutdownBehavior" xml:"instanceInitiatedShutdownBehavior,omitempty"`
	TagSpecs         []TagSpec           `query:"TagSpecification" xml:"tagSpecificationSet>item,omitempty"`
}

// Monitoring is EC2's structure of that name; so are the following.
type Monitoring struct {
	Enabled bool `xml:"enabled"`
}

// InstanceProfileRef names an IAM instance profile.
type InstanceProfileRef struct {
	ARN  string `query:"Arn" xml:"arn,omitempty"`
	Name string `xml:"name,omitempty"`
}

// Placement is where an instance goes.
type Placement struct {
	AvailabilityZone   string `xml:"availabilityZone,omitempty"`
	AvailabilityZoneID string `query:"AvailabilityZoneId" xml:"availabilityZoneId,omitempty"`
	Tenancy            string `xml:"tenancy,omitempty"`
}

// Market asks for spot instances.
type Market struct {
	MarketType  string       `xml:"marketType,omitempty"`
	SpotOptions *SpotOptions `xml:"spotOptions"`
}

// SpotOptions are how a spot instance is asked for.
type SpotOptions struct {
	MaxPrice                     string `xml:"maxPrice,omitempty"`
	SpotInstanceType             string `xml:"spotInstanceType,omitempty"`
	InstanceInterruptionBehavior string `xml:"instanceInterruptionBehavior,omitempty"`
}

// Hibernation asks that an instance can be hibernated.
type Hibernation struct {
	Configured bool `xml:"configured"`
}

// Metadata are the options of the instance's metadata service.
type Metadata struct {
	HTTPTokens           string `query:"HttpTokens" xml:"httpTokens,omitempty"`
	HTTPEndpoint         string `query:"HttpEndpoint" xml:"httpEndpoint,omitempty"`
	HTTPPutHopLimit      int    `query:"HttpPutResponseHopLimit" xml:"httpPutResponseHopLimit,omitempty"`
	HTTPProtocolIPv6     string `query:"HttpProtocolIpv6" xml:"httpProtocolIpv6,omitempty"`
	InstanceMetadataTags string `xml:"instanceMetadataTags,omitempty"`
}

// BlockDevice is a volume.
type BlockDevice struct {
	DeviceName string `xml:"deviceName,omitempty"`
	EBS        *EBS   `query:"Ebs" xml:"ebs"`
}

// EBS is an EBS volume; sizes are in GiB.
type EBS struct {
	Encrypted           *bool  `xml:"encrypted"`
	DeleteOnTermination *bool  `xml:"deleteOnTermination"`
	IOPS                int    `query:"Iops" xml:"iops,omitempty"`
	Throughput          int    `xml:"throughput,omitempty"`
	KMSKeyID            string `query:"KmsKeyId" xml:"kmsKeyId,omitempty"`
	SnapshotID          string `query:"SnapshotId" xml:"snapshotId,omitempty"`
	VolumeSize          int    `xml:"volumeSize,omitempty"`
	VolumeType          string `xml:"volumeType,omitempty"`
}

// NetworkInterface is a network interface; where one is given, it names the subnet.
type NetworkInterface struct {
	DeviceIndex              int      `xml:"deviceIndex"`
	SubnetID                 string   `query:"SubnetId" xml:"subnetId,omitempty"`
	AssociatePublicIPAddress *bool    `query:"AssociatePublicIpAddress" xml:"associatePublicIpAddress"`
	DeleteOnTermination      *bool    `xml:"deleteOnTermination"`
	SecurityGroupIDs         []string `query:"SecurityGroupId" xml:"groupSet>groupId,omitempty"`
}

// Credit is a burstable type's credit option.
type Credit struct {
	CPUCredits string `query:"CpuCredits" xml:"cpuCredits,omitempty"`
}

// TagSpec puts tags on one kind of resource.
type TagSpec struct {
	ResourceType string `xml:"resourceType"`
	Tags         []Tag  `query:"Tag" xml:"tagSet>item"`
}

// Tag is a tag.
type Tag struct {
	Key   string `query:",required" xml:"key"`
	Value string `xml:"value"`
}

// Template is a launch template.
type Template struct {
	ID, Name string
	Created  time.Time
	Default  int
	Versions []TemplateVersion // numbers 1, 2, …
	Tags     map[string]string
}

// Latest is the number of the newest version that there is.
func (t *Template) Latest() int {
	latest := 0
	for _, v := range t.Versions {
		if !v.Deleted {
			latest = v.Number
		}
	}
	return latest
}

// TemplateVersion is one version of a launch template. It never changes.
type TemplateVersion struct {
	Number      int
	Description string
	Created     time.Time
	Data        LaunchData
	// Deleted is true where there is nothing of it left but its number, which is never given again.
	Deleted bool
}

// TemplateRef names a launch template as requests do.
type TemplateRef struct {
	ID      string `query:"LaunchTemplateId"`
	Name    string `query:"LaunchTemplateName"`
	Version string // a number, $Latest, $Default, or empty for the default
}

// CreateTemplate makes a launch template.
func (c *Cloud) CreateTemplate(name, description string, data LaunchData, tags map[string]string) (Template, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := checkData(data); err != nil {
		return Template{}, err
	}
	for _, t := range c.templates {
		if t.Name == name {
			return Template{}, query.Errorf("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
		}
	}
	t := &Template{ID: c.id("lt"), Name: name, Created: c.Now(), Default: 1, Tags: tags}
	t.Versions = []TemplateVersion{{Number: 1, Description: description, Created: t.Created, Data: data}}
	c.templates[t.ID] = t
	return *t, nil
}

// CreateVersion adds a version to a launch template: data alone, or laid over the version that source names.
func (c *Cloud) CreateVersion(ref TemplateRef, source, description string, data LaunchData) (Template, TemplateVersion, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := checkData(data); err != nil {
		return Template{}, TemplateVersion{}, err
	}
	t, err := c.template(ref)
	if err != nil {
		return Template{}, TemplateVersion{}, err
	}
	if source != "" {
		from, err := t.version(source)
		if err != nil {
			return Template{}, TemplateVersion{}, err
		}
		data = overlay(from.Data, data)
	}
	v := TemplateVersion{Number: len(t.Versions) + 1, Description: description, Created: c.Now(), Data: data}
	t.Versions = append(t.Versions, v)
	return *t, v, nil
}

func checkData(d LaunchData) error {
	if _, err := base64.StdEncoding.DecodeString(d.UserData); err != nil {
		return query.Errorf("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data")
	}
	return checkSpecs(d.TagSpecs)
}

// Templates are all launch templates, by ID.
func (c *Cloud) Templates() []Template {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Template, 0, len(c.templates))
	for _, id := range slices.Sorted(maps.Keys(c.templates)) {
		list = append(list, *c.templates[id])
	}
	return list
}

// Template finds a launch template and the version that ref names.
func (c *Cloud) Template(ref TemplateRef) (Template, TemplateVersion, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.template(ref)
	if err != nil {
		return Template{}, TemplateVersion{}, err
	}
	v, err := t.version(ref.Version)
	return *t, v, err
}

func (c *Cloud) template(ref TemplateRef) (*Template, error) {
	switch {
	case ref.ID != "" && ref.Name != "":
		return nil, query.Errorf("InvalidParameterCombination", "The request must contain either a launch template ID or a launch template name, but not both")
	case ref.ID != "":
		if t, ok := c.templates[ref.ID]; ok {
			return t, nil
		}
		return nil, query.Errorf("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", ref.ID)
	case ref.Name != "":
		for _, t := range c.templates {
			if t.Name == ref.Name {
				return t, nil
			}
		}
		return nil, query.Errorf("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.", ref.Name)
	default:
		return nil, query.Errorf("MissingParameter", "The request must contain a launch template ID or a launch template name")
	}
}

func (t *Template) version(text string) (TemplateVersion, error) {
	number := t.Default
	switch text {
	case "", "$Default":
	case "$Latest":
		number = t.Latest()
	default:
		n, err := strconv.Atoi(text)
		if err != nil {
			return TemplateVersion{}, query.Errorf("InvalidLaunchTemplateId.VersionMalformed", "The launch template version '%s' is malformed: a number, $Latest or $Default is wanted", text)
		}
		number = n
	}
	if number < 1 || number > len(t.Versions) || t.Versions[number-1].Deleted {
		return TemplateVersion{}, query.Errorf("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version %s for the launch template %s", text, t.ID)
	}
	return t.Versions[number-1], nil
}

// overlay is base with everything replaced that top gives.
func overlay(base, top LaunchData) LaunchData {
	merged := base
	put(&merged.ImageID, top.ImageID)
	put(&merged.InstanceType, top.InstanceType)
	put(&merged.KeyName, top.KeyName)
	put(&merged.UserData, top.UserData)
	put(&merged.EBSOptimized, top.EBSOptimized)
	put(&merged.Monitoring, top.Monitoring)
	put(&merged.InstanceProfile, top.InstanceProfile)
	put(&merged.Placement, top.Placement)
	put(&merged.Market, top.Market)
	put(&merged.Hibernation, top.Hibernation)
	put(&merged.Metadata, top.Metadata)
	put(&merged.Credit, top.Credit)
	put(&merged.ShutdownBehavior, top.ShutdownBehavior)
	putList(&merged.SecurityGroupIDs, top.SecurityGroupIDs)
	putList(&merged.SecurityGroups, top.SecurityGroups)
	putList(&merged.BlockDevices, top.BlockDevices)
	putList(&merged.Interfaces, top.Interfaces)
	putList(&merged.TagSpecs, top.TagSpecs)
	return merged
}

func put[T comparable](to *T, from T) {
	var none T
	if from != none {
		*to = from
	}
}

func putList[T any](to *[]T, from []T) {
	if len(from) > 0 {
		*to = from
	}
}
