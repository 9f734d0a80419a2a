package events

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

// queue remembers what was put.
type queue struct {
	bodies []string
	forged int
}

func (q *queue) Deliver(name, rule, body string) error {
	if name != "floe" || rule != "rule" {
		return query.Errorf("QueueDoesNotExist", "no such queue")
	}
	q.bodies = append(q.bodies, body)
	return nil
}

func (q *queue) Forge(name, body string) error {
	q.forged++
	return q.Deliver(name, "rule", body)
}

// instances are whom the messages are about; ? is one that nobody can read.
func (q *queue) instances() []string {
	list := []string{}
	for _, body := range q.bodies {
		var m struct {
			Detail map[string]any `json:"detail"`
		}
		if json.Unmarshal([]byte(body), &m) != nil {
			list = append(list, "?")
			continue
		}
		list = append(list, m.Detail["instance-id"].(string))
	}
	return list
}

func newBus(name string) (*Bus, *queue, *clock.Manual) {
	now := clock.NewManual(time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC))
	q := &queue{}
	return New(Config{Clock: now, Log: slog.New(slog.DiscardHandler), Speed: 1, Queue: name, Rule: "rule", Sink: q}), q, now
}

func event(instance string, kind cloud.EventKind) cloud.Event {
	return cloud.Event{
		Kind: kind, At: time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC), Account: "123456789012", Region: "eu-west-1",
		Zone: cloud.DefaultZones[0], Instance: instance, State: cloud.Stopping, Until: time.Date(2026, 8, 14, 12, 0, 0, 0, time.UTC),
	}
}

// TestShapes holds the bodies against the examples in AWS's documentation; body.go says where each is.
func TestShapes(t *testing.T) {
	b, q, _ := newBus("floe")
	for _, kind := range []cloud.EventKind{cloud.Interruption, cloud.Rebalance, cloud.StateChange, cloud.ScheduledChange} {
		b.Tell(event("i-1234567890abcdef0", kind))
	}
	id := func(n int) string {
		var m envelope
		require.NoError(t, json.Unmarshal([]byte(q.bodies[n]), &m))
		require.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, m.ID)
		return m.ID
	}
	common := `"version":"0","account":"123456789012","time":"2026-07-31T12:00:00Z","region":"eu-west-1"`
	require.JSONEq(t, `{`+common+`,"id":"`+id(0)+`","source":"aws.ec2","detail-type":"EC2 Spot Instance Interruption Warning",
		"resources":["arn:aws:ec2:eu-west-1a:instance/i-1234567890abcdef0"],
		"detail":{"instance-id":"i-1234567890abcdef0","instance-action":"terminate"}}`, q.bodies[0])
	require.JSONEq(t, `{`+common+`,"id":"`+id(1)+`","source":"aws.ec2","detail-type":"EC2 Instance Rebalance Recommendation",
		"resources":["arn:aws:ec2:eu-west-1:123456789012:instance/i-1234567890abcdef0"],
		"detail":{"instance-id":"i-1234567890abcdef0"}}`, q.bodies[1])
	require.JSONEq(t, `{`+common+`,"id":"`+id(2)+`","source":"aws.ec2","detail-type":"EC2 Instance State-change Notification",
		"resources":["arn:aws:ec2:eu-west-1:123456789012:instance/i-1234567890abcdef0"],
		"detail":{"instance-id":"i-1234567890abcdef0","state":"stopping"}}`, q.bodies[2])
	var health struct {
		Source     string       `json:"source"`
		DetailType string       `json:"detail-type"`
		Resources  []string     `json:"resources"`
		Detail     healthDetail `json:"detail"`
	}
	require.NoError(t, json.Unmarshal([]byte(q.bodies[3]), &health))
	require.Equal(t, "aws.health", health.Source)
	require.Equal(t, "AWS Health Event", health.DetailType)
	require.Equal(t, []string{"i-1234567890abcdef0"}, health.Resources)
	require.Equal(t, "scheduledChange", health.Detail.EventTypeCategory)
	require.Equal(t, "i-1234567890abcdef0", health.Detail.AffectedEntities[0]["entityValue"])
	require.Equal(t, "Fri, 14 Aug 2026 12:00:00 GMT", health.Detail.StartTime)
}

func TestMishaps(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		now    []string
		later  []string // in a minute
	}{
		"none":          {"", []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		"lost":          {"event interruption lost", []string{"b", "c"}, []string{"b", "c"}},
		"late":          {"event interruption late 45s", []string{"b", "c"}, []string{"b", "c", "a"}},
		"twice":         {"event * 2 twice", []string{"a", "a", "b", "b", "c"}, []string{"a", "a", "b", "b", "c"}},
		"malformed":     {"event interruption malformed", []string{"?", "b", "c"}, []string{"?", "b", "c"}},
		"reordered":     {"event interruption reordered", []string{"b", "a", "c"}, []string{"b", "a", "c"}},
		"nothing comes": {"event * 3 reordered", []string{}, []string{"a", "b", "c"}},
		"other kind":    {"event rebalance lost", []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		"the next ones": {"event interruption 2 lost", []string{"c"}, []string{"c"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, q, now := newBus("floe")
			lines, err := script.Parse(test.script)
			require.NoError(t, err)
			for _, line := range lines {
				b.Meet(*line.Mishap)
			}
			for _, instance := range []string{"a", "b", "c"} {
				b.Tell(event(instance, cloud.Interruption))
			}
			require.Equal(t, test.now, q.instances())
			now.Advance(time.Minute)
			require.Equal(t, test.later, q.instances())
		})
	}
}

func TestTheSameEventTwiceHasOneID(t *testing.T) {
	b, q, _ := newBus("floe")
	b.Meet(script.Mishap{Event: "*", Kind: script.Twice, Count: 1})
	b.Tell(event("a", cloud.Rebalance))
	b.Tell(event("a", cloud.Rebalance))
	require.Len(t, q.bodies, 3)
	require.Equal(t, q.bodies[0], q.bodies[1])
	require.NotEqual(t, q.bodies[1], q.bodies[2])
}

func TestAnEventForNoQueueIsLost(t *testing.T) {
	b, q, _ := newBus("elsewhere")
	b.Tell(event("a", cloud.Interruption))
	b.Tell(event("a", cloud.Interruption))
	require.Empty(t, q.bodies)
	require.Equal(t, map[string]int{"QueueDoesNotExist": 2}, b.Refused())
}

func TestAForgedEventIsNotEventBridges(t *testing.T) {
	b, q, now := newBus("floe")
	b.Meet(script.Mishap{Event: "*", Kind: script.Late, Count: 1, By: time.Second})
	forged := event("a", cloud.Interruption)
	forged.Forged = true
	b.Tell(forged)
	b.Tell(event("b", cloud.Interruption))
	require.Zero(t, q.forged)
	now.Advance(time.Second)
	require.Equal(t, 1, q.forged, "late or not")
	require.Equal(t, []string{"b", "a"}, q.instances())
}
