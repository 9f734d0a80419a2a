package sim

import (
	"encoding/json"
	"net/http"
	"net/url"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

const ssmTarget = "AmazonSSM."

type ssmParameter struct {
	Name, Type, Value string
	Version           int
	// LastModifiedDate is in seconds since 1970, as in all JSON of AWS's.
	LastModifiedDate float64
	ARN, DataType    string
}

// serveSSM serves GetParameter for the images' aliases
// (docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html; JSON protocol 1.1).
func (c *call) serveSSM(r *http.Request) {
	var request struct {
		Name           string
		WithDecryption bool
	}
	action := "GetParameter"
	var parameter *ssmParameter
	err := func() error {
		if target := r.Header.Get("X-Amz-Target"); target != ssmTarget+action {
			action = target
			return query.Errorf("UnknownOperationException", "The simulator knows %s%s, not %s", ssmTarget, "GetParameter", target)
		}
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&request); err != nil {
			return query.Errorf("SerializationException", "The request body is not what GetParameter takes: %s", err)
		}
		if fault, met := c.server.faults.meet(action, true); met {
			return refusal(fault, c.server.arn(c.caller))
		}
		value, known := cloud.ImageAliases()[request.Name]
		if !known {
			return query.Errorf("ParameterNotFound", "Parameter %s not found.", request.Name)
		}
		parameter = &ssmParameter{
			Name: request.Name, Type: "String", Value: value, Version: 1, DataType: "aws:ec2:image",
			LastModifiedDate: float64(c.server.cloud.Started().Unix()),
			ARN:              "arn:aws:ssm:" + c.server.cloud.Region() + "::parameter" + request.Name,
		}
		return nil
	}()
	c.finish(action, url.Values{}, err)
	status, answer := http.StatusOK, any(map[string]any{"Parameter": parameter})
	if err != nil {
		refused := query.AsError(err)
		status, answer = refused.HTTPStatus(), map[string]string{"__type": refused.Code, "message": refused.Message}
	}
	body, err := json.Marshal(answer)
	if err == nil {
		c.w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		c.w.WriteHeader(status)
		_, err = c.w.Write(body)
	}
	if err != nil {
		c.server.log.Error("the simulated AWS could not answer", "action", action, "request", c.id, "error", err)
	}
}
