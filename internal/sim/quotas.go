package sim

import (
	"context"

	"floe.dev/floe/internal/sim/awsjson"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

// The actions of Service Quotas.
const (
	getServiceQuota   = "GetServiceQuota"
	listServiceQuotas = "ListServiceQuotas"
)

// unbounded is the value of a quota that the scenario does not set. AWS has a number for each: this one is never reached.
const unbounded = 1_000_000

// ec2Quotas are the quotas of EC2 that launches meet here, with the codes that AWS has for them
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html and using-spot-limits.html). Here they count
// the vCPUs of all families, not of the standard ones alone.
var ec2Quotas = []struct {
	code, name string
	value      func(cloud.Quotas) int
}{
	{"L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", func(q cloud.Quotas) int { return q.OnDemandVCPUs }},
	{"L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", func(q cloud.Quotas) int { return q.SpotVCPUs }},
}

type serviceQuota struct {
	ServiceCode, ServiceName string
	QuotaARN                 string `json:"QuotaArn"`
	QuotaCode, QuotaName     string
	Value                    float64
	Unit                     string
	Adjustable, GlobalQuota  bool
	QuotaAppliedAtLevel      string
}

// quotas does GetServiceQuota and ListServiceQuotas for EC2
// (docs.aws.amazon.com/servicequotas/2019-06-24/apireference).
func (c *call) quotas(_ context.Context, _, action string, body []byte) (any, error) {
	var p struct {
		ServiceCode, QuotaCode, QuotaAppliedAtLevel, NextToken string
		MaxResults                                             *int
	}
	switch action {
	case getServiceQuota, listServiceQuotas:
		if err := awsjson.Decode(body, &p); err != nil {
			return nil, err
		}
	default:
		return nil, query.Errorf("UnknownOperationException", "The simulator's Service Quotas know %s and %s, not %s", getServiceQuota, listServiceQuotas, action)
	}
	switch {
	case p.ServiceCode == "" || (action == getServiceQuota && p.QuotaCode == ""):
		return nil, query.Errorf("IllegalArgumentException", "ServiceCode is needed, and QuotaCode to get one quota")
	case p.ServiceCode != "ec2":
		return nil, query.Errorf("NoSuchResourceException", "There are no quotas of service %s here, but of ec2", p.ServiceCode)
	case p.NextToken != "" || (p.MaxResults != nil && (*p.MaxResults < 1 || *p.MaxResults > 100)):
		return nil, query.Errorf("IllegalArgumentException", "MaxResults must be from 1 to 100; there is one page, and no NextToken")
	}
	var found []serviceQuota
	for _, q := range ec2Quotas {
		if p.QuotaCode != "" && q.code != p.QuotaCode {
			continue
		}
		value := q.value(c.account.cloud.Quotas())
		if value == 0 {
			value = unbounded
		}
		found = append(found, serviceQuota{
			ServiceCode: "ec2", ServiceName: "Amazon Elastic Compute Cloud (Amazon EC2)", QuotaCode: q.code, QuotaName: q.name,
			QuotaARN: "arn:aws:servicequotas:" + c.server.region + ":" + c.account.number + ":ec2/" + q.code,
			Value:    float64(value), Unit: "None", Adjustable: true, QuotaAppliedAtLevel: "ACCOUNT",
		})
	}
	if action == listServiceQuotas {
		return map[string]any{"Quotas": found}, nil
	}
	if len(found) == 0 {
		return nil, query.Errorf("NoSuchResourceException", "There is no quota %s of ec2 here", p.QuotaCode)
	}
	return map[string]any{"Quota": found[0]}, nil
}
