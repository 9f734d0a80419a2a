package sqs

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"floe.dev/floe/internal/sim/query"
)

type sendParams struct {
	MessageBody  string
	DelaySeconds *int
}

type sendMessageParams struct {
	QueueURL string `json:"QueueUrl"`
	sendParams
}

type sentMessage struct {
	MD5OfMessageBody string
	MessageID        string `json:"MessageId"`
}

func (s *Service) sendMessage(_ request, p sendMessageParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	m, err := s.accept(q, p.sendParams)
	if err != nil {
		return nil, err
	}
	return sentMessage{digest(m.body), m.id}, nil
}

// accept checks a message and puts it into the queue. s.mu is held.
func (s *Service) accept(q *queue, p sendParams) (*message, error) {
	delay := q.number(delaySeconds)
	if p.DelaySeconds != nil {
		delay = *p.DelaySeconds
	}
	bounds := numbers[delaySeconds]
	switch {
	case p.MessageBody == "":
		return nil, missing("MessageBody")
	case len(p.MessageBody) > q.number(maxSize):
		return nil, query.Errorf("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.number(maxSize)+1)
	case !speakable(p.MessageBody):
		return nil, query.Errorf("InvalidMessageContents", "The message contains characters outside the allowed set.")
	case delay < bounds.least || delay > bounds.most:
		return nil, invalid(delaySeconds, strconv.Itoa(delay), "must be from 0 to 900")
	}
	return s.send(q, p.MessageBody, time.Duration(delay)*time.Second), nil
}

// speakable says whether a body has allowed characters only (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html:
// #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF).
func speakable(body string) bool {
	for _, r := range body {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
		case r < 0x20 || r == 0xFFFE || r == 0xFFFF:
			return false
		}
	}
	return utf8.ValidString(body)
}

// mostReceived is how many messages one call receives at most (…/API_ReceiveMessage.html).
const mostReceived = 10

type receiveMessageParams struct {
	QueueURL                    string `json:"QueueUrl"`
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string // the deprecated name of the next
	MessageSystemAttributeNames []string
}

type receivedMessage struct {
	MessageID     string `json:"MessageId"`
	ReceiptHandle string
	MD5OfBody     string
	Body          string
	Attributes    map[string]string `json:",omitempty"`
}

type receiveMessageAnswer struct {
	Messages []receivedMessage `json:",omitempty"`
}

// receiveMessage receives what is there, or waits for it as long as the request or the queue says.
func (s *Service) receiveMessage(r request, p receiveMessageParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	asked := append(slices.Clone(p.AttributeNames), p.MessageSystemAttributeNames...)
	most, hide, wait, err := receiving(q, p)
	if err == nil {
		err = checkSystemAttributes(asked)
	}
	if err != nil {
		return nil, err
	}
	until := s.cfg.Clock.Now().Add(wait)
	for {
		taken, next, err := s.take(q, most, hide)
		if err != nil {
			return nil, err
		}
		if len(taken) > 0 || !s.cfg.Clock.Now().Before(until) || r.ctx.Err() != nil {
			return s.received(q, taken, asked), nil
		}
		if next.IsZero() || next.After(until) {
			next = until
		}
		s.await(r, q, next)
		if q.gone {
			return nil, noSuchQueue()
		}
	}
}

// receiving is how many messages a call receives, for how long they are hidden, and how long it waits.
func receiving(q *queue, p receiveMessageParams) (most int, hide, wait time.Duration, err error) {
	most, hideFor, waitFor := 1, q.number(visibility), q.number(waitTime)
	for _, n := range []struct {
		name        string
		given       *int
		into        *int
		least, most int
	}{
		{"MaxNumberOfMessages", p.MaxNumberOfMessages, &most, 1, mostReceived},
		{visibility, p.VisibilityTimeout, &hideFor, numbers[visibility].least, numbers[visibility].most},
		{"WaitTimeSeconds", p.WaitTimeSeconds, &waitFor, numbers[waitTime].least, numbers[waitTime].most},
	} {
		if n.given == nil {
			continue
		}
		if *n.given < n.least || *n.given > n.most {
			return 0, 0, 0, invalid(n.name, strconv.Itoa(*n.given), "must be from "+strconv.Itoa(n.least)+" to "+strconv.Itoa(n.most))
		}
		*n.into = *n.given
	}
	return most, time.Duration(hideFor) * time.Second, time.Duration(waitFor) * time.Second, nil
}

// await waits until the queue changes, the time comes or the caller is gone. s.mu is held, but not while it waits.
func (s *Service) await(r request, q *queue, until time.Time) {
	due := make(chan struct{})
	stop := s.cfg.Clock.AfterFunc(until.Sub(s.cfg.Clock.Now()), func() { close(due) })
	defer stop()
	changed := q.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
	case <-due:
	case <-r.ctx.Done():
	}
}

// received are the answers for messages just taken. s.mu is held.
func (s *Service) received(q *queue, taken []*message, asked []string) receiveMessageAnswer {
	var answer receiveMessageAnswer
	for _, m := range taken {
		item := receivedMessage{MessageID: m.id, ReceiptHandle: q.handle(m), MD5OfBody: digest(m.body), Body: m.body}
		for name, value := range s.systemAttributes(m) {
			if slices.Contains(asked, name) || slices.Contains(asked, "All") {
				if item.Attributes == nil {
					item.Attributes = map[string]string{}
				}
				item.Attributes[name] = value
			}
		}
		answer.Messages = append(answer.Messages, item)
	}
	return answer
}

func (s *Service) systemAttributes(m *message) map[string]string {
	return map[string]string{
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.firstReceived.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"SenderId":                         s.cfg.Account,
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
	}
}

// checkSystemAttributes refuses names that no message here can have; those of FIFO queues and of AWS X-Ray are known to
// SQS and never set.
func checkSystemAttributes(asked []string) error {
	known := []string{
		"All", "ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "SenderId", "SentTimestamp",
		"AWSTraceHeader", "DeadLetterQueueSourceArn", "MessageDeduplicationId", "MessageGroupId", "SequenceNumber",
	}
	for _, name := range asked {
		if !slices.Contains(known, name) {
			return query.Errorf("InvalidParameterValue", "Unknown attribute %s.", name)
		}
	}
	return nil
}

type receiptParams struct {
	ReceiptHandle string
}

type deleteMessageParams struct {
	QueueURL string `json:"QueueUrl"`
	receiptParams
}

func (s *Service) deleteMessage(_ request, p deleteMessageParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	return struct{}{}, q.remove(p.ReceiptHandle)
}

type hideParams struct {
	ReceiptHandle     string
	VisibilityTimeout *int
}

type changeMessageVisibilityParams struct {
	QueueURL string `json:"QueueUrl"`
	hideParams
}

func (s *Service) changeMessageVisibility(_ request, p changeMessageVisibilityParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.rehide(q, p.hideParams)
}

func (s *Service) rehide(q *queue, p hideParams) error {
	if p.VisibilityTimeout == nil {
		return missing(visibility)
	}
	return s.hide(q, p.ReceiptHandle, time.Duration(*p.VisibilityTimeout)*time.Second)
}
