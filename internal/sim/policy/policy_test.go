package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	queue = "arn:aws:sqs:eu-west-1:123456789012:floe-events"
	rule  = "arn:aws:events:eu-west-1:123456789012:rule/floe-events"
)

// delivery is EventBridge's.
func delivery() Request {
	return Request{
		Service: "events.amazonaws.com", Action: "sqs:SendMessage", Resource: queue,
		Context: map[string]string{"aws:SourceArn": rule, "aws:SourceAccount": "123456789012"},
	}
}

func call(account, action string) Request {
	return Request{Principal: "arn:aws:iam::" + account + ":user/ann", Account: account, Action: action, Resource: queue}
}

// allow is a statement that lets EventBridge send, with something changed.
func allow(changes ...string) string {
	text := `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queue + `"}`
	for n := 0; n < len(changes); n += 2 {
		text = strings.Replace(text, changes[n], changes[n+1], 1)
	}
	return text
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func TestEvaluate(t *testing.T) {
	when := func(condition string) string {
		return document(strings.TrimSuffix(allow(), "}") + `,"Condition":{` + condition + `}}`)
	}
	everybody := allow(`{"Service":"events.amazonaws.com"}`, `"*"`)
	for name, c := range map[string]struct {
		policy  string
		request Request
		want    Decision
	}{
		"none":                            {"", delivery(), Silent},
		"the service":                     {document(allow()), delivery(), Allowed},
		"one statement without a list":    {`{"Statement":` + allow() + `}`, delivery(), Allowed},
		"one service of several":          {document(allow(`"events.amazonaws.com"`, `["sqs.amazonaws.com","events.amazonaws.com"]`)), delivery(), Allowed},
		"another service":                 {document(allow("events.", "sns.")), delivery(), Silent},
		"a user is no service":            {document(allow()), call("123456789012", "sqs:SendMessage"), Silent},
		"everybody is a service too":      {document(everybody), delivery(), Allowed},
		"everybody is a user too":         {document(everybody), call("210987654321", "sqs:SendMessage"), Allowed},
		"AWS * is no service":             {document(allow(`"Service":"events.amazonaws.com"`, `"AWS":"*"`)), delivery(), Silent},
		"an account":                      {document(allow(`"Service":"events.amazonaws.com"`, `"AWS":"210987654321"`)), call("210987654321", "sqs:SendMessage"), Allowed},
		"an account's root":               {document(allow(`"Service":"events.amazonaws.com"`, `"AWS":"arn:aws:iam::210987654321:root"`)), call("210987654321", "sqs:SendMessage"), Allowed},
		"a user":                          {document(allow(`"Service":"events.amazonaws.com"`, `"AWS":"arn:aws:iam::210987654321:user/ann"`)), call("210987654321", "sqs:SendMessage"), Allowed},
		"another account":                 {document(allow(`"Service":"events.amazonaws.com"`, `"AWS":"210987654321"`)), call("999999999999", "sqs:SendMessage"), Silent},
		"actions know no case":            {document(allow("sqs:SendMessage", "SQS:send*")), delivery(), Allowed},
		"another action":                  {document(allow("sqs:SendMessage", "sqs:ReceiveMessage")), delivery(), Silent},
		"one action of several":           {document(allow(`"sqs:SendMessage"`, `["sqs:ReceiveMessage","sqs:*"]`)), delivery(), Allowed},
		"another queue":                   {document(allow(queue, queue+"-2")), delivery(), Silent},
		"any queue":                       {document(allow(queue, "*")), delivery(), Allowed},
		"a denial goes first":             {document(allow(), allow("Allow", "Deny")), delivery(), Denied},
		"a denial of others":              {document(allow(), allow("Allow", "Deny", "events.", "sns.")), delivery(), Allowed},
		"the rule":                        {when(`"ArnEquals":{"aws:SourceArn":"` + rule + `"}`), delivery(), Allowed},
		"keys know no case":               {when(`"ArnEquals":{"AWS:sourcearn":"` + rule + `"}`), delivery(), Allowed},
		"any rule":                        {when(`"ArnLike":{"aws:SourceArn":"arn:aws:events:*:*:rule/*"}`), delivery(), Allowed},
		"a * does not go across colons":   {when(`"ArnLike":{"aws:SourceArn":"arn:*:rule/*"}`), delivery(), Silent},
		"another rule":                    {when(`"ArnEquals":{"aws:SourceArn":"` + rule + `-2"}`), delivery(), Silent},
		"what is no ARN equals none":      {when(`"ArnLike":{"aws:SourceAccount":"123456789012"}`), delivery(), Silent},
		"one rule of several":             {when(`"ArnEquals":{"aws:SourceArn":["x","` + rule + `"]}`), delivery(), Allowed},
		"the account":                     {when(`"StringEquals":{"aws:SourceAccount":"123456789012"}`), delivery(), Allowed},
		"the account as a number":         {when(`"StringEquals":{"aws:SourceAccount":210987654321}`), delivery(), Silent},
		"StringEquals has no wildcards":   {when(`"StringEquals":{"aws:SourceAccount":"1234*"}`), delivery(), Silent},
		"StringLike has":                  {when(`"StringLike":{"aws:SourceAccount":"1234*"}`), delivery(), Allowed},
		"both must hold":                  {when(`"StringEquals":{"aws:SourceAccount":"123456789012"},"ArnEquals":{"aws:SourceArn":"x"}`), delivery(), Silent},
		"a key that is not there":         {when(`"StringEquals":{"aws:SourceOrgID":"o-1"}`), delivery(), Silent},
		"… if it exists":                  {when(`"StringEqualsIfExists":{"aws:SourceOrgID":"o-1"}`), delivery(), Allowed},
		"… and is not equal":              {when(`"StringNotEquals":{"aws:SourceOrgID":"o-1"}`), delivery(), Allowed},
		"not equal":                       {when(`"StringNotEquals":{"aws:SourceAccount":"123456789012"}`), delivery(), Silent},
		"null":                            {when(`"Null":{"aws:SourceOrgID":true}`), delivery(), Allowed},
		"not null":                        {when(`"Null":{"aws:SourceArn":"true"}`), delivery(), Silent},
		"services are told apart":         {when(`"Bool":{"aws:PrincipalIsAWSService":"true"}`), delivery(), Allowed},
		"plain HTTP counts as encrypted":  {document(allow(), strings.TrimSuffix(allow("Allow", "Deny"), "}")+`,"Condition":{"Bool":{"aws:SecureTransport":false}}}`), delivery(), Allowed},
		"whoever is not the rule, denied": {document(strings.TrimSuffix(allow("Allow", "Deny", `{"Service":"events.amazonaws.com"}`, `"*"`), "}") + `,"Condition":{"ArnNotEquals":{"aws:SourceArn":"` + rule + `"}}}`), call("123456789012", "sqs:SendMessage"), Denied},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Parse(c.policy)
			require.NoError(t, err)
			require.Equal(t, c.want, p.Evaluate(c.request))
		})
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	for text, says := range map[string]string{
		`[]`:                           "no policy in JSON",
		`{"Statement":[]} x`:           "something follows",
		`{}`:                           "Statement: at least one",
		`{"Version":"2013-01-01"}`:     "Version:",
		`{"Statements":[]}`:            "Statements",
		document(allow("Allow", "Al")): "Statement[0].Effect",
		document(allow(), allow(`"Principal":{"Service":"events.amazonaws.com"},`, "")):                          "Statement[1].Principal",
		document(allow(`"Principal"`, `"NotPrincipal"`)):                                                         "NotPrincipal",
		document(allow(`"Action":"sqs:SendMessage",`, "")):                                                       "Statement[0].Action",
		document(allow(`,"Resource":"`+queue+`"`, "")):                                                           "Statement[0].Resource",
		document(allow(`"Service"`, `"Servant"`)):                                                                `"Servant" is unknown`,
		document(allow(`"Service":"events.amazonaws.com"`, `"AWS":"arn:aws:iam::1:user/*"`)):                     "neither an account",
		document(allow(`"sqs:SendMessage"`, `{}`)):                                                               "a list of strings",
		document(strings.TrimSuffix(allow(), "}") + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`): `operator "IpAddress"`,
		document(strings.TrimSuffix(allow(), "}") + `,"Condition":{"StringLike":{"a":"${aws:username}"}}}`):      "policy variables",
		document(strings.TrimSuffix(allow(), "}") + `,"Condition":{"StringLike":{"a":[]}}}`):                     "a value is needed",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, says, text)
	}
}

// FuzzParse: whatever comes in, it is a policy or it is refused; and a policy has an answer to everything.
func FuzzParse(f *testing.F) {
	f.Add(document(allow()))
	f.Add(`{"Statement":{"Effect":"Deny","Principal":"*","Action":["*"],"Resource":"*","Condition":{"Null":{"a":true}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := Parse(text); err == nil {
			require.NotNil(t, p)
			p.Evaluate(delivery())
		}
	})
}
