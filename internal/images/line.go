package images

import (
	"cmp"
	"slices"
	"time"
)

// rollout is how long a release may take until nothing begins to run with the image before it.
const rollout = 6 * time.Hour

// line is images of one repository that took each other's place, the newest last: releases of one thing. What the older
// ones did foretells what the newest will do, which by itself has no history; and none of the older ones comes again.
type line struct {
	images []*image
}

func (l *line) head() *image { return l.images[len(l.images)-1] }

// uses of all of the line's images, the earliest first.
func (l *line) uses() []Use {
	var all []Use
	for _, i := range l.images {
		all = append(all, i.uses...)
	}
	slices.SortFunc(all, func(a, b Use) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Image, b.Image)) })
	return all
}

// lineages finds the lines. An image takes the place of another of its repository whose uses ended at most one rollout after
// its own began; of several it is the one that was used last. Images that go on beside each other (one repository with
// a tag for each program, a release that was taken back) are lines of their own.
func (l *Ledger) lineages() []*line {
	if len(l.lines) > 0 {
		return l.lines
	}
	byAge := l.sorted()
	slices.SortStableFunc(byAge, func(a, b *image) int { return a.first().Compare(b.first()) })
	open := map[string][]*line{} // by repository
	for _, i := range byAge {
		repository := Repository(i.name)
		var before *line
		for _, candidate := range open[repository] {
			last := candidate.head().last()
			if !last.After(i.first().Add(rollout)) && last.Before(i.last().Add(Window)) &&
				(before == nil || last.After(before.head().last())) {
				before = candidate
			}
		}
		if before == nil {
			before = &line{}
			open[repository] = append(open[repository], before)
			l.lines = append(l.lines, before)
		}
		before.images = append(before.images, i)
	}
	return l.lines
}

// longest is the longest time between two uses, and a day where there is one use only; an hour at least.
func longest(uses []Use) time.Duration {
	if len(uses) < 2 {
		return 24 * time.Hour
	}
	gap := time.Hour
	for i := 1; i < len(uses); i++ {
		gap = max(gap, uses[i].At.Sub(uses[i-1].At))
	}
	return gap
}
