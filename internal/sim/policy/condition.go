package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// condition is one operator on one key.
type condition struct {
	operator
	key      string // in lower case: keys know no case
	values   []string
	ifExists bool
}

// operator compares a request's value with one of the policy's
// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).
type operator struct {
	compare func(wanted, is string) bool
	// negated holds where no value compares, and where the request has none.
	negated bool
	// presence asks only whether the request has the key.
	presence bool
}

var operators = map[string]operator{
	"ArnEquals":                 {compare: matchARN},
	"ArnLike":                   {compare: matchARN},
	"ArnNotEquals":              {compare: matchARN, negated: true},
	"ArnNotLike":                {compare: matchARN, negated: true},
	"Bool":                      {compare: strings.EqualFold},
	"Null":                      {presence: true},
	"StringEquals":              {compare: equal},
	"StringEqualsIgnoreCase":    {compare: strings.EqualFold},
	"StringLike":                {compare: match},
	"StringNotEquals":           {compare: equal, negated: true},
	"StringNotEqualsIgnoreCase": {compare: strings.EqualFold, negated: true},
	"StringNotLike":             {compare: match, negated: true},
}

func equal(wanted, is string) bool { return wanted == is }

// arnParts is how many parts an ARN has; the last may hold colons.
const arnParts = 6

// matchARN matches part by part, so that no wildcard goes across a colon.
func matchARN(pattern, arn string) bool {
	wanted, is := strings.SplitN(pattern, ":", arnParts), strings.SplitN(arn, ":", arnParts)
	return len(wanted) == arnParts && slices.EqualFunc(wanted, is, match)
}

// conditionsOf reads a statement's Condition, all of which must hold.
func conditionsOf(written map[string]map[string]list) ([]condition, error) {
	var conditions []condition
	for _, name := range slices.Sorted(maps.Keys(written)) {
		plain, ifExists := strings.CutSuffix(name, "IfExists")
		op, known := operators[plain]
		if !known || (op.presence && ifExists) {
			return nil, refused("Condition", "operator %q is not known here: %s are possible", name, strings.Join(slices.Sorted(maps.Keys(operators)), ", "))
		}
		for _, key := range slices.Sorted(maps.Keys(written[name])) {
			values := written[name][key]
			if len(values) == 0 {
				return nil, refused("Condition."+name+"."+key, "a value is needed")
			}
			if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "${") }) {
				return nil, refused("Condition."+name+"."+key, "policy variables are not known here")
			}
			conditions = append(conditions, condition{op, strings.ToLower(key), values, ifExists})
		}
	}
	return conditions, nil
}

func (c condition) holds(r Request) bool {
	is, has := r.value(c.key)
	if c.presence {
		return slices.ContainsFunc(c.values, func(wanted string) bool { return strings.EqualFold(wanted, fmt.Sprint(!has)) })
	}
	if !has {
		return c.ifExists || c.negated
	}
	return slices.ContainsFunc(c.values, func(wanted string) bool { return c.compare(wanted, is) }) != c.negated
}

// value is what the request has under a key, in lower case. Calls of simulated clients count as encrypted, so that the
// usual Deny on aws:SecureTransport does not lock everybody out of a simulator without TLS.
func (r Request) value(key string) (string, bool) {
	switch key {
	case "aws:securetransport":
		return "true", true
	case "aws:principalarn":
		return r.Principal, r.Principal != ""
	case "aws:principalaccount":
		return r.Account, r.Account != ""
	case "aws:principalisawsservice":
		return fmt.Sprint(r.Service != ""), true
	}
	for name, value := range r.Context {
		if strings.EqualFold(name, key) {
			return value, true
		}
	}
	return "", false
}
