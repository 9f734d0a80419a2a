package cloud

import (
	"slices"
	"time"

	"floe.dev/floe/internal/sim/query"
)

// Volume is the root volume of an instance; the simulator knows no others. It goes with its instance.
type Volume struct {
	ID         string
	Instance   string
	State      string // in-use
	Device     string
	Type       string
	SizeGiB    int
	MiBs       int // throughput, in MiB a second
	Encrypted  bool
	Zone       Zone
	Created    time.Time
	Tags       map[string]string
	SnapshotOf string // the image it was made from
}

// Volumes are the volumes of these IDs, or all without any.
func (c *Cloud) Volumes(ids []string) ([]Volume, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.Now().Add(-c.cfg.DescribeLag)
	found := map[string]bool{}
	var list []Volume
	for _, i := range c.order {
		if len(ids) > 0 && !slices.Contains(ids, i.RootVolume) {
			continue
		}
		s, ok := i.asOf(seen)
		if !ok || s.State == Terminated {
			continue
		}
		found[i.RootVolume] = true
		list = append(list, Volume{
			ID: i.RootVolume, Instance: i.ID, State: "in-use", Device: RootDevice, Type: i.RootType, SizeGiB: i.RootGiB,
			MiBs: i.RootMiBs, Encrypted: i.Encrypted, Zone: i.Zone, Created: i.Launched, Tags: i.volumeTags,
			SnapshotOf: i.Image.ID,
		})
	}
	for _, id := range ids {
		if !found[id] {
			return nil, volumeNotFound(id)
		}
	}
	return list, nil
}

func volumeNotFound(id string) *query.Error {
	return query.Errorf("InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
}
