package sqs

import (
	"regexp"

	"floe.dev/floe/internal/sim/query"
)

const (
	// mostEntries is how many entries a batch has at most, and mostBatchBytes how many bytes all bodies of one have
	// (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html).
	mostEntries    = 10
	mostBatchBytes = 1 << 20
)

// idForm is that of an entry's Id.
var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

type batchAnswer struct {
	Successful []any         `json:",omitempty"`
	Failed     []failedEntry `json:",omitempty"`
}

type failedEntry struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

type doneEntry struct {
	ID string `json:"Id"`
}

type sentEntry struct {
	ID string `json:"Id"`
	sentMessage
}

// batch does something to each entry: what goes wrong with one is told of that one. s.mu is held.
func batch[E any](entries []E, id func(E) string, do func(E) (any, error)) (any, error) {
	switch {
	case len(entries) == 0:
		return nil, query.Errorf("EmptyBatchRequest", "There should be at least one entry in the request.")
	case len(entries) > mostEntries:
		return nil, query.Errorf("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", mostEntries, len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		switch {
		case !idForm.MatchString(id(e)):
			return nil, query.Errorf("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		case seen[id(e)]:
			return nil, query.Errorf("BatchEntryIdsNotDistinct", "Id %s repeated.", id(e))
		}
		seen[id(e)] = true
	}
	var answer batchAnswer
	for _, e := range entries {
		done, err := do(e)
		if err != nil {
			refused := query.AsError(err)
			answer.Failed = append(answer.Failed, failedEntry{id(e), true, refused.Code, refused.Message})
			continue
		}
		answer.Successful = append(answer.Successful, done)
	}
	return answer, nil
}

type sendEntry struct {
	ID string `json:"Id"`
	sendParams
}

type sendMessageBatchParams struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []sendEntry
}

func (s *Service) sendMessageBatch(_ request, p sendMessageBatchParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, e := range p.Entries {
		size += len(e.MessageBody)
	}
	if size > mostBatchBytes {
		return nil, query.Errorf("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", mostBatchBytes, size)
	}
	return batch(p.Entries, func(e sendEntry) string { return e.ID }, func(e sendEntry) (any, error) {
		m, err := s.accept(q, e.sendParams)
		if err != nil {
			return nil, err
		}
		return sentEntry{e.ID, sentMessage{digest(m.body), m.id}}, nil
	})
}

type deleteEntry struct {
	ID string `json:"Id"`
	receiptParams
}

type deleteMessageBatchParams struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []deleteEntry
}

func (s *Service) deleteMessageBatch(_ request, p deleteMessageBatchParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	return batch(p.Entries, func(e deleteEntry) string { return e.ID }, func(e deleteEntry) (any, error) {
		return doneEntry{e.ID}, q.remove(e.ReceiptHandle)
	})
}

type hideEntry struct {
	ID string `json:"Id"`
	hideParams
}

type changeMessageVisibilityBatchParams struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []hideEntry
}

func (s *Service) changeMessageVisibilityBatch(_ request, p changeMessageVisibilityBatchParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(p.QueueURL)
	if err != nil {
		return nil, err
	}
	return batch(p.Entries, func(e hideEntry) string { return e.ID }, func(e hideEntry) (any, error) {
		return doneEntry{e.ID}, s.rehide(q, e.hideParams)
	})
}
