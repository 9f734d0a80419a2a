package sqs

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"floe.dev/floe/internal/sim/policy"
	"floe.dev/floe/internal/sim/query"
)

// maxInFlight is how many messages of a queue can be received and not deleted
// (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
const maxInFlight = 120000

// maxHidden is how long a message can be hidden from its receipt on
// (…/APIReference/API_ChangeMessageVisibility.html: 12 hours from when it was received).
const maxHidden = 12 * time.Hour

// queue is one queue. The Service's mutex guards it.
type queue struct {
	name       string
	attributes map[string]string // all that can be set, checked
	policy     *policy.Policy    // that of the attributes
	created    time.Time
	modified   time.Time
	purged     time.Time
	gone       bool
	messages   []*message
	// changed is closed and made anew when somebody who waits for messages should look again.
	changed chan struct{}
}

// message is one message of a queue.
type message struct {
	id, body string
	sent     time.Time
	// visible is from when on it can be received.
	visible time.Time
	// received counts how often it was; the last receipt's handle alone deletes it.
	received      int
	firstReceived time.Time
	lastReceived  time.Time
}

// inFlight says whether somebody has the message, and delayed whether nobody can have it yet.
func (m *message) inFlight(now time.Time) bool { return m.received > 0 && m.visible.After(now) }
func (m *message) delayed(now time.Time) bool  { return m.received == 0 && m.visible.After(now) }

func (q *queue) number(attribute string) int {
	// Whatever is in there was checked when it was set.
	n, err := strconv.Atoi(q.attributes[attribute])
	if err != nil {
		return 0
	}
	return n
}

func (q *queue) seconds(attribute string) time.Duration {
	return time.Duration(q.number(attribute)) * time.Second
}

func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// send puts a message into the queue. s.mu is held.
func (s *Service) send(q *queue, body string, delay time.Duration) *message {
	now := s.cfg.Clock.Now()
	if len(q.messages) > 0 && now.Sub(q.messages[0].sent) > q.seconds(retention) {
		q.expire(now) // nobody may ever receive
	}
	m := &message{id: s.uuid(), body: body, sent: now, visible: now.Add(delay)}
	q.messages = append(q.messages, m)
	q.wake()
	return m
}

// expire forgets what is older than the queue keeps.
func (q *queue) expire(now time.Time) {
	oldest := now.Add(-q.seconds(retention))
	q.keep(func(m *message) bool { return m.sent.After(oldest) })
}

func (q *queue) keep(wanted func(*message) bool) {
	kept := q.messages[:0]
	for _, m := range q.messages {
		if wanted(m) {
			kept = append(kept, m)
		}
	}
	clear(q.messages[len(kept):])
	q.messages = kept
}

// redrive moves what was received too often to the dead-letter queue, if there is one. Body, identity and age stay, so
// that retention counts on (…/SQSDeveloperGuide/sqs-dead-letter-queues.html). s.mu is held.
func (s *Service) redrive(q *queue, now time.Time) {
	rule, ok := parseRedrive(q.attributes[redrivePolicy])
	if !ok {
		return
	}
	dead, ok := s.byARN(rule.target)
	if !ok || dead == q {
		return
	}
	moved := false
	q.keep(func(m *message) bool {
		if m.received < rule.most || m.visible.After(now) {
			return true
		}
		m.visible, moved = now, true
		dead.messages = append(dead.messages, m)
		return false
	})
	if moved {
		dead.wake()
	}
}

// take receives up to most messages, hides them, and says when the next one will be visible where it finds none; the
// zero time where none will by itself. s.mu is held.
func (s *Service) take(q *queue, most int, hide time.Duration) (taken []*message, next time.Time, err error) {
	now := s.cfg.Clock.Now()
	q.expire(now)
	s.redrive(q, now)
	var visible []*message
	flying := 0
	for _, m := range q.messages {
		switch {
		case !m.visible.After(now):
			visible = append(visible, m)
		case next.IsZero() || m.visible.Before(next):
			next = m.visible
		}
		if m.inFlight(now) {
			flying++
		}
	}
	if flying >= maxInFlight {
		return nil, next, query.Errorf("OverLimit", "Too many messages in flight: the queue has reached its %d", maxInFlight)
	}
	s.rand.Shuffle(len(visible), func(i, j int) { visible[i], visible[j] = visible[j], visible[i] })
	taken = visible[:min(most, len(visible))]
	for _, m := range taken {
		m.received++
		if m.received == 1 {
			m.firstReceived = now
		}
		m.lastReceived, m.visible = now, now.Add(hide)
	}
	return taken, next, nil
}

// handle is the receipt of a message's last receiving.
func (q *queue) handle(m *message) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s/%s/%d", q.name, m.id, m.received))
}

// byHandle finds the message of a receipt. It is nil where the message is gone, or was received again since.
func (q *queue) byHandle(handle string) (*message, error) {
	if handle == "" {
		return nil, missing("ReceiptHandle")
	}
	text, err := base64.StdEncoding.DecodeString(handle)
	parts := strings.Split(string(text), "/")
	if err != nil || len(parts) != 3 || parts[0] != q.name {
		return nil, query.Errorf("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	for _, m := range q.messages {
		if m.id == parts[1] && strconv.Itoa(m.received) == parts[2] {
			return m, nil
		}
	}
	return nil, nil
}

// remove deletes the message of a receipt. An old receipt deletes nothing, and the call succeeds all the same
// (…/APIReference/API_DeleteMessage.html).
func (q *queue) remove(handle string) error {
	gone, err := q.byHandle(handle)
	if gone != nil {
		q.keep(func(m *message) bool { return m != gone })
	}
	return err
}

// hide lets the message of a receipt be visible after d from now.
func (s *Service) hide(q *queue, handle string, d time.Duration) error {
	m, err := q.byHandle(handle)
	if err != nil {
		return err
	}
	now := s.cfg.Clock.Now()
	switch {
	case d < 0 || d > maxHidden:
		return invalid("VisibilityTimeout", strconv.Itoa(int(d.Seconds())), "must be from 0 to 43200")
	case m == nil || !m.inFlight(now):
		return query.Errorf("MessageNotInflight", "The message referred to isn't in flight.")
	case now.Add(d).Sub(m.lastReceived) > maxHidden:
		return invalid("VisibilityTimeout", strconv.Itoa(int(d.Seconds())), "total visibility timeout for the message is beyond the limit of 43200 seconds")
	}
	m.visible = now.Add(d)
	q.wake()
	return nil
}

func digest(text string) string {
	sum := md5.Sum([]byte(text)) // the protocol wants it; nothing depends on its strength
	return hex.EncodeToString(sum[:])
}
