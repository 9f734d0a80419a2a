package sim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"floe.dev/floe/internal/sim/awsjson"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
	"floe.dev/floe/internal/sim/sqs"
)

// jsonService is one of the services with a JSON protocol.
type jsonService struct {
	scope   string // its name in the credential
	target  string // what X-Amz-Target begins with
	version awsjson.Version
	regions []string // where it has an endpoint
	// do does an action. base is scheme and host, as the caller sees them.
	do         func(ctx context.Context, base, action string, body []byte) (any, error)
	writeError func(w http.ResponseWriter, e *query.Error) error
}

// priceListRegions have the price list's endpoints
// (docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html).
var priceListRegions = []string{"us-east-1", "eu-central-1", "ap-south-1"}

// jsonServices are all services with a JSON protocol.
func (c *call) jsonServices() []jsonService {
	here := []string{c.server.region}
	plainError := func(w http.ResponseWriter, e *query.Error) error {
		return awsjson.WriteError(w, awsjson.V11, e.Code, e)
	}
	return []jsonService{
		{"ssm", "AmazonSSM.", awsjson.V11, here, c.ssm, plainError},
		{"sqs", "AmazonSQS.", awsjson.V10, here, c.sqs, sqs.WriteError},
		{"servicequotas", "ServiceQuotasV20190624.", awsjson.V11, here, c.quotas, plainError},
		{"pricing", "AWSPriceListService.", awsjson.V11, priceListRegions, c.priceList, plainError},
	}
}

func (c *call) priceList(_ context.Context, _, action string, body []byte) (any, error) {
	return c.server.pricing.Do(action, body)
}

// sqs does an action in the account whose queue it is about. Another's may have a policy that lets the caller.
func (c *call) sqs(ctx context.Context, base, action string, body []byte) (any, error) {
	owner := c.account
	var about struct {
		QueueURL string `json:"QueueUrl"`
	}
	if json.Unmarshal(body, &about) == nil {
		if other := c.server.account(path.Base(path.Dir(about.QueueURL))); other != nil {
			owner = other
		}
	}
	return owner.sqs.Do(ctx, sqs.Caller{Base: base, ARN: c.arn(), Account: c.account.number}, action, body)
}

// serveJSON serves a call of a service with a JSON protocol. refused is what is already known to be wrong.
func (c *call) serveJSON(r *http.Request, caller query.Credential, refused error) {
	target := r.Header.Get("X-Amz-Target")
	services := c.jsonServices()
	n := slices.IndexFunc(services, func(s jsonService) bool { return strings.HasPrefix(target, s.target) })
	service := services[max(n, 0)] // an unknown one is refused in the shape of the first
	action := strings.TrimPrefix(target, service.target)
	err := unrecognized(refused)
	switch {
	case err != nil:
	case n < 0:
		err = query.Errorf("UnknownOperationException", "The simulator knows no %s", target)
	default:
		err = service.checkScope(caller)
	}
	var result any
	if err == nil {
		result, err = c.doJSON(r, service, action)
	}
	c.finish(r.Context(), action, url.Values{}, err)
	if err != nil {
		err = service.writeError(c.w, query.AsError(err))
	} else {
		err = awsjson.Write(c.w, service.version, http.StatusOK, result)
	}
	if err != nil {
		c.server.log.Error("the simulated AWS could not answer", "action", action, "request", c.id, "error", err)
	}
}

func (c *call) doJSON(r *http.Request, service jsonService, action string) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, query.Errorf("SerializationException", "The request's body cannot be read: %s", err)
	}
	if _, metered := budgets[action]; metered && c.account.meter != nil && !c.account.meter.admit(url.Values{"Action": {action}}, c.server.clock.Now()) {
		return nil, query.Errorf("ThrottlingException", "Rate exceeded")
	}
	if fault, met := c.server.faults.meet(c.account.number, action, true); met {
		refused := refusal(fault, c.arn())
		if fault.Kind == script.Deny {
			refused.Code, refused.Message = "AccessDeniedException", "User: "+c.arn()+" is not authorized to perform: "+service.scope+":"+action
		}
		return nil, refused
	}
	return service.do(r.Context(), "http://"+r.Host, action, body)
}

// checkScope refuses signatures for another service or region.
func (s jsonService) checkScope(c query.Credential) error {
	switch {
	case c.Service != s.scope:
		return &query.Error{Code: "InvalidSignatureException", Message: "Credential should be scoped to correct service: '" + s.scope + "'."}
	case !slices.Contains(s.regions, c.Region):
		return &query.Error{Code: "InvalidSignatureException", Message: "Credential should be scoped to a valid region: '" + strings.Join(s.regions, "', '") + "', not '" + c.Region + "'."}
	}
	return nil
}

// unrecognized is what is wrong with a signature in the words of the JSON services
// (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html).
func unrecognized(err error) error {
	if refused, ok := errors.AsType[*query.Error](err); ok && refused.Code == "AuthFailure" {
		return &query.Error{Code: "UnrecognizedClientException", Status: http.StatusForbidden, Message: refused.Message}
	}
	return err
}
