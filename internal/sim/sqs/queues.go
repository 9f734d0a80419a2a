package sqs

import (
	"regexp"
	"strings"
	"time"

	"floe.dev/floe/internal/sim/query"
)

// nameForm is that of a standard queue's name (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html).
var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

const (
	// afterDeletion is how long a queue's name cannot be used again (…/API_DeleteQueue.html: 60 seconds).
	afterDeletion = time.Minute
	// betweenPurges is how long a purge keeps the next one off (…/API_PurgeQueue.html: 60 seconds).
	betweenPurges = time.Minute
)

type createQueueParams struct {
	QueueName  string
	Attributes map[string]string
}

type queueURL struct {
	QueueURL string `json:"QueueUrl"`
}

// createQueue makes a queue, or answers with the one of that name if the request does not contradict it.
func (s *Service) createQueue(r request, p createQueueParams) (any, error) {
	if p.QueueName == "" {
		return nil, missing("QueueName")
	}
	if strings.HasSuffix(p.QueueName, ".fifo") {
		return nil, query.Errorf("UnsupportedOperation", "The simulator has standard queues only: no name ends in .fifo")
	}
	if !nameForm.MatchString(p.QueueName) {
		return nil, invalid("QueueName", p.QueueName, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkAttributes(p.Attributes); err != nil {
		return nil, err
	}
	if q, known := s.queues[p.QueueName]; known {
		for name, value := range p.Attributes {
			if q.attributes[name] != value {
				return nil, query.Errorf("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", name)
			}
		}
		return queueURL{s.url(r.base, q.name)}, nil
	}
	now := s.cfg.Clock.Now()
	if gone, recently := s.deleted[p.QueueName]; recently && now.Sub(gone) < afterDeletion {
		return nil, query.Errorf("QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	q := &queue{name: p.QueueName, attributes: usual(), created: now, modified: now, changed: make(chan struct{})}
	if err := q.set(p.Attributes); err != nil {
		return nil, err
	}
	s.queues[q.name] = q
	return queueURL{s.url(r.base, q.name)}, nil
}

type queueParams struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) deleteQueue(_ request, p queueParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	delete(s.queues, q.name)
	s.deleted[q.name] = s.cfg.Clock.Now()
	q.gone = true
	q.wake()
	return struct{}{}, nil
}

type getQueueURLParams struct {
	QueueName              string
	QueueOwnerAWSAccountID string `json:"QueueOwnerAWSAccountId"`
}

func (s *Service) getQueueURL(r request, p getQueueURLParams) (any, error) {
	if p.QueueName == "" {
		return nil, missing("QueueName")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.queues[p.QueueName]
	if !known || (p.QueueOwnerAWSAccountID != "" && p.QueueOwnerAWSAccountID != s.cfg.Account) {
		return nil, noSuchQueue()
	}
	return queueURL{s.url(r.base, p.QueueName)}, nil
}

type getQueueAttributesParams struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

func (s *Service) getQueueAttributes(_ request, p getQueueAttributesParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	names, err := attributeNames(p.AttributeNames)
	if err != nil {
		return nil, err
	}
	q.expire(s.cfg.Clock.Now())
	answer := struct{ Attributes map[string]string }{map[string]string{}}
	for _, name := range names {
		if value, has := s.attribute(q, name); has {
			answer.Attributes[name] = value
		}
	}
	return answer, nil
}

type setQueueAttributesParams struct {
	QueueURL   string `json:"QueueUrl"`
	Attributes map[string]string
}

func (s *Service) setQueueAttributes(_ request, p setQueueAttributesParams) (any, error) {
	if len(p.Attributes) == 0 {
		return nil, missing("Attributes")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := s.checkAttributes(p.Attributes); err != nil {
		return nil, err
	}
	if err := q.set(p.Attributes); err != nil {
		return nil, err
	}
	q.modified = s.cfg.Clock.Now()
	return struct{}{}, nil
}

func (s *Service) purgeQueue(_ request, p queueParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Clock.Now()
	if !q.purged.IsZero() && now.Sub(q.purged) < betweenPurges {
		return nil, query.Errorf("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
	}
	q.purged, q.messages = now, nil
	return struct{}{}, nil
}
