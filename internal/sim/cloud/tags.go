package cloud

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"floe.dev/floe/internal/sim/query"
)

// Limits of tags (docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html, "Tag restrictions").
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// checkSpecs checks the tags of a launch.
func checkSpecs(specs []TagSpec) error {
	for _, s := range specs {
		if s.ResourceType == "" {
			return query.Errorf("MissingParameter", "The request must contain the parameter TagSpecification.ResourceType")
		}
		if _, err := tagMap(s.Tags); err != nil {
			return err
		}
	}
	return nil
}

// tagMap checks tags as EC2 does.
func tagMap(tags []Tag) (map[string]string, error) {
	m := map[string]string{}
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey:
			return nil, query.Errorf("InvalidParameterValue", "Tag keys have 1 to %d characters: '%s'", maxTagKey, t.Key)
		case utf8.RuneCountInString(t.Value) > maxTagValue:
			return nil, query.Errorf("InvalidParameterValue", "Tag values have at most %d characters: that of '%s' has more", maxTagValue, t.Key)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, query.Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use: '%s'", t.Key)
		}
		if _, twice := m[t.Key]; twice {
			return nil, query.Errorf("InvalidParameterValue", "Duplicate tag key '%s' specified.", t.Key)
		}
		m[t.Key] = t.Value
	}
	if len(m) > maxTags {
		return nil, tagLimit()
	}
	return m, nil
}

func tagLimit() error {
	return query.Errorf("TagLimitExceeded", "A resource takes at most %d tags", maxTags)
}

// TagsFor are the tags that specs put on one kind of resource.
func TagsFor(specs []TagSpec, resource string) map[string]string {
	tags := map[string]string{}
	for _, s := range specs {
		if s.ResourceType != resource {
			continue
		}
		for _, t := range s.Tags {
			tags[t.Key] = t.Value
		}
	}
	return tags
}

// Tag puts tags on instances and launch templates.
func (c *Cloud) Tag(ids []string, tags []Tag) error {
	m, err := tagMap(tags)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var do []func()
	for _, id := range ids {
		if t, ok := c.templates[id]; ok {
			do = append(do, func() {
				merged := maps.Clone(t.Tags)
				if merged == nil {
					merged = map[string]string{}
				}
				maps.Copy(merged, m)
				t.Tags = merged
			})
			continue
		}
		i, err := c.find(id)
		if err != nil {
			return err
		}
		if tooMany(i.now().Tags, m) {
			return tagLimit()
		}
		do = append(do, func() { i.retag(c.Now(), func(tags map[string]string) { maps.Copy(tags, m) }) })
	}
	for _, f := range do {
		f()
	}
	return nil
}

// tooMany says whether more tags would be on a resource than it takes; AWS's own do not count.
func tooMany(has, more map[string]string) bool {
	n := len(more)
	for key := range has {
		if _, replaced := more[key]; !replaced && !strings.HasPrefix(key, "aws:") {
			n++
		}
	}
	return n > maxTags
}

// Untag takes tags off instances and launch templates: of each key, or only where it has the value that is given.
// Tags that are not there are no error, and AWS's own cannot be taken off.
func (c *Cloud) Untag(ids []string, tags []TagToDelete) error {
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return query.Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use: '%s'", t.Key)
		}
	}
	remove := func(from map[string]string) {
		for key, value := range from {
			if strings.HasPrefix(strings.ToLower(key), "aws:") {
				continue
			}
			if len(tags) == 0 || slices.ContainsFunc(tags, func(t TagToDelete) bool {
				return t.Key == key && (t.Value == nil || *t.Value == value)
			}) {
				delete(from, key)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var do []func()
	for _, id := range ids {
		if t, ok := c.templates[id]; ok {
			do = append(do, func() {
				t.Tags = maps.Clone(t.Tags)
				remove(t.Tags)
			})
			continue
		}
		i, err := c.find(id)
		if err != nil {
			return err
		}
		do = append(do, func() { i.retag(c.Now(), remove) })
	}
	for _, f := range do {
		f()
	}
	return nil
}

// TagToDelete names a tag that is to go: without a value, whatever its value is; with one, only where it is the same. No
// tags at all stand for all tags (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteTags.html).
type TagToDelete struct {
	Key   string `query:",required"`
	Value *string
}
