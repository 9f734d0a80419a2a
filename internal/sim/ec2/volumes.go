package ec2

import (
	"net/url"
	"strconv"
	"time"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type describeVolumesParams struct {
	paged
	VolumeID []string `query:"VolumeId"`
	Filter   []filter
}

type describeVolumesAnswer struct {
	query.Answer
	Volumes   []volumeItem `xml:"volumeSet>item"`
	NextToken string       `xml:"nextToken,omitempty"`
}

type volumeItem struct {
	ID          string           `xml:"volumeId"`
	SizeGiB     int              `xml:"size"`
	Zone        string           `xml:"availabilityZone"`
	ZoneID      string           `xml:"availabilityZoneId"`
	Status      string           `xml:"status"`
	Created     time.Time        `xml:"createTime"`
	Attachments []attachmentItem `xml:"attachmentSet>item"`
	Tags        []tagItem        `xml:"tagSet>item"`
	Type        string           `xml:"volumeType"`
	Encrypted   bool             `xml:"encrypted"`
	Throughput  int              `xml:"throughput"`
}

type attachmentItem struct {
	VolumeID   string    `xml:"volumeId"`
	InstanceID string    `xml:"instanceId"`
	Device     string    `xml:"device"`
	Status     string    `xml:"status"`
	Since      time.Time `xml:"attachTime"`
	GoesWithIt bool      `xml:"deleteOnTermination"`
}

var volumeFilters = tagLookups(lookups[cloud.Volume]{
	"attachment.device":      one(func(v cloud.Volume) string { return v.Device }),
	"attachment.instance-id": one(func(v cloud.Volume) string { return v.Instance }),
	"attachment.status":      one(func(cloud.Volume) string { return "attached" }),
	"availability-zone":      one(func(v cloud.Volume) string { return v.Zone.Name }),
	"availability-zone-id":   one(func(v cloud.Volume) string { return v.Zone.ID }),
	"encrypted":              one(func(v cloud.Volume) string { return strconv.FormatBool(v.Encrypted) }),
	"size":                   one(func(v cloud.Volume) string { return strconv.Itoa(v.SizeGiB) }),
	"status":                 one(func(v cloud.Volume) string { return v.State }),
	"volume-id":              one(func(v cloud.Volume) string { return v.ID }),
	"volume-type":            one(func(v cloud.Volume) string { return v.Type }),
}, func(v cloud.Volume) map[string]string { return v.Tags })

func (a *API) describeVolumes(p describeVolumesParams, _ url.Values) (query.Result, error) {
	if err := p.notWith("volumeIds", p.VolumeID); err != nil {
		return nil, err
	}
	list, err := a.cloud.Volumes(p.VolumeID)
	if err != nil {
		return nil, err
	}
	if list, err = volumeFilters.keep(list, p.Filter); err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 5, 1000)
	if err != nil {
		return nil, err
	}
	answer := &describeVolumesAnswer{NextToken: next}
	for _, v := range page {
		created := v.Created.UTC()
		answer.Volumes = append(answer.Volumes, volumeItem{
			ID: v.ID, SizeGiB: v.SizeGiB, Zone: v.Zone.Name, ZoneID: v.Zone.ID, Status: v.State, Created: created,
			Attachments: []attachmentItem{{v.ID, v.Instance, v.Device, "attached", created, true}},
			Tags:        tagItems(v.Tags), Type: v.Type, Encrypted: v.Encrypted, Throughput: v.MiBs,
		})
	}
	return answer, nil
}
