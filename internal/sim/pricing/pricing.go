// Package pricing is the simulated price list: GetProducts of the service AmazonEC2, for the machine types there are
// (docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html).
//
// As in AWS's own list, a type has several products: Linux, Windows, and capacity reservations in use and not. Who does
// not filter for operating system and capacity status reads a wrong price.
package pricing

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sim/awsjson"
	"floe.dev/floe/internal/sim/query"
)

// Service is the price list of one region. It does not change.
type Service struct {
	published time.Time
	// products are made when somebody asks: few do, and there are thousands.
	products func() []product
}

// New is the price list of these types in a region, as published at a time.
func New(region string, types []contract.InstanceType, published time.Time) *Service {
	products := func() []product {
		var list []product
		for _, t := range types {
			list = append(list, productsOf(region, t)...)
		}
		return list
	}
	return &Service{published: published.UTC().Truncate(time.Second), products: sync.OnceValue(products)}
}

// Action is the one action that there is.
const Action = "GetProducts"

const (
	serviceCode = "AmazonEC2"
	format      = "aws_v1"
	// mostResults is the largest page, and the usual one (API_pricing_GetProducts.html).
	mostResults = 100
)

type getProductsParams struct {
	ServiceCode   string
	Filters       []filter
	FormatVersion string
	MaxResults    *int
	NextToken     string
}

type filter struct {
	Field, Type, Value string
}

type getProductsAnswer struct {
	FormatVersion string
	NextToken     string `json:",omitempty"`
	// PriceList are JSON objects, each as a string.
	PriceList []string
}

// Do does the action with that request body. Its errors are *query.Error.
func (s *Service) Do(action string, body []byte) (any, error) {
	if action != Action {
		return nil, query.Errorf("UnknownOperationException", "The simulator's price list knows %s, not %s", Action, action)
	}
	var p getProductsParams
	if err := awsjson.Decode(body, &p); err != nil {
		return nil, err
	}
	size := mostResults
	if p.MaxResults != nil {
		size = *p.MaxResults
	}
	switch {
	case p.ServiceCode == "":
		return nil, invalid("ServiceCode is needed, such as " + serviceCode)
	case p.ServiceCode != serviceCode:
		return nil, invalid("The simulator knows the prices of " + serviceCode + ", not of " + p.ServiceCode)
	case p.FormatVersion != "" && p.FormatVersion != format:
		return nil, invalid("FormatVersion is " + format + ", not " + p.FormatVersion)
	case size < 1 || size > mostResults:
		return nil, invalid("MaxResults is from 1 to " + strconv.Itoa(mostResults) + ", not " + strconv.Itoa(size))
	}
	found, err := s.matching(p.Filters)
	if err != nil {
		return nil, err
	}
	start, err := parseToken(p.NextToken)
	if err != nil || start > len(found) {
		return nil, query.Errorf("InvalidNextTokenException", "The pagination token is invalid. Try again without a pagination token.")
	}
	end := min(len(found), start+size)
	answer := getProductsAnswer{FormatVersion: format, PriceList: make([]string, 0, end-start)}
	for _, product := range found[start:end] {
		text, err := json.Marshal(s.item(product))
		if err != nil {
			return nil, err
		}
		answer.PriceList = append(answer.PriceList, string(text))
	}
	if end < len(found) {
		answer.NextToken = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return answer, nil
}

func invalid(why string) *query.Error {
	return &query.Error{Code: "InvalidParameterException", Message: "Input Parameters are invalid. " + why}
}

func parseToken(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	text, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return 0, err
	}
	start, err := strconv.ParseUint(string(text), 10, 31)
	return int(start), err
}

// matching are the products that pass all filters. A field that no product has is refused: AWS finds nothing under it,
// which a client takes for a type without a price.
func (s *Service) matching(filters []filter) ([]product, error) {
	all := s.products()
	found := slices.Clone(all)
	for _, f := range filters {
		matches, known := matchers[f.Type]
		if !known {
			return nil, invalid("There is no filter type " + strconv.Quote(f.Type) + ": TERM_MATCH, EQUALS, CONTAINS, ANY_OF and NONE_OF are known")
		}
		if !slices.ContainsFunc(all, func(p product) bool { _, has := p.value(f.Field); return has }) {
			return nil, invalid("No product of " + serviceCode + " has the field " + strconv.Quote(f.Field))
		}
		found = slices.DeleteFunc(found, func(p product) bool {
			value, has := p.value(f.Field)
			return !has || !matches(value, f.Value)
		})
	}
	return found, nil
}

// matchers are the filter types; the values of the last two are separated by commas
// (…/APIReference/API_pricing_Filter.html).
var matchers = map[string]func(value, wanted string) bool{
	"TERM_MATCH": func(value, wanted string) bool { return value == wanted },
	"EQUALS":     func(value, wanted string) bool { return value == wanted },
	"CONTAINS":   strings.Contains,
	"ANY_OF":     func(value, wanted string) bool { return slices.Contains(strings.Split(wanted, ","), value) },
	"NONE_OF":    func(value, wanted string) bool { return !slices.Contains(strings.Split(wanted, ","), value) },
}
