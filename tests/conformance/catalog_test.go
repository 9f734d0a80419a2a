package conformance

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	pricingtypes "github.com/aws/aws-sdk-go-v2/service/pricing/types"
	"github.com/stretchr/testify/require"
)

var catalog = []check{
	{"types are described in pages of at most 100", "AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html", func(l *lab) {
		seen := map[types.InstanceType]bool{}
		pages := ec2.NewDescribeInstanceTypesPaginator(l.ec2, &ec2.DescribeInstanceTypesInput{MaxResults: aws.Int32(100)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(l.ctx)
			require.NoError(l, err)
			require.LessOrEqual(l, len(page.InstanceTypes), 100)
			for _, t := range page.InstanceTypes {
				require.False(l, seen[t.InstanceType], "%s comes twice", t.InstanceType)
				seen[t.InstanceType] = true
			}
		}
		require.True(l, seen[instanceType])
	}},
	{"a type is what its data sheet says", "AWSEC2/latest/APIReference/API_InstanceTypeInfo.html", func(l *lab) {
		out, err := l.ec2.DescribeInstanceTypes(l.ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{instanceType}})
		require.NoError(l, err)
		t := out.InstanceTypes[0]
		require.EqualValues(l, 2, *t.VCpuInfo.DefaultVCpus)
		require.EqualValues(l, 8192, *t.MemoryInfo.SizeInMiB)
		require.EqualValues(l, 3, *t.NetworkInfo.MaximumNetworkInterfaces)
		require.EqualValues(l, 10, *t.NetworkInfo.Ipv4AddressesPerInterface)
		require.Contains(l, t.ProcessorInfo.SupportedArchitectures, types.ArchitectureTypeX8664)
		require.True(l, *t.HibernationSupported)
	}},
	{"types are found by what they can", "AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html", func(l *lab) {
		out, err := l.ec2.DescribeInstanceTypes(l.ctx, &ec2.DescribeInstanceTypesInput{Filters: []types.Filter{
			by("hibernation-supported", "true"), by("processor-info.supported-architecture", "x86_64"), by("instance-type", "m5.*"),
		}})
		require.NoError(l, err)
		require.NotEmpty(l, out.InstanceTypes)
		for _, t := range out.InstanceTypes {
			require.True(l, *t.HibernationSupported)
			require.False(l, *t.BareMetal)
		}
	}},
	{"a type that does not exist is refused", "AWSEC2/latest/APIReference/errors-overview.html", func(l *lab) {
		_, err := l.ec2.DescribeInstanceTypes(l.ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"m5.huge"}})
		l.refused(err, "InvalidInstanceType")
	}},
	{"offerings are told by zone", "AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html", func(l *lab) {
		out, err := l.ec2.DescribeInstanceTypeOfferings(l.ctx, &ec2.DescribeInstanceTypeOfferingsInput{
			LocationType: types.LocationTypeAvailabilityZoneId,
			Filters:      []types.Filter{by("instance-type", string(instanceType)), by("location", *l.subnet.AvailabilityZoneId)},
		})
		require.NoError(l, err)
		require.Len(l, out.InstanceTypeOfferings, 1)
		require.Equal(l, types.LocationTypeAvailabilityZoneId, out.InstanceTypeOfferings[0].LocationType)
	}},
	{"the spot price in effect is told", "AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html", func(l *lab) {
		out, err := l.ec2.DescribeSpotPriceHistory(l.ctx, &ec2.DescribeSpotPriceHistoryInput{
			InstanceTypes: []types.InstanceType{instanceType}, ProductDescriptions: []string{"Linux/UNIX"},
			AvailabilityZone: l.subnet.AvailabilityZone, StartTime: aws.Time(time.Now()),
		})
		require.NoError(l, err)
		require.NotEmpty(l, out.SpotPriceHistory)
		usd, err := strconv.ParseFloat(*out.SpotPriceHistory[0].SpotPrice, 64)
		require.NoError(l, err)
		require.Positive(l, usd)
		require.Equal(l, *l.subnet.AvailabilityZone, *out.SpotPriceHistory[0].AvailabilityZone)
	}},
	{"placement scores are from 1 to 10, and low for few types", "AWSEC2/latest/APIReference/API_GetSpotPlacementScores.html", func(l *lab) {
		score := func(types ...string) int32 {
			out, err := l.ec2.GetSpotPlacementScores(l.ctx, &ec2.GetSpotPlacementScoresInput{
				InstanceTypes: types, TargetCapacity: aws.Int32(1), RegionNames: []string{l.region},
			})
			require.NoError(l, err)
			require.Equal(l, l.region, *out.SpotPlacementScores[0].Region)
			return *out.SpotPlacementScores[0].Score
		}
		many, few := score("m5.large", "c5.large", "r5.large"), score("m5.large")
		require.GreaterOrEqual(l, few, int32(1))
		require.LessOrEqual(l, many, int32(10))
		require.LessOrEqual(l, few, many)
	}},
	{"the account's attributes are told", "AWSEC2/latest/APIReference/API_DescribeAccountAttributes.html", func(l *lab) {
		out, err := l.ec2.DescribeAccountAttributes(l.ctx, &ec2.DescribeAccountAttributesInput{
			AttributeNames: []types.AccountAttributeName{types.AccountAttributeNameSupportedPlatforms},
		})
		require.NoError(l, err)
		require.Len(l, out.AccountAttributes, 1)
		require.Equal(l, "VPC", *out.AccountAttributes[0].AttributeValues[0].AttributeValue)
	}},
	{"the price list holds one on-demand price of a type on Linux", "awsaccountbilling/latest/aboutv2/using-price-list-query-api.html", func(l *lab) {
		filter := func(field, value string) pricingtypes.Filter {
			return pricingtypes.Filter{Type: pricingtypes.FilterTypeTermMatch, Field: aws.String(field), Value: aws.String(value)}
		}
		out, err := l.pricing.GetProducts(l.ctx, &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2"), Filters: []pricingtypes.Filter{
			filter("regionCode", l.region), filter("instanceType", string(instanceType)), filter("operatingSystem", "Linux"),
			filter("preInstalledSw", "NA"), filter("capacitystatus", "Used"), filter("tenancy", "Shared"),
			filter("productFamily", "Compute Instance"),
		}})
		require.NoError(l, err)
		require.Len(l, out.PriceList, 1)
		var item struct {
			Terms struct {
				OnDemand map[string]struct {
					PriceDimensions map[string]struct {
						Unit         string
						PricePerUnit map[string]string
					}
				}
			}
		}
		require.NoError(l, json.Unmarshal([]byte(out.PriceList[0]), &item))
		require.Len(l, item.Terms.OnDemand, 1)
		for _, term := range item.Terms.OnDemand {
			for _, d := range term.PriceDimensions {
				require.Equal(l, "Hrs", d.Unit)
				usd, err := strconv.ParseFloat(d.PricePerUnit["USD"], 64)
				require.NoError(l, err)
				require.Positive(l, usd)
			}
		}
	}},
}
