package aws

import (
	"context"
	"slices"
	"strconv"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
)

// spotPrice is a type's price in a zone, which EC2 may tell by name only.
type spotPrice struct {
	instanceType, zone, zoneID string
	usd                        float64
	at                         time.Time
}

// loadTypes reads the machine types of the region, those that Kubernetes runs on.
func (acc *account) loadTypes(ctx context.Context) (map[string]contract.InstanceType, error) {
	usd := map[string]float64{}
	for _, fact := range catalog.Facts() {
		usd[fact.Name] = fact.OnDemandUSD
	}
	found := map[string]contract.InstanceType{}
	pages := ec2.NewDescribeInstanceTypesPaginator(acc.ec2, &ec2.DescribeInstanceTypesInput{
		MaxResults: awssdk.Int32(100), // the most that EC2 takes
	})
	err := eachPage(ctx, acc.budget, "DescribeInstanceTypes", pages.HasMorePages, pages.NextPage, func(page *ec2.DescribeInstanceTypesOutput) {
		for _, info := range page.InstanceTypes {
			if t, ok := decodeType(info); ok {
				t.OnDemandUSD = usd[t.Name]
				found[t.Name] = t
			}
		}
	})
	return found, err
}

// decodeType is a type in the contract's words; ok is false for one that Kubernetes has no word for (a Mac).
func decodeType(info types.InstanceTypeInfo) (t contract.InstanceType, ok bool) {
	t = contract.InstanceType{
		Name:        string(info.InstanceType),
		Hibernation: awssdk.ToBool(info.HibernationSupported),
		BareMetal:   awssdk.ToBool(info.BareMetal),
	}
	if info.ProcessorInfo != nil {
		switch archs := info.ProcessorInfo.SupportedArchitectures; {
		case slices.Contains(archs, types.ArchitectureTypeX8664):
			t.Arch = "amd64"
		case slices.Contains(archs, types.ArchitectureTypeArm64):
			t.Arch = "arm64"
		}
	}
	if info.VCpuInfo != nil {
		t.VCPU = int(awssdk.ToInt32(info.VCpuInfo.DefaultVCpus))
	}
	if info.MemoryInfo != nil {
		t.MemoryMiB = int(awssdk.ToInt64(info.MemoryInfo.SizeInMiB))
	}
	if net := info.NetworkInfo; net != nil {
		t.ENIs = int(awssdk.ToInt32(net.MaximumNetworkInterfaces))
		// Pods get addresses of the default network card alone
		// (github.com/aws/amazon-vpc-cni-k8s, "pkg/vpc": the limits are those of the default card).
		if card := int(awssdk.ToInt32(net.DefaultNetworkCardIndex)); card < len(net.NetworkCards) {
			t.ENIs = int(awssdk.ToInt32(net.NetworkCards[card].MaximumNetworkInterfaces))
		}
		t.IPv4PerENI = int(awssdk.ToInt32(net.Ipv4AddressesPerInterface))
	}
	return t, t.Name != "" && t.Arch != "" && t.VCPU > 0 && t.MemoryMiB > 0
}

// loadOffered reads which type is to be had in which zone at all.
func (acc *account) loadOffered(ctx context.Context) (map[catalog.OfferedKey]bool, error) {
	offered := map[catalog.OfferedKey]bool{}
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(acc.ec2, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZoneId,
		MaxResults:   awssdk.Int32(1000), // the most that EC2 takes
	})
	err := eachPage(ctx, acc.budget, "DescribeInstanceTypeOfferings", pages.HasMorePages, pages.NextPage, func(page *ec2.DescribeInstanceTypeOfferingsOutput) {
		for _, o := range page.InstanceTypeOfferings {
			offered[catalog.OfferedKey{InstanceType: string(o.InstanceType), ZoneID: awssdk.ToString(o.Location)}] = true
		}
	})
	return offered, err
}

// loadPrices reads the current spot prices for Linux: a history that starts now holds, of each type and zone, the price
// that is in force (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html).
func (acc *account) loadPrices(ctx context.Context) ([]spotPrice, error) {
	type place struct{ instanceType, zone, zoneID string }
	latest := map[place]spotPrice{}
	pages := ec2.NewDescribeSpotPriceHistoryPaginator(acc.ec2, &ec2.DescribeSpotPriceHistoryInput{
		StartTime:           awssdk.Time(time.Now()),
		ProductDescriptions: []string{"Linux/UNIX"},
		MaxResults:          awssdk.Int32(1000), // the most that EC2 takes
	})
	err := eachPage(ctx, acc.budget, "DescribeSpotPriceHistory", pages.HasMorePages, pages.NextPage, func(page *ec2.DescribeSpotPriceHistoryOutput) {
		for _, p := range page.SpotPriceHistory {
			usd, err := strconv.ParseFloat(awssdk.ToString(p.SpotPrice), 64)
			if err != nil || usd <= 0 {
				continue
			}
			at := place{string(p.InstanceType), awssdk.ToString(p.AvailabilityZone), awssdk.ToString(p.AvailabilityZoneId)}
			if when := awssdk.ToTime(p.Timestamp); latest[at].usd == 0 || when.After(latest[at].at) {
				latest[at] = spotPrice{at.instanceType, at.zone, at.zoneID, usd, when}
			}
		}
	})
	prices := make([]spotPrice, 0, len(latest))
	for _, p := range latest {
		prices = append(prices, p)
	}
	return prices, err
}

// loadSubnets reads the account's subnets, all of them: which ones serve is the pools' word.
func (acc *account) loadSubnets(ctx context.Context) (map[string]catalog.Subnet, error) {
	subnets := map[string]catalog.Subnet{}
	pages := ec2.NewDescribeSubnetsPaginator(acc.ec2, &ec2.DescribeSubnetsInput{MaxResults: awssdk.Int32(1000)})
	err := eachPage(ctx, acc.budget, "DescribeSubnets", pages.HasMorePages, pages.NextPage, func(page *ec2.DescribeSubnetsOutput) {
		for _, s := range page.Subnets {
			id := awssdk.ToString(s.SubnetId)
			subnets[id] = catalog.Subnet{
				ID:            id,
				Zone:          awssdk.ToString(s.AvailabilityZone),
				ZoneID:        awssdk.ToString(s.AvailabilityZoneId),
				FreeAddresses: int(awssdk.ToInt32(s.AvailableIpAddressCount)),
			}
		}
	})
	return subnets, err
}
