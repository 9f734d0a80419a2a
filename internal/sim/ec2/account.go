package ec2

import (
	"net/url"
	"slices"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type describeAccountAttributesParams struct {
	AttributeName []string
}

type describeAccountAttributesAnswer struct {
	query.Answer
	Attributes []attributeItem `xml:"accountAttributeSet>item"`
}

type attributeItem struct {
	Name   string           `xml:"attributeName"`
	Values []attributeValue `xml:"attributeValueSet>item"`
}

type attributeValue struct {
	Value string `xml:"attributeValue"`
}

// attributes of an account (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAccountAttributes.html).
// max-instances is what it says there: no longer of any meaning. What bounds instances are quotas of vCPUs, which
// launches alone meet.
var attributes = []attributeItem{
	{"supported-platforms", []attributeValue{{"VPC"}}},
	{"vpc-max-security-groups-per-interface", []attributeValue{{"5"}}},
	{"max-elastic-ips", []attributeValue{{"5"}}},
	{"max-instances", []attributeValue{{"20"}}},
	{"vpc-max-elastic-ips", []attributeValue{{"5"}}},
	{"default-vpc", []attributeValue{{cloud.VPCID}}},
}

func (a *API) describeAccountAttributes(p describeAccountAttributesParams, _ url.Values) (query.Result, error) {
	answer := &describeAccountAttributesAnswer{}
	for _, name := range p.AttributeName {
		if !slices.ContainsFunc(attributes, func(i attributeItem) bool { return i.Name == name }) {
			return nil, query.Errorf("InvalidParameterValue", "Value (%s) for parameter attributeName is invalid. Unknown account attribute", name)
		}
	}
	for _, i := range attributes {
		if len(p.AttributeName) == 0 || slices.Contains(p.AttributeName, i.Name) {
			answer.Attributes = append(answer.Attributes, i)
		}
	}
	return answer, nil
}
