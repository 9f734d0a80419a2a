package ec2

import (
	"net/url"
	"strings"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type describeSubnetsParams struct {
	paged
	SubnetID []string `query:"SubnetId"`
	Filter   []filter
}

type describeSubnetsAnswer struct {
	query.Answer
	Subnets   []subnetItem `xml:"subnetSet>item"`
	NextToken string       `xml:"nextToken,omitempty"`
}

type subnetItem struct {
	SubnetID           string    `xml:"subnetId"`
	ARN                string    `xml:"subnetArn"`
	State              string    `xml:"state"`
	OwnerID            string    `xml:"ownerId"`
	VPCID              string    `xml:"vpcId"`
	CIDR               string    `xml:"cidrBlock"`
	FreeAddresses      int       `xml:"availableIpAddressCount"`
	AvailabilityZone   string    `xml:"availabilityZone"`
	AvailabilityZoneID string    `xml:"availabilityZoneId"`
	Default            bool      `xml:"defaultForAz"`
	Public             bool      `xml:"mapPublicIpOnLaunch"`
	Tags               []tagItem `xml:"tagSet>item"`
}

var subnetFilters = lookups[cloud.Subnet]{
	"subnet-id":            one(func(s cloud.Subnet) string { return s.ID }),
	"vpc-id":               one(func(s cloud.Subnet) string { return s.VPCID }),
	"availability-zone":    one(func(s cloud.Subnet) string { return s.Zone.Name }),
	"availability-zone-id": one(func(s cloud.Subnet) string { return s.Zone.ID }),
	"state":                one(func(cloud.Subnet) string { return "available" }),
}

func (a *API) describeSubnets(p describeSubnetsParams, _ url.Values) (query.Result, error) {
	list, err := a.cloud.Subnets(p.SubnetID)
	if err != nil {
		return nil, err
	}
	if list, err = subnetFilters.keep(list, p.Filter); err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 5, 1000)
	if err != nil {
		return nil, err
	}
	answer := &describeSubnetsAnswer{NextToken: next}
	for _, s := range page {
		answer.Subnets = append(answer.Subnets, subnetItem{
			SubnetID: s.ID, ARN: "arn:aws:ec2:" + a.cloud.Region() + ":" + a.cloud.Account() + ":subnet/" + s.ID,
			State: "available", OwnerID: a.cloud.Account(), VPCID: s.VPCID, CIDR: s.CIDR.String(), FreeAddresses: s.Free,
			AvailabilityZone: s.Zone.Name, AvailabilityZoneID: s.Zone.ID,
		})
	}
	return answer, nil
}

type describeAvailabilityZonesParams struct {
	ZoneName             []string
	ZoneID               []string `query:"ZoneId"`
	AllAvailabilityZones bool
	Filter               []filter
}

type describeAvailabilityZonesAnswer struct {
	query.Answer
	Zones []zoneItem `xml:"availabilityZoneInfo>item"`
}

type zoneItem struct {
	State       string `xml:"zoneState"`
	OptIn       string `xml:"optInStatus"`
	Region      string `xml:"regionName"`
	Name        string `xml:"zoneName"`
	ID          string `xml:"zoneId"`
	Group       string `xml:"groupName"`
	BorderGroup string `xml:"networkBorderGroup"`
	Type        string `xml:"zoneType"`
}

var zoneFilters = lookups[cloud.Zone]{
	"zone-name": one(func(z cloud.Zone) string { return z.Name }),
	"zone-id":   one(func(z cloud.Zone) string { return z.ID }),
	"state":     one(func(cloud.Zone) string { return "available" }),
	"zone-type": one(func(cloud.Zone) string { return "availability-zone" }),
}

func (a *API) describeAvailabilityZones(p describeAvailabilityZonesParams, _ url.Values) (query.Result, error) {
	zones := a.cloud.Zones()
	if len(p.ZoneName) > 0 {
		p.Filter = append(p.Filter, filter{Name: "zone-name", Value: p.ZoneName})
	}
	if len(p.ZoneID) > 0 {
		p.Filter = append(p.Filter, filter{Name: "zone-id", Value: p.ZoneID})
	}
	zones, err := zoneFilters.keep(zones, p.Filter)
	if err != nil {
		return nil, err
	}
	answer := &describeAvailabilityZonesAnswer{}
	for _, z := range zones {
		answer.Zones = append(answer.Zones, zoneItem{
			State: "available", OptIn: "opt-in-not-required", Region: a.cloud.Region(), Name: z.Name, ID: z.ID,
			Group: a.cloud.Region() + "-zg-1", BorderGroup: a.cloud.Region(), Type: "availability-zone",
		})
	}
	return answer, nil
}

type describeImagesParams struct {
	paged
	ImageID           []string `query:"ImageId"`
	Owner             []string
	ExecutableBy      []string
	IncludeDeprecated bool
	Filter            []filter
}

type describeImagesAnswer struct {
	query.Answer
	Images    []imageItem `xml:"imagesSet>item"`
	NextToken string      `xml:"nextToken,omitempty"`
}

type imageItem struct {
	ImageID        string `xml:"imageId"`
	Name           string `xml:"name"`
	Location       string `xml:"imageLocation"`
	State          string `xml:"imageState"`
	OwnerID        string `xml:"imageOwnerId"`
	Created        string `xml:"creationDate"`
	Public         bool   `xml:"isPublic"`
	Architecture   string `xml:"architecture"`
	Type           string `xml:"imageType"`
	Platform       string `xml:"platformDetails"`
	RootDeviceType string `xml:"rootDeviceType"`
	RootDeviceName string `xml:"rootDeviceName"`
	Virtualization string `xml:"virtualizationType"`
	Hypervisor     string `xml:"hypervisor"`
	ENA            bool   `xml:"enaSupport"`
	Devices        []struct {
		DeviceName string `xml:"deviceName"`
		EBS        struct {
			VolumeSize          int    `xml:"volumeSize"`
			VolumeType          string `xml:"volumeType"`
			DeleteOnTermination bool   `xml:"deleteOnTermination"`
			Encrypted           bool   `xml:"encrypted"`
		} `xml:"ebs"`
	} `xml:"blockDeviceMapping>item"`
}

var imageFilters = lookups[cloud.Image]{
	"image-id":     one(func(i cloud.Image) string { return i.ID }),
	"name":         one(func(i cloud.Image) string { return i.Name }),
	"architecture": one(func(i cloud.Image) string { return i.Arch }),
	"state":        one(func(cloud.Image) string { return "available" }),
}

func (a *API) describeImages(p describeImagesParams, _ url.Values) (query.Result, error) {
	list, err := a.cloud.Images(p.ImageID)
	if err != nil {
		return nil, err
	}
	if list, err = imageFilters.keep(list, p.Filter); err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 1, 1000)
	if err != nil {
		return nil, err
	}
	answer := &describeImagesAnswer{NextToken: next}
	for _, i := range page {
		item := imageItem{
			ImageID: i.ID, Name: i.Name, Location: a.cloud.Account() + "/" + i.Name, State: "available",
			OwnerID: a.cloud.Account(), Created: i.Created.UTC().Format("2006-01-02T15:04:05.000Z"), Architecture: i.Arch,
			Type: "machine", Platform: "Linux/UNIX", RootDeviceType: "ebs", RootDeviceName: cloud.RootDevice,
			Virtualization: "hvm", Hypervisor: "xen", ENA: true,
		}
		item.Devices = append(item.Devices, struct {
			DeviceName string `xml:"deviceName"`
			EBS        struct {
				VolumeSize          int    `xml:"volumeSize"`
				VolumeType          string `xml:"volumeType"`
				DeleteOnTermination bool   `xml:"deleteOnTermination"`
				Encrypted           bool   `xml:"encrypted"`
			} `xml:"ebs"`
		}{})
		device := &item.Devices[0]
		device.DeviceName = cloud.RootDevice
		device.EBS.VolumeSize, device.EBS.VolumeType, device.EBS.DeleteOnTermination = i.RootGiB, "gp3", true
		answer.Images = append(answer.Images, item)
	}
	return answer, nil
}

// resolveAlias is the image that a template's resolve:ssm:… names
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-launch-template.html, "Use a Systems Manager parameter").
func resolveAlias(aliases map[string]string, image string) string {
	name, ok := strings.CutPrefix(image, "resolve:ssm:")
	if !ok {
		return image
	}
	name, _, _ = strings.Cut(name, ":") // a version or label may follow
	if id, known := aliases[name]; known {
		return id
	}
	return image
}
