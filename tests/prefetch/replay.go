package prefetch

import (
	"time"

	"floe.dev/floe/internal/images"
)

const (
	// frozen is how many machines sleep at a time; the one that has slept longest is woken first.
	frozen = 5
	// refill is how long it takes until another machine is frozen in the place of one that woke.
	refill = 10 * time.Minute
	// pullRate is what a pull brings a second, unpacked, and overhead what it costs beside: round figures of a machine with a
	// gp3 volume as it comes (125 MiB/s, read and written).
	pullRate = 60e6
	overhead = 500 * time.Millisecond
)

// Oracle is no policy that anybody can have: it knows what each machine will need. What it saves is what could be.
const Oracle images.Policy = "oracle"

// Policies that are compared.
var Policies = []images.Policy{images.Scored, images.LFU, images.LRU, Oracle}

// Result is what a policy saved.
type Result struct {
	// Wakes of machines that were judged.
	Wakes int
	// Needed and Hit are bytes of images that the woken machines needed, and of those that were on their disks.
	Needed, Hit int64
	// Pulling is the time that pulls would have taken without anything prefetched, and Saved what of it was saved: of one
	// image after the other, as kubelets pull by default.
	Pulling, Saved time.Duration
}

// HitRatio is the part of the bytes that was there.
func (r Result) HitRatio() float64 { return float64(r.Hit) / float64(max(1, r.Needed)) }

// SavedPerWake is how much sooner a machine had all its images.
func (r Result) SavedPerWake() time.Duration { return r.Saved / time.Duration(max(1, r.Wakes)) }

// Add another's.
func (r Result) Add(o Result) Result {
	return Result{r.Wakes + o.Wakes, r.Needed + o.Needed, r.Hit + o.Hit, r.Pulling + o.Pulling, r.Saved + o.Saved}
}

// Replay wakes machines through the synthetic workload of a seed, each with the images that the policy chose when it was
// frozen, within a budget of bytes. So many weeks are judged, after two that only teach.
func Replay(seed uint64, weeks int, policy images.Policy, budget int64) (r Result) {
	starts := workload(seed, teach+weeks)
	judged := starts[0].at.Truncate(24*time.Hour).AddDate(0, 0, 7*teach)
	ledger := images.NewLedger(nil)
	var sleeping []map[string]bool // what each has on its disk, the longest asleep first
	var freezes []time.Time        // machines on their way there
	for _, s := range starts {
		for len(freezes) > 0 && !freezes[0].After(s.at) {
			sleeping = append(sleeping, chosen(ledger, policy, freezes[0], budget))
			freezes = freezes[1:]
		}
		if s.at.Before(judged) {
			ledger.Learn(uses(s)...)
			continue
		}
		if len(sleeping)+len(freezes) == 0 {
			for range frozen {
				sleeping = append(sleeping, chosen(ledger, policy, s.at, budget))
			}
		}
		for _, machine := range s.machines {
			if len(sleeping) == 0 {
				break // launched cold
			}
			r = r.Add(wake(machine, s.at, sleeping[0], policy == Oracle, budget))
			sleeping = sleeping[1:]
			freezes = append(freezes, s.at.Add(refill))
		}
		ledger.Learn(uses(s)...)
	}
	return r
}

func chosen(l *images.Ledger, policy images.Policy, at time.Time, budget int64) map[string]bool {
	has := map[string]bool{}
	if policy != Oracle {
		for _, c := range l.Choose(policy, at, budget) {
			if c.Prefetch {
				has[c.Image] = true
			}
		}
	}
	return has
}

// wake judges one machine.
func wake(pods []*program, at time.Time, has map[string]bool, all bool, room int64) Result {
	r := Result{Wakes: 1}
	seen := map[string]bool{}
	for _, p := range pods {
		image := p.image(at)
		if seen[image] {
			continue
		}
		seen[image] = true
		takes := overhead + time.Duration(float64(p.bytes)/pullRate*float64(time.Second))
		r.Needed += p.bytes
		r.Pulling += takes
		if all && p.bytes <= room {
			room -= p.bytes
		} else if !has[image] {
			continue
		}
		r.Hit += p.bytes
		r.Saved += takes
	}
	return r
}

// uses of a start, as the watcher tells them.
func uses(s start) []images.Use {
	byImage := map[string]*images.Use{}
	for _, pods := range s.machines {
		here := map[string]bool{}
		for _, p := range pods {
			image := p.image(s.at)
			u := byImage[image]
			if u == nil {
				u = &images.Use{Image: image, Bytes: p.bytes, At: s.at}
				byImage[image] = u
			}
			u.Pods++
			if !here[image] {
				u.Nodes++
			}
			here[image] = true
		}
	}
	list := make([]images.Use, 0, len(byImage))
	for _, u := range byImage {
		list = append(list, *u)
	}
	return list
}
