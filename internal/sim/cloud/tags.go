package cloud

import (
	"maps"
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
		do = append(do, func() { i.tag(c.Now(), m) })
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
