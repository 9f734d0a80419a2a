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

// retagger has a resource's tags changed: change gets a copy of them.
type retagger struct {
	has   map[string]string
	retag func(change func(tags map[string]string))
}

// taggable finds instances, their root volumes and launch templates. c.mu is held.
func (c *Cloud) taggable(id string) (retagger, error) {
	kept := func(tags *map[string]string) retagger {
		return retagger{*tags, func(change func(map[string]string)) {
			changed := maps.Clone(*tags)
			if changed == nil {
				changed = map[string]string{}
			}
			change(changed)
			*tags = changed
		}}
	}
	switch kind, _, _ := strings.Cut(id, "-"); kind {
	case "lt":
		t, err := c.template(TemplateRef{ID: id})
		if err != nil {
			return retagger{}, err
		}
		return kept(&t.Tags), nil
	case "vol":
		n := slices.IndexFunc(c.order, func(i *Instance) bool { return i.RootVolume == id && i.now().State != Terminated })
		if n < 0 {
			return retagger{}, volumeNotFound(id)
		}
		return kept(&c.order[n].volumeTags), nil
	case "i":
		i, err := c.find(id)
		if err != nil {
			return retagger{}, err
		}
		return retagger{i.now().Tags, func(change func(map[string]string)) { i.retag(c.Now(), change) }}, nil
	}
	return retagger{}, query.Errorf("InvalidID", "The ID '%s' is not valid: instances, their root volumes and launch templates have tags here", id)
}

// retag changes the tags of all resources, or of none where one is unknown or refused by check.
func (c *Cloud) retag(ids []string, check func(has map[string]string) error, change func(tags map[string]string)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := make([]retagger, 0, len(ids))
	for _, id := range ids {
		r, err := c.taggable(id)
		if err == nil {
			err = check(r.has)
		}
		if err != nil {
			return err
		}
		found = append(found, r)
	}
	for _, r := range found {
		r.retag(change)
	}
	return nil
}

// Tag puts tags on instances, their root volumes and launch templates.
func (c *Cloud) Tag(ids []string, tags []Tag) error {
	m, err := tagMap(tags)
	if err != nil {
		return err
	}
	return c.retag(ids, func(has map[string]string) error {
		if tooMany(has, m) {
			return tagLimit()
		}
		return nil
	}, func(tags map[string]string) { maps.Copy(tags, m) })
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

// Untag takes tags off the same: of each key, or only where it has the value that is given.
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
	return c.retag(ids, func(map[string]string) error { return nil }, remove)
}

// TagToDelete names a tag that is to go: without a value, whatever its value is; with one, only where it is the same. No
// tags at all stand for all tags (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteTags.html).
type TagToDelete struct {
	Key   string `query:",required"`
	Value *string
}
