package aws

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"floe.dev/floe/api/contract"
)

// trouble is what kind of failure a call met.
type trouble int

const (
	refused   trouble = iota // a definitive no to this request, as it is
	capacity                 // ICE: EC2 has not got the machines
	quota                    // the account may not have more
	throttled                // come later; nothing was done
	denied                   // the credentials may not
	missing                  // something that the pool names does not exist
	replayed                 // the client token was seen before and does not serve again
	unsent                   // the call never reached EC2; nothing was done
	lost                     // the call may have taken effect; its answer is not known
)

// troubles are EC2's error codes by what they mean here; a code that is not in it is refused, or lost where EC2 itself
// failed. Source, unless another is given: "Error codes for the Amazon EC2 API"
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
var troubles = map[string]trouble{
	"InsufficientInstanceCapacity":         capacity,
	"InsufficientHostCapacity":             capacity,
	"InsufficientReservedInstanceCapacity": capacity,
	"InsufficientCapacity":                 capacity,
	"InsufficientCapacityOnOutpost":        capacity,
	// A fleet's word for capacity that it found in no offering (EC2 Fleet, "EC2 Fleet error codes").
	"UnfulfillableCapacity": capacity,
	// Spot is not to be had at any price that the request allows, here the on-demand price.
	"SpotMaxPriceTooLow": capacity,

	"InstanceLimitExceeded":            quota,
	"VcpuLimitExceeded":                quota,
	"MaxSpotInstanceCountExceeded":     quota,
	"MaxSpotFleetRequestCountExceeded": quota,

	"UnauthorizedOperation":       denied,
	"AccessDenied":                denied,
	"AccessDeniedException":       denied, // SSM
	"AuthFailure":                 denied,
	"Blocked":                     denied,
	"OptInRequired":               denied,
	"PendingVerification":         denied,
	"InvalidClientTokenId":        denied, // STS: the access key does not exist
	"UnrecognizedClientException": denied, // SSM: likewise
	"MissingAuthenticationToken":  denied,
	"SignatureDoesNotMatch":       denied,

	"InvalidLaunchTemplateId.NotFound":             missing,
	"InvalidLaunchTemplateId.Malformed":            missing,
	"InvalidLaunchTemplateId.VersionNotFound":      missing,
	"InvalidLaunchTemplateName.NotFoundException":  missing,
	"InvalidLaunchTemplateName.MalformedException": missing,
	"InvalidSubnetID.NotFound":                     missing,
	"InvalidSubnetID.Malformed":                    missing,
	"InvalidAMIID.NotFound":                        missing,
	"InvalidAMIID.Malformed":                       missing,
	"InvalidAMIID.Unavailable":                     missing,
	"InvalidGroup.NotFound":                        missing,
	"InvalidGroupId.Malformed":                     missing,
	"InvalidSecurityGroupID.NotFound":              missing,
	"InvalidKeyPair.NotFound":                      missing,

	"IdempotentParameterMismatch":  replayed,
	"IdempotentInstanceTerminated": replayed, // seen in the field; not in AWS's list

	// Temporary credentials ran out between signing and EC2's look at them.
	"ExpiredToken":          unsent,
	"ExpiredTokenException": unsent, // SSM, STS
	"RequestExpired":        unsent,
}

// unknownCredentials are the codes of denied that say something of the credentials themselves.
var unknownCredentials = map[string]bool{
	"AuthFailure": true, "InvalidClientTokenId": true, "UnrecognizedClientException": true,
	"MissingAuthenticationToken": true, "SignatureDoesNotMatch": true,
}

// troubleOf is what a code of EC2 means, where it is known.
func troubleOf(code string) (trouble, bool) {
	// The SDK's own list of throttling codes, of all services.
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return throttled, true
	}
	t, ok := troubles[code]
	return t, ok
}

// diagnosis is a failed call, taken apart.
type diagnosis struct {
	trouble trouble
	// action is the call as IAM names it: ec2:CreateFleet, sts:AssumeRole.
	action string
	// code and message are AWS's; empty where there was no answer.
	code, message string
	cause         error
}

// diagnose takes the SDK's error apart, by its types and codes alone.
func diagnose(err error) diagnosis {
	d := diagnosis{trouble: lost, action: actionOf(err), cause: err}
	var over overBudget
	if errors.As(err, &over) {
		d.trouble, d.action, d.code = throttled, "ec2:"+over.action, "the API budget"
		return d
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		d.code, d.message = api.ErrorCode(), clip(api.ErrorMessage())
		known := false
		if d.trouble, known = troubleOf(d.code); !known && serverFault(err, api) {
			d.trouble = lost
		}
		return d.orUnsent(err)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		d.trouble = unsent
	}
	return d.orUnsent(err)
}

// notSent is the failure of something that comes before the call: getting credentials.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// orUnsent takes into account that the call itself was never made.
func (d diagnosis) orUnsent(err error) diagnosis {
	var before notSent
	if errors.As(err, &before) && (d.trouble == lost || d.trouble == refused) {
		d.trouble = unsent
	}
	return d
}

func serverFault(err error, api smithy.APIError) bool {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError {
		return true
	}
	return api.ErrorFault() == smithy.FaultServer
}

// actionOf is the innermost call that failed: where the role could not be assumed, that is sts:AssumeRole.
func actionOf(err error) string {
	action := "an AWS call"
	var op *smithy.OperationError
	for errors.As(err, &op) {
		action = strings.ToLower(op.ServiceID) + ":" + op.OperationName
		err = op.Err
	}
	return action
}

// answerOf is the contract's word for what a code says of an offering.
func answerOf(code string) contract.Answer {
	t, _ := troubleOf(code)
	switch t {
	case capacity:
		return contract.AnswerICE
	case quota:
		return contract.AnswerQuota
	case throttled:
		return contract.AnswerThrottled
	}
	return contract.AnswerRefused
}

// clip shortens EC2's messages: that of UnauthorizedOperation carries kilobytes of encoded detail, which would go into
// workflow histories.
func clip(message string) string {
	const most = 300
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "…"
}
