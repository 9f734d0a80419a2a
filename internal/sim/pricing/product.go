package pricing

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
)

// product is one thing that has a price.
type product struct {
	sku, family string
	attributes  map[string]string
	usd         float64 // an hour
	description string
}

// value is what a filter's field looks at.
func (p product) value(field string) (string, bool) {
	switch {
	case field == "productFamily":
		return p.family, true
	case strings.EqualFold(field, "serviceCode"):
		return serviceCode, true
	}
	value, known := p.attributes[field]
	return value, known
}

// windowsUSD is by how much the hour of a vCPU costs more with Windows (aws.amazon.com/ec2/pricing/on-demand: m5.large).
const windowsUSD = 0.046

// locations are the names of regions as price lists have them
// (docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html); others are left out.
var locations = map[string]string{
	"eu-central-1": "EU (Frankfurt)", "eu-north-1": "EU (Stockholm)", "eu-west-1": "EU (Ireland)",
	"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-2": "US West (Oregon)",
}

// productsOf are the products of one type. Bare metal has a family of its own, whose tenancy is dedicated.
func productsOf(region string, t contract.InstanceType) []product {
	tenancy, family := "Shared", "Compute Instance"
	if t.BareMetal {
		tenancy, family = "Dedicated", "Compute Instance (bare metal)"
	}
	var products []product
	for _, v := range []struct {
		system, operation, capacity, usage string
		usd                                float64
	}{
		{"Linux", "RunInstances", "Used", "BoxUsage", t.OnDemandUSD},
		{"Linux", "RunInstances", "UnusedCapacityReservation", "UnusedBox", t.OnDemandUSD},
		{"Linux", "RunInstances", "AllocatedCapacityReservation", "Reservation", 0},
		{"Windows", "RunInstances:0002", "Used", "BoxUsage", t.OnDemandUSD + windowsUSD*float64(t.VCPU)},
	} {
		p := product{family: family, usd: v.usd, attributes: map[string]string{
			"servicecode": serviceCode, "servicename": "Amazon Elastic Compute Cloud", "regionCode": region,
			"locationType": "AWS Region", "instanceType": t.Name, "vcpu": strconv.Itoa(t.VCPU),
			"memory":          strconv.FormatFloat(float64(t.MemoryMiB)/1024, 'f', -1, 64) + " GiB",
			"operatingSystem": v.system, "operation": v.operation, "capacitystatus": v.capacity,
			"tenancy": tenancy, "preInstalledSw": "NA", "licenseModel": "No License required",
			"marketoption": "OnDemand", "currentGeneration": "Yes", "storage": "EBS only",
			"usagetype": region + "-" + v.usage + ":" + t.Name,
		}}
		if name, known := locations[region]; known {
			p.attributes["location"] = name
		}
		sum := sha256.Sum256([]byte(region + t.Name + v.system + v.capacity))
		p.sku = base32.StdEncoding.EncodeToString(sum[:10])
		p.description = fmt.Sprintf("$%s per %s %s %s Hour", price(v.usd), v.system, v.usage, t.Name)
		products = append(products, p)
	}
	return products
}

func price(usd float64) string { return strconv.FormatFloat(usd, 'f', 10, 64) }

// Codes of on-demand terms and of their one dimension, the hour, as they are in AWS's lists
// (docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html).
const (
	onDemandTerm  = "JRTCKXETXF"
	hourDimension = "6YS6EN2CT7"
)

type priceListItem struct {
	Product struct {
		Family     string            `json:"productFamily"`
		Attributes map[string]string `json:"attributes"`
		SKU        string            `json:"sku"`
	} `json:"product"`
	ServiceCode string                     `json:"serviceCode"`
	Terms       map[string]map[string]term `json:"terms"`
	Version     string                     `json:"version"`
	Published   time.Time                  `json:"publicationDate"`
}

type term struct {
	Dimensions map[string]dimension `json:"priceDimensions"`
	SKU        string               `json:"sku"`
	Effective  time.Time            `json:"effectiveDate"`
	Code       string               `json:"offerTermCode"`
	Attributes map[string]string    `json:"termAttributes"`
}

type dimension struct {
	Unit        string            `json:"unit"`
	EndRange    string            `json:"endRange"`
	Description string            `json:"description"`
	AppliesTo   []string          `json:"appliesTo"`
	RateCode    string            `json:"rateCode"`
	BeginRange  string            `json:"beginRange"`
	PerUnit     map[string]string `json:"pricePerUnit"`
}

// item is a product as the list has it.
func (s *Service) item(p product) priceListItem {
	item := priceListItem{ServiceCode: serviceCode, Version: s.published.Format("20060102150405"), Published: s.published}
	item.Product.Family, item.Product.Attributes, item.Product.SKU = p.family, p.attributes, p.sku
	code := p.sku + "." + onDemandTerm
	rate := code + "." + hourDimension
	item.Terms = map[string]map[string]term{"OnDemand": {code: {
		SKU: p.sku, Effective: s.published, Code: onDemandTerm, Attributes: map[string]string{},
		Dimensions: map[string]dimension{rate: {
			Unit: "Hrs", BeginRange: "0", EndRange: "Inf", Description: p.description, AppliesTo: []string{}, RateCode: rate,
			PerUnit: map[string]string{"USD": price(p.usd)},
		}},
	}}}
	return item
}
