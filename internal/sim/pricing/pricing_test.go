package pricing

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sim/query"
)

var types = []contract.InstanceType{
	{Name: "m5.large", Arch: "amd64", VCPU: 2, MemoryMiB: 8192, OnDemandUSD: 0.096},
	{Name: "m5.metal", Arch: "amd64", VCPU: 96, MemoryMiB: 393216, OnDemandUSD: 4.608, BareMetal: true},
	{Name: "t4g.nano", Arch: "arm64", VCPU: 2, MemoryMiB: 512, OnDemandUSD: 0.0042},
}

func list() *Service {
	return New("eu-west-1", types, time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC))
}

// prices are the prices by instance type of all pages.
func prices(t *testing.T, filters string, size int) map[string]string {
	t.Helper()
	s, got, token := list(), map[string]string{}, ""
	for {
		answer, err := s.Do(Action, fmt.Appendf(nil, `{"ServiceCode":"AmazonEC2","Filters":[%s],"MaxResults":%d,"NextToken":%q}`, filters, size, token))
		require.NoError(t, err)
		page := answer.(getProductsAnswer)
		require.LessOrEqual(t, len(page.PriceList), size)
		for _, text := range page.PriceList {
			var item priceListItem
			require.NoError(t, json.Unmarshal([]byte(text), &item))
			a := item.Product.Attributes
			for _, term := range item.Terms["OnDemand"] {
				for _, d := range term.Dimensions {
					key := strings.Join([]string{a["instanceType"], a["operatingSystem"], a["capacitystatus"]}, " ")
					require.NotContains(t, got, key)
					got[key] = d.PerUnit["USD"]
				}
			}
		}
		if token = page.NextToken; token == "" {
			return got
		}
	}
}

func where(kind, field, value string) string {
	return fmt.Sprintf(`{"Type":%q,"Field":%q,"Value":%q}`, kind, field, value)
}

func TestFilters(t *testing.T) {
	linux := where("TERM_MATCH", "operatingSystem", "Linux") + "," + where("EQUALS", "capacitystatus", "Used")
	all := prices(t, "", 5)
	require.Len(t, all, 12, "pages leave nothing out")
	require.Equal(t, "0.1880000000", all["m5.large Windows Used"])
	require.Equal(t, map[string]string{"m5.large Linux Used": "0.0960000000", "t4g.nano Linux Used": "0.0042000000"},
		prices(t, linux+","+where("TERM_MATCH", "tenancy", "Shared"), 100))
	require.Equal(t, map[string]string{"m5.metal Linux Used": "4.6080000000"},
		prices(t, linux+","+where("TERM_MATCH", "productFamily", "Compute Instance (bare metal)"), 1))
	require.Len(t, prices(t, linux+","+where("CONTAINS", "instanceType", "m5."), 1), 2)
	require.Len(t, prices(t, linux+","+where("ANY_OF", "instanceType", "m5.large,t4g.nano"), 1), 2)
	require.Len(t, prices(t, linux+","+where("NONE_OF", "instanceType", "m5.large,t4g.nano"), 1), 1)
	require.Len(t, prices(t, where("TERM_MATCH", "serviceCode", "AmazonEC2")+","+where("TERM_MATCH", "regionCode", "eu-west-1"), 100), 12)
	require.Empty(t, prices(t, where("TERM_MATCH", "regionCode", "us-east-1"), 100))
	require.Len(t, prices(t, where("TERM_MATCH", "memory", "0.5 GiB")+","+linux, 100), 1)
}

func TestRefusals(t *testing.T) {
	for body, code := range map[string]string{
		`{}`:                          "InvalidParameterException",
		`{"ServiceCode":"AmazonRDS"}`: "InvalidParameterException",
		`{"ServiceCode":"AmazonEC2","MaxResults":0}`:                                                     "InvalidParameterException",
		`{"ServiceCode":"AmazonEC2","MaxResults":101}`:                                                   "InvalidParameterException",
		`{"ServiceCode":"AmazonEC2","FormatVersion":"aws_v2"}`:                                           "InvalidParameterException",
		`{"ServiceCode":"AmazonEC2","NextToken":"nonsense"}`:                                             "InvalidNextTokenException",
		`{"ServiceCode":"AmazonEC2","NextToken":"OTk5OTk="}`:                                             "InvalidNextTokenException",
		`{"ServiceCode":"AmazonEC2","Filters":[` + where("LIKE", "memory", "x") + `]}`:                   "InvalidParameterException",
		`{"ServiceCode":"AmazonEC2","Filters":[` + where("TERM_MATCH", "instanceTyp", "m5.large") + `]}`: "InvalidParameterException",
		`{"ServiceCode":"AmazonEC2","Color":"red"}`:                                                      "SerializationException",
	} {
		_, err := list().Do(Action, []byte(body))
		require.Error(t, err, body)
		require.Equal(t, code, query.AsError(err).Code, body)
	}
	_, err := list().Do("DescribeServices", []byte(`{}`))
	require.Equal(t, "UnknownOperationException", query.AsError(err).Code)
}
