package ec2

import (
	"encoding/base64"
	"strconv"

	"floe.dev/floe/internal/sim/query"
)

// paged are the parameters of actions that answer in pages.
type paged struct {
	MaxResults int
	NextToken  string
}

// pageOf cuts one page out of all items. least and most bound MaxResults; a page has most items where MaxResults is not
// given, or all of them where most is unlimited. The order of items must not change between pages, and new ones must
// come last.
func pageOf[T any](items []T, p paged, least, most int) (page []T, next string, err error) {
	size := most
	if p.MaxResults != 0 {
		size = p.MaxResults
		if size < least || size > most {
			return nil, "", query.Errorf("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", size, least, most)
		}
	}
	start := 0
	if p.NextToken != "" {
		if start, err = parseToken(p.NextToken); err != nil || start > len(items) {
			return nil, "", query.Errorf("InvalidNextToken", "The token '%s' is invalid", p.NextToken)
		}
	}
	end := min(len(items), start+size)
	if end < len(items) {
		next = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return items[start:end], next, nil
}

func parseToken(token string) (int, error) {
	text, err := base64.URLEncoding.DecodeString(token)
	if err != nil {
		return 0, err
	}
	start, err := strconv.ParseUint(string(text), 10, 31)
	return int(start), err
}

// notWith refuses a page size beside IDs, as most of EC2's actions do that take both
// (docs.aws.amazon.com/AWSEC2/latest/APIReference: MaxResults of each).
func (p paged) notWith(name string, ids []string) error {
	if len(ids) == 0 || p.MaxResults == 0 {
		return nil
	}
	return query.Errorf("InvalidParameterCombination", "The parameter %s cannot be used with the parameter maxResults", name)
}
