package reclaim

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

// The examples are those of AWS's pages that Parse names, with other ids.
const (
	interruption = `{"version":"0","id":"12345678-1234-1234-1234-123456789012","detail-type":"EC2 Spot Instance Interruption Warning",
		"source":"aws.ec2","account":"123456789012","time":"2026-01-02T03:04:05Z","region":"us-east-2",
		"resources":["arn:aws:ec2:us-east-2a:instance/i-1234567890abcdef0"],
		"detail":{"instance-id":"i-1234567890abcdef0","instance-action":"terminate"}}`
	rebalance = `{"version":"0","id":"e-1","detail-type":"EC2 Instance Rebalance Recommendation","source":"aws.ec2",
		"account":"123456789012","time":"2026-01-02T03:04:05Z","region":"us-east-2",
		"resources":["arn:aws:ec2:us-east-2:123456789012:instance/i-1234567890abcdef0"],"detail":{"instance-id":"i-1234567890abcdef0"}}`
	state = `{"id":"e-2","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"123456789012",
		"time":"2026-01-02T03:04:05Z","region":"us-east-2","detail":{"instance-id":"i-1234567890abcdef0","state":"stopping"}}`
	health = `{"version":"0","id":"e-3","detail-type":"AWS Health Event","source":"aws.health","account":"123456789012",
		"time":"2026-01-02T03:04:05Z","region":"us-east-2","resources":["i-1234567890abcdef0"],
		"detail":{"service":"EC2","eventTypeCode":"AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED","eventTypeCategory":"scheduledChange",
		"startTime":"Fri, 16 Jan 2026 12:00:00 GMT","statusCode":"upcoming",
		"affectedEntities":[{"entityValue":"i-1234567890abcdef0","status":"PENDING"},{"entityValue":"vol-1"}]}}`
)

var told = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestParse(t *testing.T) {
	who := []string{"i-1234567890abcdef0"}
	for name, tc := range map[string]struct {
		body string
		want Message
	}{
		"an interruption": {interruption, Message{
			ID: "12345678-1234-1234-1234-123456789012", Topic: Notice, Kind: contract.ReclaimInterruption,
			Account: "123456789012", Region: "us-east-2", At: told, Instances: who, Until: told.Add(2 * time.Minute),
		}},
		"a recommendation": {rebalance, Message{
			ID: "e-1", Topic: Notice, Kind: contract.ReclaimRebalance, Account: "123456789012", Region: "us-east-2", At: told, Instances: who,
		}},
		"a state": {state, Message{ID: "e-2", Topic: State, Account: "123456789012", Region: "us-east-2", At: told, Instances: who}},
		"a retirement": {health, Message{
			ID: "e-3", Topic: Notice, Kind: contract.ReclaimScheduled, Account: "123456789012", Region: "us-east-2", At: told,
			Instances: who, Until: time.Date(2026, 1, 16, 12, 0, 0, 0, time.UTC),
		}},
		"a retirement that is over": {strings.Replace(health, "upcoming", "closed", 1), Message{
			ID: "e-3", Topic: Other, Account: "123456789012", Region: "us-east-2", At: told,
		}},
		"of another service": {strings.Replace(health, `"EC2"`, `"RDS"`, 1), Message{
			ID: "e-3", Topic: Other, Account: "123456789012", Region: "us-east-2", At: told,
		}},
		"something else": {strings.Replace(state, "EC2 Instance State-change Notification", "EC2 AMI State Change", 1), Message{
			ID: "e-2", Topic: Other, Account: "123456789012", Region: "us-east-2", At: told,
		}},
		"a field more": {strings.Replace(rebalance, `"version":"0"`, `"version":"1","new":{"x":[1]}`, 1), Message{
			ID: "e-1", Topic: Notice, Kind: contract.ReclaimRebalance, Account: "123456789012", Region: "us-east-2", At: told, Instances: who,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(tc.body))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"no JSON":            {interruption[:100], "body: no event of EventBridge"},
		"a list":             {"[]", "body: no event of EventBridge"},
		"nothing in it":      {"{}", "id: \"\"; it should be EventBridge's id of the event\naccount: "},
		"another's account":  {strings.Replace(interruption, "123456789012\",\"time", "12345\",\"time", 1), "account: \"12345\"; it should be twelve digits"},
		"no time":            {strings.Replace(interruption, "2026-01-02T03:04:05Z", "yesterday", 1), "time: \"yesterday\""},
		"no instance":        {strings.Replace(rebalance, `"detail":{"instance-id":"i-1234567890abcdef0"}`, `"detail":{}`, 1), "detail.instance-id: \"\""},
		"no detail":          {strings.Replace(rebalance, `"detail":{"instance-id":"i-1234567890abcdef0"}`, `"x":1`, 1), "detail: "},
		"another's resource": {strings.Replace(rebalance, "instance/i-1234567890abcdef0", "instance/i-0000000000000000f", 1), "resources: "},
		"no such action":     {strings.Replace(interruption, `"terminate"`, `"explode"`, 1), "detail.instance-action: \"explode\""},
		"no state":           {strings.Replace(state, `"state":"stopping"`, `"x":1`, 1), "detail.state: missing"},
		"when it begins":     {strings.Replace(health, "Fri, 16 Jan 2026 12:00:00 GMT", "soon", 1), "detail.startTime: \"soon\""},
		"no service":         {strings.Replace(health, `"service":"EC2",`, "", 1), "detail: service or eventTypeCategory is missing"},
		"too long":           {strings.Repeat(" ", MaxBody+1), "body: 1048577 bytes"},
		"a long word":        {strings.Replace(interruption, "123456789012\",\"time", strings.Repeat("9", 5000)+"\",\"time", 1), "999…"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tc.body))
			require.ErrorContains(t, err, tc.want)
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

// Whatever part of a message is left out or is of another type, Parse says so or passes it over; it never names an
// instance that is none.
func TestParseOfMutations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(rapid.SampledFrom([]string{interruption, rebalance, state, health}).Draw(t, "of")), &event))
		object := event
		if detail, ok := event["detail"].(map[string]any); ok && rapid.Bool().Draw(t, "in detail") {
			object = detail
		}
		var keys []string
		for k := range object {
			keys = append(keys, k)
		}
		key := rapid.SampledFrom(keys).Draw(t, "field")
		object[key] = rapid.SampledFrom([]any{nil, "", "x", 1.5, []any{}, []any{"x"}, map[string]any{}, true}).Draw(t, "value")
		body, err := json.Marshal(event)
		require.NoError(t, err)
		m, err := Parse(body)
		if err == nil && m.Topic != Other {
			require.NotEmpty(t, m.Instances)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, body := range []string{interruption, rebalance, state, health, "", "{}", "null", "[]"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := Parse(body)
		if err != nil || m.Topic == Other {
			return
		}
		require.NotEmpty(t, m.ID)
		require.NotEmpty(t, m.Instances)
		for _, id := range m.Instances {
			require.Regexp(t, instanceOf, id)
		}
		require.Equal(t, m.Topic == Notice, Known(m.Kind))
	})
}
