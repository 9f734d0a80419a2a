package sqs_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/sqs"
)

const (
	arn  = "arn:aws:sqs:eu-west-1:123456789012:work"
	rule = "arn:aws:events:eu-west-1:123456789012:rule/work"
	// rulesOnly lets the rule send, and nobody else: not even the account that has the queue.
	rulesOnly = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:events:*:123456789012:rule/*"}}},
		{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"` + arn + `","Condition":{"ArnNotLike":{"aws:SourceArn":"arn:aws:events:*:123456789012:rule/*"}}}]}`
	// open lets everybody do everything.
	open = `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}}`
)

func code(err error) string {
	if err == nil {
		return ""
	}
	return query.AsError(err).Code
}

func TestWhoMaySend(t *testing.T) {
	const denied = "AccessDeniedException"
	for name, c := range map[string]struct{ policy, delivery, forged, own, stranger string }{
		"without a policy the account alone":  {"", denied, "", "", denied},
		"EventBridge, its rules alone":        {rulesOnly, "", denied, denied, denied},
		"everybody":                           {open, "", "", "", ""},
		"another queue's policy says nothing": {`{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"` + arn + `-2"}}`, denied, "", "", denied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.do("CreateQueue", fields{"QueueName": "work", "Attributes": fields{"Policy": c.policy}})
			send := func(account string) error {
				body, err := json.Marshal(fields{"QueueUrl": url, "Entries": []fields{{"Id": "a", "MessageBody": "x"}}})
				require.NoError(t, err)
				_, err = w.sqs.Do(context.Background(), sqs.Caller{Base: base, ARN: "arn:aws:iam::" + account + ":user/ann", Account: account}, "SendMessageBatch", body)
				return err
			}
			require.Equal(t, c.delivery, code(w.sqs.Deliver("work", rule, "x")))
			require.Equal(t, c.forged, code(w.sqs.Forge("work", "x")))
			require.Equal(t, c.own, code(send("123456789012")))
			require.Equal(t, c.stranger, code(send("210987654321")))
		})
	}
}

func TestNoPolicyGivesAQueueAway(t *testing.T) {
	w := newWorld(t)
	w.do("CreateQueue", fields{"QueueName": "work", "Attributes": fields{"Policy": open}})
	stranger := sqs.Caller{Base: base, ARN: "arn:aws:iam::210987654321:user/ann", Account: "210987654321"}
	for _, action := range []string{"DeleteQueue", "SetQueueAttributes"} {
		_, err := w.sqs.Do(context.Background(), stranger, action, []byte(`{"QueueUrl":"`+url+`"}`))
		require.Equal(t, "AccessDeniedException", code(err), action)
	}
	_, err := w.sqs.Do(context.Background(), stranger, "GetQueueAttributes", []byte(`{"QueueUrl":"`+url+`"}`))
	require.NoError(t, err)
}

func TestAPolicyIsReadWhenItIsSet(t *testing.T) {
	w := newWorld(t)
	create(w)
	for _, text := range []string{"{}", "nonsense", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"DateLess":{"a":"b"}}}}`} {
		w.refused("InvalidAttributeValue", "SetQueueAttributes", fields{"QueueUrl": url, "Attributes": fields{"Policy": text}})
	}
	require.Error(t, w.sqs.Deliver("work", rule, "x"))
	w.do("SetQueueAttributes", fields{"QueueUrl": url, "Attributes": fields{"Policy": rulesOnly}})
	require.Equal(t, rulesOnly, w.attribute(url, "Policy"))
	require.NoError(t, w.sqs.Deliver("work", rule, "x"))
	require.Error(t, w.sqs.Deliver("work", "arn:aws:events:eu-west-1:210987654321:rule/work", "x"), "another account's rule")
	w.do("SetQueueAttributes", fields{"QueueUrl": url, "Attributes": fields{"Policy": ""}})
	require.Error(t, w.sqs.Deliver("work", rule, "x"))
}

func TestAMadeQueueTakesItsRulesEvents(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.sqs.Make("work", rule))
	require.NoError(t, w.sqs.Deliver("work", rule, "x"))
	require.Error(t, w.sqs.Deliver("work", rule+"-2", "x"), "another rule's")
	create(w) // who wants the queue that is there gets it
	require.Len(t, w.receive(nil), 1)
}

func TestQueuesAreListed(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"b", "work-2", "work-1", "a"} {
		w.do("CreateQueue", fields{"QueueName": name})
	}
	list := func(parameters fields) (names []string, next string) {
		var answer struct {
			QueueURLs []string `json:"QueueUrls"`
			NextToken string
		}
		require.NoError(t, json.Unmarshal([]byte(w.do("ListQueues", parameters)), &answer))
		for _, u := range answer.QueueURLs {
			names = append(names, u[len(base+"/123456789012/"):])
		}
		return names, answer.NextToken
	}
	names, next := list(fields{})
	require.Equal(t, []string{"a", "b", "work-1", "work-2"}, names)
	require.Empty(t, next)
	names, _ = list(fields{"QueueNamePrefix": "work"})
	require.Equal(t, []string{"work-1", "work-2"}, names)
	names, next = list(fields{"MaxResults": 3})
	require.Equal(t, []string{"a", "b", "work-1"}, names)
	names, next = list(fields{"MaxResults": 3, "NextToken": next})
	require.Equal(t, []string{"work-2"}, names)
	require.Empty(t, next)
	w.refused("InvalidParameterValue", "ListQueues", fields{"MaxResults": 0})
	w.refused("InvalidParameterValue", "ListQueues", fields{"MaxResults": 3, "NextToken": "?"})
}
