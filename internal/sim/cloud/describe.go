package cloud

import (
	"regexp"
	"time"

	"floe.dev/floe/internal/sim/query"
)

// terminatedShown is how long a terminated instance is still described
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html: "a short while", within an hour).
const terminatedShown = time.Hour

var instanceIDForm = regexp.MustCompile(`^i-[0-9a-f]{8}([0-9a-f]{9})?$`)

// find is the instance as it is now. c.mu is held.
func (c *Cloud) find(id string) (*Instance, error) {
	if !instanceIDForm.MatchString(id) {
		return nil, query.Errorf("InvalidInstanceID.Malformed", "Invalid id: \"%s\"", id)
	}
	i, ok := c.instances[id]
	if !ok || c.forgotten(i.now()) {
		return nil, instanceNotFound(id)
	}
	return i, nil
}

func instanceNotFound(id string) *query.Error {
	return query.Errorf("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
}

// forgotten says whether an instance is terminated for so long that EC2 shows it no more.
func (c *Cloud) forgotten(r Revision) bool {
	return r.State == Terminated && c.Now().Sub(r.At) > terminatedShown
}

// Instances are the instances of these IDs, or all without any, in order of launch: as they were DescribeLag ago. An ID
// that was not known then is refused.
func (c *Cloud) Instances(ids []string) ([]Snapshot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.Now().Add(-c.cfg.DescribeLag)
	chosen := c.order
	if len(ids) > 0 {
		chosen = make([]*Instance, 0, len(ids))
		for _, id := range ids {
			i, err := c.find(id)
			if err != nil {
				return nil, err
			}
			if _, ok := i.asOf(seen); !ok {
				return nil, instanceNotFound(id)
			}
			chosen = append(chosen, i)
		}
	}
	list := make([]Snapshot, 0, len(chosen))
	for _, i := range chosen {
		if s, ok := i.asOf(seen); ok && !c.forgotten(s.Revision) {
			if c.cfg.TagLag > 0 {
				s.Tags = i.tagsAsOf(seen.Add(-c.cfg.TagLag))
			}
			list = append(list, s)
		}
	}
	return list, nil
}

// Record is all there is to say of an instance.
type Record struct {
	Snapshot
	// Since is when it first came into each state.
	Since   map[State]time.Time
	Boots   int
	CostUSD float64
}

// Records are all instances there ever were, in order of launch, as they truly are.
func (c *Cloud) Records() []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	list := make([]Record, 0, len(c.order))
	for _, i := range c.order {
		r := Record{Snapshot: Snapshot{&i.Facts, i.now()}, Since: map[State]time.Time{}, Boots: i.boots, CostUSD: i.costUSD(now)}
		for _, rev := range i.revisions {
			if _, known := r.Since[rev.State]; !known {
				r.Since[rev.State] = rev.At
			}
		}
		list = append(list, r)
	}
	return list
}
