package ec2

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type runInstancesParams struct {
	cloud.LaunchData
	MinCount       int `query:",required"`
	MaxCount       int `query:",required"`
	ClientToken    string
	SubnetID       string             `query:"SubnetId"`
	LaunchTemplate *cloud.TemplateRef `query:"LaunchTemplate"`
}

type reservationAnswer struct {
	query.Answer
	reservationItem
}

type reservationItem struct {
	ReservationID string         `xml:"reservationId"`
	OwnerID       string         `xml:"ownerId"`
	Instances     []instanceItem `xml:"instancesSet>item"`
}

type stateItem struct {
	Code int         `xml:"code"`
	Name cloud.State `xml:"name"`
}

func stateOf(s cloud.State) stateItem { return stateItem{s.Code(), s} }

type instanceItem struct {
	InstanceID     string    `xml:"instanceId"`
	ImageID        string    `xml:"imageId"`
	State          stateItem `xml:"instanceState"`
	PrivateDNS     string    `xml:"privateDnsName"`
	DNS            string    `xml:"dnsName"`
	Reason         string    `xml:"reason"`
	LaunchIndex    int       `xml:"amiLaunchIndex"`
	InstanceType   string    `xml:"instanceType"`
	LaunchTime     time.Time `xml:"launchTime"`
	Placement      placement `xml:"placement"`
	Monitoring     state     `xml:"monitoring"`
	SubnetID       string    `xml:"subnetId,omitempty"`
	VPCID          string    `xml:"vpcId,omitempty"`
	PrivateIP      string    `xml:"privateIpAddress,omitempty"`
	PublicIP       string    `xml:"ipAddress,omitempty"`
	StateReason    *reason   `xml:"stateReason"`
	Architecture   string    `xml:"architecture"`
	RootDeviceType string    `xml:"rootDeviceType"`
	RootDeviceName string    `xml:"rootDeviceName"`
	Virtualization string    `xml:"virtualizationType"`
	Lifecycle      string    `xml:"instanceLifecycle,omitempty"`
	SpotRequestID  string    `xml:"spotInstanceRequestId,omitempty"`
	ClientToken    string    `xml:"clientToken,omitempty"`
	Tags           []tagItem `xml:"tagSet>item"`
	Hypervisor     string    `xml:"hypervisor"`
	Devices        []device  `xml:"blockDeviceMapping>item"`
	Hibernation    struct {
		Configured bool `xml:"configured"`
	} `xml:"hibernationOptions"`
}

type device struct {
	Name string `xml:"deviceName"`
	EBS  struct {
		VolumeID   string    `xml:"volumeId"`
		Status     string    `xml:"status"`
		Since      time.Time `xml:"attachTime"`
		GoesWithIt bool      `xml:"deleteOnTermination"`
	} `xml:"ebs"`
}

func rootOf(s cloud.Snapshot) device {
	d := device{Name: cloud.RootDevice}
	d.EBS.VolumeID, d.EBS.Status, d.EBS.Since, d.EBS.GoesWithIt = s.RootVolume, "attached", s.Launched.UTC(), true
	return d
}

type placement struct {
	AvailabilityZone   string `xml:"availabilityZone"`
	AvailabilityZoneID string `xml:"availabilityZoneId"`
	Tenancy            string `xml:"tenancy"`
}

type state struct {
	State string `xml:"state"`
}

type reason struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

func itemOf(s cloud.Snapshot) instanceItem {
	item := instanceItem{
		InstanceID: s.ID, ImageID: s.Image.ID, State: stateOf(s.State), LaunchIndex: s.LaunchIndex,
		InstanceType: s.Type.Name, LaunchTime: s.LaunchTime.UTC().Truncate(time.Second), // as EC2 tells it
		Architecture:   s.Image.Arch,
		Placement:      placement{s.Zone.Name, s.Zone.ID, "default"},
		Monitoring:     state{"disabled"},
		RootDeviceType: "ebs", RootDeviceName: cloud.RootDevice, Virtualization: "hvm", Hypervisor: "xen",
		SpotRequestID: s.SpotRequest, ClientToken: s.Token, Tags: tagItems(s.Tags),
	}
	item.Hibernation.Configured = s.Hibernation
	if s.CapacityType == v1alpha1.Spot {
		item.Lifecycle = "spot"
	}
	if s.Reason.Code != "" {
		item.StateReason = &reason{s.Reason.Code, s.Reason.Message}
		item.Reason = s.Reason.Message
		if strings.HasPrefix(s.Reason.Code, "Client.") {
			item.Reason = "User initiated (" + s.At.UTC().Format("2006-01-02 15:04:05 MST") + ")"
		}
	}
	// What is terminated has given its place in the network back.
	if s.State != cloud.Terminated {
		item.PrivateDNS, item.PrivateIP, item.SubnetID, item.VPCID = s.PrivateDNS, s.PrivateIP, s.SubnetID, s.VPCID
		item.PublicIP, item.Devices = s.PublicIP, []device{rootOf(s)}
	}
	return item
}

func (a *API) runInstances(p runInstancesParams, form url.Values) (query.Result, error) {
	list, err := a.cloud.Run(cloud.RunRequest{
		Data: p.LaunchData, Template: p.LaunchTemplate, SubnetID: p.SubnetID,
		MinCount: p.MinCount, MaxCount: p.MaxCount, Token: p.ClientToken, Digest: digest(form),
	})
	if err != nil {
		return nil, err
	}
	answer := &reservationAnswer{}
	answer.ReservationID, answer.OwnerID = list[0].Reservation, a.cloud.Account()
	for _, s := range list {
		answer.Instances = append(answer.Instances, itemOf(s))
	}
	return answer, nil
}

type describeInstancesParams struct {
	paged
	InstanceID []string `query:"InstanceId"`
	Filter     []filter
}

type describeInstancesAnswer struct {
	query.Answer
	Reservations []reservationItem `xml:"reservationSet>item"`
	NextToken    string            `xml:"nextToken,omitempty"`
}

var instanceFilters = tagLookups(lookups[cloud.Snapshot]{
	"instance-id":          one(func(s cloud.Snapshot) string { return s.ID }),
	"instance-type":        one(func(s cloud.Snapshot) string { return s.Type.Name }),
	"instance-state-name":  one(func(s cloud.Snapshot) string { return string(s.State) }),
	"client-token":         one(func(s cloud.Snapshot) string { return s.Token }),
	"availability-zone":    one(func(s cloud.Snapshot) string { return s.Zone.Name }),
	"availability-zone-id": one(func(s cloud.Snapshot) string { return s.Zone.ID }),
	"subnet-id":            one(func(s cloud.Snapshot) string { return s.SubnetID }),
	"vpc-id":               one(func(s cloud.Snapshot) string { return s.VPCID }),
	"image-id":             one(func(s cloud.Snapshot) string { return s.Image.ID }),
	"private-dns-name":     one(func(s cloud.Snapshot) string { return s.PrivateDNS }),
	"private-ip-address":   one(func(s cloud.Snapshot) string { return s.PrivateIP }),
	"architecture":         one(func(s cloud.Snapshot) string { return s.Image.Arch }),
	"hibernation-options.configured": one(func(s cloud.Snapshot) string {
		return strconv.FormatBool(s.Hibernation)
	}),
	"instance-state-code": one(func(s cloud.Snapshot) string { return strconv.Itoa(s.State.Code()) }),
	"state-reason-code":   one(func(s cloud.Snapshot) string { return s.Reason.Code }),
	"reservation-id":      one(func(s cloud.Snapshot) string { return s.Reservation }),
	"instance-lifecycle": func(s cloud.Snapshot, _ string) []string {
		if s.CapacityType == v1alpha1.Spot {
			return []string{"spot"}
		}
		return nil
	},
	"spot-instance-request-id": func(s cloud.Snapshot, _ string) []string {
		if s.SpotRequest == "" {
			return nil
		}
		return []string{s.SpotRequest}
	},
}, func(s cloud.Snapshot) map[string]string { return s.Tags })

func (a *API) describeInstances(p describeInstancesParams, _ url.Values) (query.Result, error) {
	if err := p.notWith("instancesSet", p.InstanceID); err != nil {
		return nil, err
	}
	list, err := a.cloud.Instances(p.InstanceID)
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 5, 1000)
	if err != nil {
		return nil, err
	}
	// Filters are applied page by page: a page can hold fewer items than it may, or none, with more to come. Clients must
	// go on while there is a token, whatever a page holds (docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html,
	// "Pagination").
	page, err = instanceFilters.keep(page, p.Filter)
	if err != nil {
		return nil, err
	}
	answer := &describeInstancesAnswer{NextToken: next}
	at := map[string]int{}
	for _, s := range page {
		n, known := at[s.Reservation]
		if !known {
			n = len(answer.Reservations)
			at[s.Reservation] = n
			answer.Reservations = append(answer.Reservations, reservationItem{ReservationID: s.Reservation, OwnerID: a.cloud.Account()})
		}
		answer.Reservations[n].Instances = append(answer.Reservations[n].Instances, itemOf(s))
	}
	return answer, nil
}

type instancesParams struct {
	InstanceID []string `query:"InstanceId,required"`
}

type stopInstancesParams struct {
	instancesParams
	Hibernate bool
	Force     bool
}

type changesAnswer struct {
	query.Answer
	Instances []changeItem `xml:"instancesSet>item"`
}

type changeItem struct {
	InstanceID string    `xml:"instanceId"`
	Current    stateItem `xml:"currentState"`
	Previous   stateItem `xml:"previousState"`
}

func changesOf(changes []cloud.Change, err error) (query.Result, error) {
	if err != nil {
		return nil, err
	}
	answer := &changesAnswer{}
	for _, c := range changes {
		answer.Instances = append(answer.Instances, changeItem{c.ID, stateOf(c.Current), stateOf(c.Previous)})
	}
	return answer, nil
}

func (a *API) terminateInstances(p instancesParams, _ url.Values) (query.Result, error) {
	return changesOf(a.cloud.Terminate(p.InstanceID))
}

func (a *API) rebootInstances(p instancesParams, _ url.Values) (query.Result, error) {
	return &done{Return: true}, a.cloud.Reboot(p.InstanceID)
}

func (a *API) startInstances(p instancesParams, _ url.Values) (query.Result, error) {
	return changesOf(a.cloud.Start(p.InstanceID))
}

func (a *API) stopInstances(p stopInstancesParams, _ url.Values) (query.Result, error) {
	return changesOf(a.cloud.Stop(p.InstanceID, p.Hibernate, p.Force))
}
