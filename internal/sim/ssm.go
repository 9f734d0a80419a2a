package sim

import (
	"context"

	"floe.dev/floe/internal/sim/awsjson"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type getParameterParams struct {
	Name           string
	WithDecryption bool
}

type getParameterAnswer struct {
	Parameter ssmParameter
}

type ssmParameter struct {
	Name, Type, Value string
	Version           int
	// LastModifiedDate is in seconds since 1970, as in all JSON of AWS's.
	LastModifiedDate float64
	ARN, DataType    string
}

// getParameter is the one action of SSM.
const getParameter = "GetParameter"

// ssm does GetParameter for the images' aliases
// (docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html).
func (c *call) ssm(_ context.Context, _, action string, body []byte) (any, error) {
	if action != getParameter {
		return nil, query.Errorf("UnknownOperationException", "The simulator's SSM knows %s, not %s", getParameter, action)
	}
	var p getParameterParams
	if err := awsjson.Decode(body, &p); err != nil {
		return nil, err
	}
	value, known := cloud.ImageAliases()[p.Name]
	if !known {
		return nil, query.Errorf("ParameterNotFound", "Parameter %s not found.", p.Name)
	}
	return getParameterAnswer{ssmParameter{
		Name: p.Name, Type: "String", Value: value, Version: 1, DataType: "aws:ec2:image",
		LastModifiedDate: float64(c.account.cloud.Started().Unix()),
		ARN:              "arn:aws:ssm:" + c.server.region + "::parameter" + p.Name,
	}}, nil
}
