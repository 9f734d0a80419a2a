package sqs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/sqs"
)

const (
	base = "http://queues.test"
	url  = base + "/123456789012/work"
)

// owner is a user of the queues' account.
var owner = sqs.Caller{Base: base, ARN: "arn:aws:iam::123456789012:user/ann", Account: "123456789012"}

// world is a queue service with a clock that stands still.
type world struct {
	t     require.TestingT
	clock *clock.Manual
	sqs   *sqs.Service
}

func newWorld(t require.TestingT) *world {
	c := clock.NewManual(time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC))
	return &world{t: t, clock: c, sqs: sqs.New(sqs.Config{Clock: c, Seed: 1, Account: "123456789012", Region: "eu-west-1"})}
}

type fields map[string]any

// try does an action, and answers with the JSON of its result.
func (w *world) try(action string, parameters fields) (string, error) {
	body, err := json.Marshal(parameters)
	require.NoError(w.t, err)
	result, err := w.sqs.Do(context.Background(), owner, action, body)
	if err != nil {
		return "", err
	}
	answer, err := json.Marshal(result)
	require.NoError(w.t, err)
	return string(answer), nil
}

func (w *world) do(action string, parameters fields) string {
	answer, err := w.try(action, parameters)
	require.NoError(w.t, err, action)
	return answer
}

func (w *world) refused(code, action string, parameters fields) {
	_, err := w.try(action, parameters)
	require.Error(w.t, err, "%s %v", action, parameters)
	require.Equal(w.t, code, query.AsError(err).Code, "%s %v", action, parameters)
}

type message struct {
	MessageID     string `json:"MessageId"`
	ReceiptHandle string
	Body          string
	Attributes    map[string]string
}

func (w *world) receive(parameters fields) []message {
	if parameters == nil {
		parameters = fields{}
	}
	if parameters["QueueUrl"] == nil {
		parameters["QueueUrl"] = url
	}
	var answer struct{ Messages []message }
	require.NoError(w.t, json.Unmarshal([]byte(w.do("ReceiveMessage", parameters)), &answer))
	return answer.Messages
}

func (w *world) attribute(queue, name string) string {
	var answer struct{ Attributes map[string]string }
	require.NoError(w.t, json.Unmarshal([]byte(w.do("GetQueueAttributes", fields{"QueueUrl": queue, "AttributeNames": []string{name}})), &answer))
	return answer.Attributes[name]
}

func create(w *world) { w.do("CreateQueue", fields{"QueueName": "work"}) }

func TestQueuesAreMadeOnce(t *testing.T) {
	w := newWorld(t)
	require.JSONEq(t, `{"QueueUrl":"`+url+`"}`, w.do("CreateQueue", fields{"QueueName": "work", "Attributes": fields{"VisibilityTimeout": "60"}}))
	w.do("CreateQueue", fields{"QueueName": "work", "Attributes": fields{"VisibilityTimeout": "60"}})
	w.do("CreateQueue", fields{"QueueName": "work"})
	w.refused("QueueNameExists", "CreateQueue", fields{"QueueName": "work", "Attributes": fields{"VisibilityTimeout": "61"}})
	require.JSONEq(t, `{"QueueUrl":"`+url+`"}`, w.do("GetQueueUrl", fields{"QueueName": "work"}))
	w.refused("QueueDoesNotExist", "GetQueueUrl", fields{"QueueName": "other"})
	w.refused("QueueDoesNotExist", "GetQueueUrl", fields{"QueueName": "work", "QueueOwnerAWSAccountId": "210987654321"})

	w.do("DeleteQueue", fields{"QueueUrl": url})
	w.refused("QueueDoesNotExist", "SendMessage", fields{"QueueUrl": url, "MessageBody": "x"})
	w.refused("QueueDeletedRecently", "CreateQueue", fields{"QueueName": "work"})
	w.clock.Advance(time.Minute)
	create(w)
}

func TestAttributes(t *testing.T) {
	w := newWorld(t)
	create(w)
	require.Equal(t, "30", w.attribute(url, "VisibilityTimeout"))
	require.Equal(t, "arn:aws:sqs:eu-west-1:123456789012:work", w.attribute(url, "QueueArn"))
	require.Empty(t, w.attribute(url, "Policy"))
	w.do("SetQueueAttributes", fields{"QueueUrl": url, "Attributes": fields{"Policy": open, "DelaySeconds": "5"}})
	require.Equal(t, open, w.attribute(url, "Policy"))
	require.JSONEq(t, `{"Attributes":{}}`, w.do("GetQueueAttributes", fields{"QueueUrl": url}))
	require.Contains(t, w.do("GetQueueAttributes", fields{"QueueUrl": url, "AttributeNames": []string{"All"}}), `"DelaySeconds":"5"`)
	for name, value := range map[string]string{
		"VisibilityTimeout": "43201", "DelaySeconds": "-1", "MessageRetentionPeriod": "59", "ReceiveMessageWaitTimeSeconds": "21",
		"MaximumMessageSize": "many", "Policy": "{", "SqsManagedSseEnabled": "yes",
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:none","maxReceiveCount":3}`,
	} {
		w.refused("InvalidAttributeValue", "SetQueueAttributes", fields{"QueueUrl": url, "Attributes": fields{name: value}})
	}
	for _, rule := range []string{"{", `{}`, `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:work","maxReceiveCount":0}`} {
		w.refused("InvalidAttributeValue", "SetQueueAttributes", fields{"QueueUrl": url, "Attributes": fields{"RedrivePolicy": rule}})
	}
	w.refused("InvalidAttributeName", "SetQueueAttributes", fields{"QueueUrl": url, "Attributes": fields{"FifoQueue": "true"}})
	w.refused("InvalidAttributeName", "GetQueueAttributes", fields{"QueueUrl": url, "AttributeNames": []string{"Color"}})
}

func TestAMessageIsHiddenAndComesBack(t *testing.T) {
	w := newWorld(t)
	create(w)
	w.do("SendMessage", fields{"QueueUrl": url, "MessageBody": "hello"})
	all := fields{"MessageSystemAttributeNames": []string{"All"}}
	first := w.receive(all)
	require.Len(t, first, 1)
	require.Equal(t, "hello", first[0].Body)
	require.Equal(t, "1", first[0].Attributes["ApproximateReceiveCount"])
	require.Empty(t, w.receive(nil), "hidden")
	require.Equal(t, "1", w.attribute(url, "ApproximateNumberOfMessagesNotVisible"))
	w.clock.Advance(30 * time.Second)
	second := w.receive(all)
	require.Equal(t, "2", second[0].Attributes["ApproximateReceiveCount"])
	require.Equal(t, first[0].MessageID, second[0].MessageID)

	w.do("DeleteMessage", fields{"QueueUrl": url, "ReceiptHandle": first[0].ReceiptHandle})
	w.clock.Advance(30 * time.Second)
	third := w.receive(nil)
	require.Len(t, third, 1, "an old receipt deletes nothing, though the call succeeds")
	w.do("ChangeMessageVisibility", fields{"QueueUrl": url, "ReceiptHandle": third[0].ReceiptHandle, "VisibilityTimeout": 0})
	w.refused("MessageNotInflight", "ChangeMessageVisibility", fields{"QueueUrl": url, "ReceiptHandle": third[0].ReceiptHandle, "VisibilityTimeout": 5})
	fourth := w.receive(nil)
	require.Len(t, fourth, 1, "visible again at once")
	w.do("DeleteMessage", fields{"QueueUrl": url, "ReceiptHandle": fourth[0].ReceiptHandle})
	w.do("DeleteMessage", fields{"QueueUrl": url, "ReceiptHandle": fourth[0].ReceiptHandle})
	w.clock.Advance(time.Hour)
	require.Empty(t, w.receive(nil))
}

func TestHidingHasItsBounds(t *testing.T) {
	w := newWorld(t)
	create(w)
	w.do("SendMessage", fields{"QueueUrl": url, "MessageBody": "x"})
	got := w.receive(fields{"VisibilityTimeout": 43200})[0].ReceiptHandle
	w.clock.Advance(time.Hour)
	w.refused("InvalidParameterValue", "ChangeMessageVisibility", fields{"QueueUrl": url, "ReceiptHandle": got, "VisibilityTimeout": 43200})
	w.refused("InvalidParameterValue", "ChangeMessageVisibility", fields{"QueueUrl": url, "ReceiptHandle": got, "VisibilityTimeout": -1})
	w.refused("MissingParameter", "ChangeMessageVisibility", fields{"QueueUrl": url, "ReceiptHandle": got})
	w.refused("ReceiptHandleIsInvalid", "ChangeMessageVisibility", fields{"QueueUrl": url, "ReceiptHandle": "nonsense", "VisibilityTimeout": 1})
	w.refused("ReceiptHandleIsInvalid", "DeleteMessage", fields{"QueueUrl": url, "ReceiptHandle": "nonsense"})
	w.do("ChangeMessageVisibility", fields{"QueueUrl": url, "ReceiptHandle": got, "VisibilityTimeout": 60})
	w.clock.Advance(time.Minute)
	require.Len(t, w.receive(nil), 1)
}

func TestALongPollWaits(t *testing.T) {
	w := newWorld(t)
	create(w)
	got := make(chan []message, 1)
	poll := func() { got <- w.receive(fields{"WaitTimeSeconds": 20}) }
	go poll()
	require.Never(t, func() bool { return len(got) > 0 }, 20*time.Millisecond, 5*time.Millisecond)
	w.do("SendMessage", fields{"QueueUrl": url, "MessageBody": "a"})
	require.Len(t, <-got, 1, "a message ends the wait")

	go poll()
	require.Eventually(t, func() bool {
		w.clock.Advance(time.Second)
		return len(got) > 0
	}, 10*time.Second, time.Millisecond, "a hidden message that comes back ends it too, or else the time that it may take")
	<-got

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := w.sqs.Do(ctx, owner, "ReceiveMessage", []byte(`{"QueueUrl":"`+url+`","WaitTimeSeconds":20}`))
		ended <- err
	}()
	cancel()
	require.NoError(t, <-ended, "who is gone is not waited for")

	go func() {
		_, err := w.try("ReceiveMessage", fields{"QueueUrl": url, "WaitTimeSeconds": 20})
		ended <- err
	}()
	time.Sleep(5 * time.Millisecond) // let it begin to wait; it is refused either way
	w.do("DeleteQueue", fields{"QueueUrl": url})
	require.Equal(t, "QueueDoesNotExist", query.AsError(<-ended).Code)
}

func TestDelayAndRetention(t *testing.T) {
	w := newWorld(t)
	w.do("CreateQueue", fields{"QueueName": "work", "Attributes": fields{"DelaySeconds": "10", "MessageRetentionPeriod": "60"}})
	w.do("SendMessage", fields{"QueueUrl": url, "MessageBody": "late"})
	w.do("SendMessage", fields{"QueueUrl": url, "MessageBody": "now", "DelaySeconds": 0})
	require.NoError(t, w.sqs.Forge("work", "from elsewhere"))
	require.Equal(t, "1", w.attribute(url, "ApproximateNumberOfMessagesDelayed"))
	require.Len(t, w.receive(fields{"MaxNumberOfMessages": 10}), 2)
	w.clock.Advance(10 * time.Second)
	require.Len(t, w.receive(nil), 1)
	w.clock.Advance(50 * time.Second)
	require.Empty(t, w.receive(nil), "older than the queue keeps")
	require.Equal(t, "0", w.attribute(url, "ApproximateNumberOfMessages"))
	require.Error(t, w.sqs.Forge("none", "x"))
}

func TestRedrive(t *testing.T) {
	w := newWorld(t)
	create(w)
	w.do("CreateQueue", fields{"QueueName": "dead"})
	w.do("SetQueueAttributes", fields{"QueueUrl": url, "Attributes": fields{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead","maxReceiveCount":"2"}`, "VisibilityTimeout": "1",
	}})
	w.do("SendMessage", fields{"QueueUrl": url, "MessageBody": "poison"})
	for range 2 {
		require.Len(t, w.receive(nil), 1)
		w.clock.Advance(time.Second)
	}
	require.Empty(t, w.receive(nil), "received twice: that was enough")
	dead := w.receive(fields{"QueueUrl": base + "/123456789012/dead"})
	require.Len(t, dead, 1)
	require.Equal(t, "poison", dead[0].Body)
}

func TestPurge(t *testing.T) {
	w := newWorld(t)
	create(w)
	w.do("SendMessage", fields{"QueueUrl": url, "MessageBody": "x"})
	w.do("PurgeQueue", fields{"QueueUrl": url})
	require.Empty(t, w.receive(nil))
	w.refused("PurgeQueueInProgress", "PurgeQueue", fields{"QueueUrl": url})
	w.clock.Advance(time.Minute)
	w.do("PurgeQueue", fields{"QueueUrl": url})
}

func TestBatches(t *testing.T) {
	w := newWorld(t)
	create(w)
	sent := w.do("SendMessageBatch", fields{"QueueUrl": url, "Entries": []fields{
		{"Id": "a", "MessageBody": "one"}, {"Id": "b", "MessageBody": "\x01"}, {"Id": "c", "MessageBody": "two"},
	}})
	require.Contains(t, sent, `"Failed":[{"Id":"b","SenderFault":true,"Code":"InvalidMessageContents"`)
	require.Contains(t, sent, `"MD5OfMessageBody":"f97c5d29941bfb1b2fdab0874906ab82"`)
	var hide, remove []fields
	for n, m := range w.receive(fields{"MaxNumberOfMessages": 10}) {
		hide = append(hide, fields{"Id": fmt.Sprint(n), "ReceiptHandle": m.ReceiptHandle, "VisibilityTimeout": 1})
		remove = append(remove, fields{"Id": fmt.Sprint(n), "ReceiptHandle": m.ReceiptHandle})
	}
	require.Len(t, hide, 2)
	require.NotContains(t, w.do("ChangeMessageVisibilityBatch", fields{"QueueUrl": url, "Entries": hide}), "Failed")
	require.JSONEq(t, `{"Successful":[{"Id":"0"},{"Id":"1"}]}`, w.do("DeleteMessageBatch", fields{"QueueUrl": url, "Entries": remove}))
	w.clock.Advance(time.Minute)
	require.Empty(t, w.receive(nil))

	entry := func(id string) fields { return fields{"Id": id, "MessageBody": "x"} }
	many := make([]fields, 11)
	for n := range many {
		many[n] = entry(fmt.Sprint(n))
	}
	large := strings.Repeat("x", 1<<19)
	for code, entries := range map[string][]fields{
		"EmptyBatchRequest":            {},
		"TooManyEntriesInBatchRequest": many,
		"BatchEntryIdsNotDistinct":     {entry("a"), entry("a")},
		"InvalidBatchEntryId":          {entry("a b")},
		"BatchRequestTooLong":          {{"Id": "a", "MessageBody": large}, {"Id": "b", "MessageBody": large + "x"}},
	} {
		w.refused(code, "SendMessageBatch", fields{"QueueUrl": url, "Entries": entries})
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	create(w)
	for _, c := range []struct {
		code, action string
		parameters   fields
	}{
		{"UnknownOperationException", "FlyAway", fields{}},
		{"MissingParameter", "SendMessage", fields{"MessageBody": "x"}},
		{"MissingParameter", "SendMessage", fields{"QueueUrl": url}},
		{"MissingParameter", "CreateQueue", fields{}},
		{"MissingParameter", "GetQueueUrl", fields{}},
		{"MissingParameter", "DeleteMessage", fields{"QueueUrl": url}},
		{"MissingParameter", "SetQueueAttributes", fields{"QueueUrl": url}},
		{"InvalidAddress", "SendMessage", fields{"QueueUrl": "work", "MessageBody": "x"}},
		{"QueueDoesNotExist", "SendMessage", fields{"QueueUrl": base + "/210987654321/work", "MessageBody": "x"}},
		{"InvalidMessageContents", "SendMessage", fields{"QueueUrl": url, "MessageBody": "\x00"}},
		{"InvalidParameterValue", "SendMessage", fields{"QueueUrl": url, "MessageBody": strings.Repeat("x", 1<<20+1)}},
		{"InvalidParameterValue", "SendMessage", fields{"QueueUrl": url, "MessageBody": "x", "DelaySeconds": 901}},
		{"InvalidParameterValue", "ReceiveMessage", fields{"QueueUrl": url, "MaxNumberOfMessages": 11}},
		{"InvalidParameterValue", "ReceiveMessage", fields{"QueueUrl": url, "MaxNumberOfMessages": 0}},
		{"InvalidParameterValue", "ReceiveMessage", fields{"QueueUrl": url, "WaitTimeSeconds": 21}},
		{"InvalidParameterValue", "ReceiveMessage", fields{"QueueUrl": url, "AttributeNames": []string{"Color"}}},
		{"InvalidParameterValue", "CreateQueue", fields{"QueueName": "a b"}},
		{"UnsupportedOperation", "CreateQueue", fields{"QueueName": "a.fifo"}},
		{"SerializationException", "SendMessage", fields{"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "g"}},
	} {
		w.refused(c.code, c.action, c.parameters)
	}
}

// FuzzDo: whatever comes in for whatever action, the answer is a result or a refusal that is not the simulator's fault.
func FuzzDo(f *testing.F) {
	for _, seed := range []struct{ action, body string }{
		{"CreateQueue", `{"QueueName":"work","Attributes":{"VisibilityTimeout":"60","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:work\",\"maxReceiveCount\":1e9}"}}`},
		{"SendMessage", `{"QueueUrl":"` + url + `","MessageBody":"x","DelaySeconds":1}`},
		{"SendMessageBatch", `{"QueueUrl":"` + url + `","Entries":[{"Id":"a","MessageBody":"x"},null]}`},
		{"ReceiveMessage", `{"QueueUrl":"` + url + `","MaxNumberOfMessages":10,"VisibilityTimeout":0,"WaitTimeSeconds":0}`},
		{"DeleteMessage", `{"QueueUrl":"` + url + `","ReceiptHandle":"d29yay94LzE="}`},
		{"ChangeMessageVisibility", `{"QueueUrl":"//","ReceiptHandle":"","VisibilityTimeout":9223372036854775807}`},
		{"GetQueueAttributes", `{"QueueUrl":"` + url + `","AttributeNames":["All","QueueArn"]}`},
		{"SetQueueAttributes", `{"QueueUrl":"` + url + `","Attributes":{"Policy":"{\"Statement\":{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}}"}}`},
		{"ListQueues", `{"QueueNamePrefix":"w","MaxResults":1,"NextToken":"YQ=="}`},
	} {
		f.Add(seed.action, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, action string, body []byte) {
		w := newWorld(t)
		create(w)
		require.NoError(t, w.sqs.Forge("work", "x"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing waits
		if _, err := w.sqs.Do(ctx, owner, action, body); err != nil {
			require.NotEqual(t, "InternalError", query.AsError(err).Code)
		}
	})
}
