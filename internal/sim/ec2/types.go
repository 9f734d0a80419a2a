package ec2

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type describeInstanceTypesParams struct {
	paged
	InstanceType []string
	Filter       []filter
}

type describeInstanceTypesAnswer struct {
	query.Answer
	Types     []typeItem `xml:"instanceTypeSet>item"`
	NextToken string     `xml:"nextToken,omitempty"`
}

type typeItem struct {
	InstanceType    string   `xml:"instanceType"`
	Current         bool     `xml:"currentGeneration"`
	FreeTier        bool     `xml:"freeTierEligible"`
	UsageClasses    []string `xml:"supportedUsageClasses>item"`
	RootDeviceTypes []string `xml:"supportedRootDeviceTypes>item"`
	Virtualization  []string `xml:"supportedVirtualizationTypes>item"`
	BareMetal       bool     `xml:"bareMetal"`
	Hypervisor      string   `xml:"hypervisor,omitempty"`
	Architectures   []string `xml:"processorInfo>supportedArchitectures>item"`
	DefaultVCPUs    int      `xml:"vCpuInfo>defaultVCpus"`
	MemoryMiB       int      `xml:"memoryInfo>sizeInMiB"`
	MaxInterfaces   int      `xml:"networkInfo>maximumNetworkInterfaces"`
	IPv4Addresses   int      `xml:"networkInfo>ipv4AddressesPerInterface"`
	Hibernation     bool     `xml:"hibernationSupported"`
	Burstable       bool     `xml:"burstablePerformanceSupported"`
	BootModes       []string `xml:"supportedBootModes>item"`
}

var typeFilters = lookups[contract.InstanceType]{
	"instance-type": one(func(t contract.InstanceType) string { return t.Name }),
	"hibernation-supported": one(func(t contract.InstanceType) string {
		return strconv.FormatBool(t.Hibernation)
	}),
	"bare-metal":                            one(func(t contract.InstanceType) string { return strconv.FormatBool(t.BareMetal) }),
	"current-generation":                    one(func(contract.InstanceType) string { return "true" }),
	"hypervisor":                            one(hypervisorOf),
	"burstable-performance-supported":       one(func(t contract.InstanceType) string { return strconv.FormatBool(burstable(t)) }),
	"free-tier-eligible":                    one(func(contract.InstanceType) string { return "false" }),
	"supported-boot-mode":                   one(func(contract.InstanceType) string { return "uefi" }),
	"supported-root-device-type":            one(func(contract.InstanceType) string { return "ebs" }),
	"supported-virtualization-type":         one(func(contract.InstanceType) string { return "hvm" }),
	"processor-info.supported-architecture": one(func(t contract.InstanceType) string { return archOf(t) }),
	"vcpu-info.default-vcpus":               one(func(t contract.InstanceType) string { return strconv.Itoa(t.VCPU) }),
	"memory-info.size-in-mib":               one(func(t contract.InstanceType) string { return strconv.Itoa(t.MemoryMiB) }),
	"supported-usage-class": func(contract.InstanceType, string) []string {
		return []string{"on-demand", "spot"}
	},
}

// hypervisorOf is empty for bare metal, which has none.
func hypervisorOf(t contract.InstanceType) string {
	if t.BareMetal {
		return ""
	}
	return "nitro"
}

// burstable says whether a type is of one of the families t.
func burstable(t contract.InstanceType) bool {
	return len(t.Name) > 1 && t.Name[0] == 't' && t.Name[1] >= '0' && t.Name[1] <= '9'
}

func archOf(t contract.InstanceType) string {
	if t.Arch == "arm64" {
		return cloud.ArchARM
	}
	return cloud.ArchX86
}

func (a *API) describeInstanceTypes(p describeInstanceTypesParams, _ url.Values) (query.Result, error) {
	list := a.cloud.Types()
	if err := p.notWith("instanceTypes", p.InstanceType); err != nil {
		return nil, err
	}
	if len(p.InstanceType) > 0 {
		var err error
		if list, err = named(list, p.InstanceType); err != nil {
			return nil, err
		}
	}
	list, err := typeFilters.keep(list, p.Filter)
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 5, 100)
	if err != nil {
		return nil, err
	}
	answer := &describeInstanceTypesAnswer{NextToken: next}
	for _, t := range page {
		item := typeItem{
			InstanceType: t.Name, Current: true, UsageClasses: []string{"on-demand", "spot"}, RootDeviceTypes: []string{"ebs"},
			Virtualization: []string{"hvm"}, BareMetal: t.BareMetal, Architectures: []string{archOf(t)}, DefaultVCPUs: t.VCPU,
			MemoryMiB: t.MemoryMiB, MaxInterfaces: t.ENIs, IPv4Addresses: t.IPv4PerENI, Hibernation: t.Hibernation,
			Burstable: burstable(t), BootModes: []string{"uefi"}, Hypervisor: hypervisorOf(t),
		}
		answer.Types = append(answer.Types, item)
	}
	return answer, nil
}

// maxNamedTypes is the most types that a request may name
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html).
const maxNamedTypes = 100

func named(all []contract.InstanceType, names []string) ([]contract.InstanceType, error) {
	if len(names) > maxNamedTypes {
		return nil, query.Errorf("InvalidParameterValue", "At most %d instance types can be named", maxNamedTypes)
	}
	list := make([]contract.InstanceType, 0, len(names))
	for _, name := range names {
		n := slices.IndexFunc(all, func(t contract.InstanceType) bool { return t.Name == name })
		if n < 0 {
			return nil, query.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
		}
		list = append(list, all[n])
	}
	return list, nil
}

type describeOfferingsParams struct {
	paged
	LocationType string
	Filter       []filter
}

type describeOfferingsAnswer struct {
	query.Answer
	Offerings []offeringItem `xml:"instanceTypeOfferingSet>item"`
	NextToken string         `xml:"nextToken,omitempty"`
}

type offeringItem struct {
	InstanceType string `xml:"instanceType"`
	LocationType string `xml:"locationType"`
	Location     string `xml:"location"`
}

var offeringFilters = lookups[offeringItem]{
	"instance-type": one(func(o offeringItem) string { return o.InstanceType }),
	"location":      one(func(o offeringItem) string { return o.Location }),
}

func (a *API) describeInstanceTypeOfferings(p describeOfferingsParams, _ url.Values) (query.Result, error) {
	var list []offeringItem
	for _, t := range a.cloud.Types() {
		for _, location := range a.locations(t.Name, p.LocationType) {
			list = append(list, offeringItem{t.Name, p.LocationType, location})
		}
	}
	switch p.LocationType {
	case "availability-zone", "availability-zone-id":
	case "", "region":
		for n := range list {
			list[n].LocationType = "region"
		}
	default:
		return nil, query.Errorf("InvalidParameterValue", "'%s' is not a location type that the simulator knows: region, availability-zone and availability-zone-id are", p.LocationType)
	}
	list, err := offeringFilters.keep(list, p.Filter)
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 5, 1000)
	if err != nil {
		return nil, err
	}
	return &describeOfferingsAnswer{Offerings: page, NextToken: next}, nil
}

// locations are where a type is offered, in the words of the location type.
func (a *API) locations(instanceType, locationType string) []string {
	var locations []string
	for _, z := range a.cloud.Zones() {
		if !a.cloud.Offered(instanceType, z.ID) {
			continue
		}
		switch locationType {
		case "availability-zone":
			locations = append(locations, z.Name)
		case "availability-zone-id":
			locations = append(locations, z.ID)
		default:
			return []string{a.cloud.Region()}
		}
	}
	return locations
}

type describeSpotPriceHistoryParams struct {
	paged
	InstanceType       []string
	ProductDescription []string
	AvailabilityZone   string
	AvailabilityZoneID string `query:"AvailabilityZoneId"`
	StartTime          time.Time
	EndTime            time.Time
	Filter             []filter
}

type describeSpotPriceHistoryAnswer struct {
	query.Answer
	Prices    []priceItem `xml:"spotPriceHistorySet>item"`
	NextToken string      `xml:"nextToken"`
}

type priceItem struct {
	InstanceType string    `xml:"instanceType"`
	Product      string    `xml:"productDescription"`
	USD          string    `xml:"spotPrice"`
	Since        time.Time `xml:"timestamp"`
	Zone         string    `xml:"availabilityZone"`
	ZoneID       string    `xml:"availabilityZoneId"`
}

// product is what all machines here run.
const product = "Linux/UNIX"

var priceFilters = lookups[priceItem]{
	"instance-type":        one(func(p priceItem) string { return p.InstanceType }),
	"availability-zone":    one(func(p priceItem) string { return p.Zone }),
	"availability-zone-id": one(func(p priceItem) string { return p.ZoneID }),
	"product-description":  one(func(p priceItem) string { return p.Product }),
	"spot-price":           one(func(p priceItem) string { return p.USD }),
}

// describeSpotPriceHistory tells the prices in effect; they have been the same since the world began.
func (a *API) describeSpotPriceHistory(p describeSpotPriceHistoryParams, _ url.Values) (query.Result, error) {
	if !p.EndTime.IsZero() && p.EndTime.Before(p.StartTime) {
		return nil, query.Errorf("InvalidParameterCombination", "EndTime must not be before StartTime")
	}
	for name, values := range map[string][]string{
		"instance-type": p.InstanceType, "product-description": p.ProductDescription,
		"availability-zone": nonEmpty(p.AvailabilityZone), "availability-zone-id": nonEmpty(p.AvailabilityZoneID),
	} {
		if len(values) > 0 {
			p.Filter = append(p.Filter, filter{Name: name, Value: values})
		}
	}
	var list []priceItem
	for _, t := range a.cloud.Types() {
		for _, z := range a.cloud.Zones() {
			if usd := a.cloud.SpotUSD(t.Name, z.ID); usd > 0 {
				list = append(list, priceItem{t.Name, product, strconv.FormatFloat(usd, 'f', 6, 64), a.cloud.Started().UTC(), z.Name, z.ID})
			}
		}
	}
	list, err := priceFilters.keep(list, p.Filter)
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 1, 1000)
	if err != nil {
		return nil, err
	}
	return &describeSpotPriceHistoryAnswer{Prices: page, NextToken: next}, nil
}

func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
