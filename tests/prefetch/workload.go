// Package prefetch replays what machines would have found on their disks when they woke, had their images been chosen by one
// policy or another. SYNTHETIC: the workload is drawn from a generator, and nothing of it was seen on a real cluster.
package prefetch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// teach is how many weeks of a workload only teach; those after them are judged.
const teach = 2

// program is one thing that pods run: a service or a job. Its image changes with each release.
type program struct {
	name     string
	bytes    int64
	weight   float64 // how many of the pods are its, against the others
	busy     func(time.Time) float64
	releases []time.Time
}

// image that its pods run at a time.
func (p *program) image(at time.Time) string {
	n, _ := slices.BinarySearchFunc(p.releases, at, time.Time.Compare)
	return fmt.Sprintf("registry.example/%s@sha256:%064x", p.name, n+1)
}

// start is machines that a pool gains at a moment, each with its pods' programs.
type start struct {
	at       time.Time
	machines [][]*program
}

// workload draws the starts of some weeks:
//
//   - 40 services, their popularity falling as 1/rank, of 60 MiB to 1.5 GiB; a third busy at all hours, a third in office
//     hours, a third in the evening; each released every three days on average, on working days;
//   - 6 jobs of 1 to 4 GiB at two every night, and 3 on Sundays at four, released every two weeks;
//   - 6 experiments a day of 1 to 2 GiB, each with an image of its own, on one or two machines, never seen again;
//   - the pool grows by 2.5 machines an hour in office hours, by a tenth of it at night and on the weekend, and by 4 for each
//     night's jobs; each machine begins with 8 pods.
func workload(seed uint64, weeks int) []start {
	r := rand.New(rand.NewPCG(seed, 11))
	begin := time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC) // a Sunday
	end := begin.AddDate(0, 0, 7*weeks)
	programs := services(r, begin, end)
	programs = append(programs, jobs(r, begin, end)...)
	var starts []start
	for at := begin; at.Before(end); at = at.Add(10 * time.Minute) {
		n := poisson(r, 2.5/6*office(at))
		if at.Minute() == 0 && (at.Hour() == 2 || at.Hour() == 4 && at.Weekday() == time.Sunday) {
			n += 4
		}
		var experiment *program
		if r.Float64() < 6.0/144 {
			experiment = &program{name: fmt.Sprintf("experiment-%d", at.Unix()), bytes: 1<<30 + r.Int64N(1<<30)}
			n = max(n, 1+r.IntN(2))
		}
		if n == 0 {
			continue
		}
		s := start{at: at}
		for i := range n {
			s.machines = append(s.machines, draw(r, programs, at, 8))
			if experiment != nil && i < 2 {
				s.machines[i][0] = experiment
			}
		}
		starts = append(starts, s)
	}
	return starts
}

func services(r *rand.Rand, begin, end time.Time) (all []*program) {
	kinds := []func(time.Time) float64{func(time.Time) float64 { return 1 }, office, evening}
	for i := range 40 {
		p := &program{
			name: fmt.Sprintf("service-%02d", i), weight: 1 / float64(i+1), busy: kinds[i%3],
			bytes: int64(min(1536, max(60, 250*math.Exp(0.8*r.NormFloat64())))) << 20,
		}
		for at := begin; at.Before(end); {
			at = at.Add(time.Duration(r.ExpFloat64() * 72 * float64(time.Hour)))
			if office(at) > 0.5 {
				p.releases = append(p.releases, at)
			}
		}
		all = append(all, p)
	}
	return all
}

func jobs(r *rand.Rand, begin, end time.Time) (all []*program) {
	for i := range 9 {
		sunday := i >= 6
		p := &program{
			name: fmt.Sprintf("job-%d", i), weight: 3, bytes: 1<<30 + r.Int64N(3<<30),
			busy: func(t time.Time) float64 {
				if sunday && t.Weekday() == time.Sunday && t.Hour() == 4 || !sunday && t.Hour() == 2 {
					return 1
				}
				return 0
			},
		}
		for at := begin; at.Before(end); {
			at = at.Add(time.Duration(r.ExpFloat64() * 14 * 24 * float64(time.Hour)))
			p.releases = append(p.releases, at)
		}
		all = append(all, p)
	}
	return all
}

func office(t time.Time) float64 {
	if t.Weekday() == time.Sunday || t.Weekday() == time.Saturday || t.Hour() < 7 || t.Hour() >= 18 {
		return 0.1
	}
	return 1
}

func evening(t time.Time) float64 {
	if t.Hour() >= 17 && t.Hour() < 23 {
		return 1
	}
	return 0.1
}

// draw the programs of a machine's pods.
func draw(r *rand.Rand, programs []*program, at time.Time, pods int) []*program {
	var all float64
	for _, p := range programs {
		all += p.weight * p.busy(at)
	}
	drawn := make([]*program, pods)
	for i := range drawn {
		left := r.Float64() * all
		for _, p := range programs {
			drawn[i] = p
			if left -= p.weight * p.busy(at); left < 0 {
				break
			}
		}
	}
	return drawn
}

func poisson(r *rand.Rand, mean float64) (n int) {
	for left := mean - r.ExpFloat64(); left > 0; left -= r.ExpFloat64() {
		n++
	}
	return n
}
