package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/internal/sim/clock"
)

// TestNoMessageIsLostOrShared lets anything happen in any order: a message that was sent is in exactly one queue until
// its newest receipt deletes it, nobody gets it while it is hidden, and none is received more often than its queue
// allows.
func TestNoMessageIsLostOrShared(t *testing.T) {
	const most = 3
	rapid.Check(t, func(t *rapid.T) {
		now := clock.NewManual(time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC))
		s := New(Config{Clock: now, Seed: 1, Account: "123456789012", Region: "eu-west-1"})
		do := func(action, body string) any {
			answer, err := s.Do(context.Background(), Caller{Base: "http://x", Account: "123456789012"}, action, []byte(body))
			require.NoError(t, err)
			return answer
		}
		do("CreateQueue", `{"QueueName":"dead"}`)
		do("CreateQueue", fmt.Sprintf(`{"QueueName":"work","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%d}"}}`, s.arn("dead"), most))
		sent, deleted := 0, 0
		hidden := map[string]time.Time{} // until when, by message
		receipts := map[string]string{}  // the newest, by message
		t.Repeat(map[string]func(*rapid.T){
			"send": func(*rapid.T) {
				do("SendMessage", `{"QueueUrl":"http://x/123456789012/work","MessageBody":"x"}`)
				sent++
			},
			"receive": func(t *rapid.T) {
				hide := rapid.IntRange(0, 20).Draw(t, "hide")
				answer := do("ReceiveMessage", fmt.Sprintf(`{"QueueUrl":"http://x/123456789012/work","MaxNumberOfMessages":%d,"VisibilityTimeout":%d}`, rapid.IntRange(1, 10).Draw(t, "most"), hide))
				for _, m := range answer.(receiveMessageAnswer).Messages {
					require.False(t, hidden[m.MessageID].After(now.Now()), "somebody else has it")
					hidden[m.MessageID] = now.Now().Add(time.Duration(hide) * time.Second)
					receipts[m.MessageID] = m.ReceiptHandle
				}
			},
			"delete": func(t *rapid.T) {
				if len(receipts) == 0 {
					t.Skip("nothing was received yet")
				}
				id := rapid.SampledFrom(slices.Sorted(maps.Keys(receipts))).Draw(t, "message")
				before := len(s.queues["work"].messages)
				body, err := json.Marshal(map[string]string{"QueueUrl": "http://x/123456789012/work", "ReceiptHandle": receipts[id]})
				require.NoError(t, err)
				do("DeleteMessage", string(body))
				deleted += before - len(s.queues["work"].messages)
				delete(receipts, id)
			},
			"wait": func(t *rapid.T) { now.Advance(time.Duration(rapid.IntRange(1, 15).Draw(t, "seconds")) * time.Second) },
			"": func(t *rapid.T) {
				seen := map[string]bool{}
				for _, q := range s.queues {
					for _, m := range q.messages {
						require.False(t, seen[m.id], "in two places")
						seen[m.id] = true
						require.LessOrEqual(t, m.received, most)
					}
				}
				require.Len(t, seen, sent-deleted)
			},
		})
	})
}
