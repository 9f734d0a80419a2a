package sqs

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// mostListed is how many queues one answer names (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html).
const mostListed = 1000

type listQueuesParams struct {
	QueueNamePrefix string
	MaxResults      *int
	NextToken       string
}

type listQueuesAnswer struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	// NextToken is given where MaxResults was, and there are more.
	NextToken string `json:",omitempty"`
}

func (s *Service) listQueues(r request, p listQueuesParams) (any, error) {
	size := mostListed
	if p.MaxResults != nil {
		if size = *p.MaxResults; size < 1 || size > mostListed {
			return nil, invalid("MaxResults", strconv.Itoa(size), "must be from 1 to 1000")
		}
	}
	after, err := base64.URLEncoding.DecodeString(p.NextToken)
	if err != nil || (p.NextToken != "" && p.MaxResults == nil) {
		return nil, invalid("NextToken", p.NextToken, "must be that of an earlier answer, beside the same MaxResults")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer listQueuesAnswer
	last := ""
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if name <= string(after) || !strings.HasPrefix(name, p.QueueNamePrefix) {
			continue
		}
		if len(answer.QueueURLs) == size {
			if p.MaxResults != nil {
				answer.NextToken = base64.URLEncoding.EncodeToString([]byte(last))
			}
			break
		}
		answer.QueueURLs = append(answer.QueueURLs, s.url(r.base, name))
		last = name
	}
	return answer, nil
}
