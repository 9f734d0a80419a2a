package images

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	// halfLife is the age at which a use counts half.
	halfLife = 7 * 24 * time.Hour
	// ahead is for how long a machine that is frozen now is taken to sleep at most: the hours of the week whose uses count.
	ahead = 24 * time.Hour
	// prior is how many machines' worth of the whole week are added to each of its hours, so that an hour of which little
	// is known is taken to be like the others.
	prior = 3.0
	// overhead is what a pull costs beside its bytes, and pullRate what it brings a second, unpacked: they only weigh small
	// images against large ones.
	overhead = 0.5 // seconds
	pullRate = 60e6
	// unknownBytes is the size that an image is taken to have as long as no kubelet has told it.
	unknownBytes = 500 << 20
)

// Policy is a way to choose images.
type Policy string

// The policies. Scored is what Floe goes by; the others are there to be compared with it.
const (
	Scored Policy = "scored"
	// LRU takes what was used last.
	LRU Policy = "lru"
	// LFU takes what was used most often.
	LFU Policy = "lfu"
)

// Choice is what is thought of one image.
type Choice struct {
	Image string `json:"image"`
	// Bytes is its size; where Guessed, no kubelet has told it yet.
	Bytes   int64 `json:"bytes"`
	Guessed bool  `json:"guessed,omitempty"`
	// Pods that began to run with it and Nodes on which they did, and the window of the last of them.
	Pods  int       `json:"pods"`
	Nodes int       `json:"nodes"`
	Last  time.Time `json:"last"`
	// Score is how likely a machine that is frozen now will need it when it wakes: 0 to 1.
	Score float64 `json:"score"`
	// Prefetch: it is pulled beforehand, as what comes before it in the list left room for it.
	Prefetch bool   `json:"prefetch"`
	Reason   string `json:"reason"`

	rank float64
}

// Choose says of every image whether it is to be prefetched onto a machine that is frozen at a time, with so much room on
// its disk: the best first. Uses from that time on are not looked at, nor those older than Memory.
func (l *Ledger) Choose(policy Policy, at time.Time, budget int64) []Choice {
	choices := l.score(at)
	for n := range choices {
		c := &choices[n]
		switch policy {
		case LRU:
			c.rank = float64(c.Last.Unix())
		case LFU:
			c.rank = float64(c.Nodes)
		default:
			// What it saves for each byte that it takes.
			c.rank = c.Score * (overhead/float64(c.Bytes) + 1/pullRate)
		}
	}
	slices.SortStableFunc(choices, func(a, b Choice) int { return cmp.Compare(b.rank, a.rank) })
	left := budget
	for n := range choices {
		c := &choices[n]
		switch {
		case policy == Scored && c.Score < minScore:
			c.Reason = "not prefetched: " + c.Reason
		case c.Bytes > left:
			c.Reason = fmt.Sprintf("not prefetched: %s; it takes %s, and %s of %s are left", c.Reason, size(c.Bytes), size(left), size(budget))
		default:
			c.Prefetch = true
			left -= c.Bytes
		}
	}
	return choices
}

// minScore is below what a pull is worth no machine's time.
const minScore = 0.005

// score has all images with their scores, in the order of their names.
func (l *Ledger) score(at time.Time) []Choice {
	known := l.until(at)
	week := known.week(at)
	choices := map[string]Choice{}
	for _, line := range known.lineages() {
		need, reason := week.need(line, at)
		head := line.head()
		for n, i := range line.images {
			c := Choice{
				Image: i.name, Bytes: i.bytes, Guessed: i.bytes == 0,
				Pods: i.pods, Nodes: i.nodes, Last: i.last(), Score: need, Reason: reason,
			}
			if c.Guessed {
				c.Bytes = unknownBytes
			}
			if i != head {
				next := line.images[n+1]
				c.Score = 0
				c.Reason = fmt.Sprintf("%s took its place on %s", short(next.name), day(next.first()))
			}
			choices[i.name] = c
		}
	}
	sorted := make([]Choice, 0, len(choices))
	for _, i := range known.sorted() {
		sorted = append(sorted, choices[i.name])
	}
	return sorted
}

// until is the ledger as it was known at a time. It shares the uses.
func (l *Ledger) until(at time.Time) *Ledger {
	past := NewLedger(nil)
	for name, i := range l.images {
		from, to := i.index(at.Add(-Memory)), i.index(at)
		if from == to {
			continue
		}
		known := &image{name: name, bytes: i.bytes, uses: i.uses[from:to:to]}
		for _, u := range known.uses {
			known.pods += u.Pods
			known.nodes += u.Nodes
		}
		past.images[name] = known
	}
	return past
}

// profile is how busy a pool is in each hour of the week, by machines that began to run pods, each weighed by its age.
type profile struct {
	machines [168]float64
	all      float64
}

// week is the pool's profile. Of each window the machines are those of the image that began on most.
func (l *Ledger) week(at time.Time) (p profile) {
	most := make([]int, Memory/Window+2) // by window, the earliest first
	begin := at.Add(-Memory).Truncate(Window)
	for _, i := range l.images {
		for _, u := range i.uses {
			w := u.At.Sub(begin) / Window
			most[w] = max(most[w], u.Nodes)
		}
	}
	for w, nodes := range most {
		if nodes > 0 {
			began := begin.Add(time.Duration(w) * Window)
			n := float64(nodes) * weight(at.Sub(began))
			p.machines[hourOfWeek(began)] += n
			p.all += n
		}
	}
	return p
}

// need is how likely a machine that is frozen at a time needs a line's newest image when it wakes, and why.
//
// It is the part of the machines that began with an image of the line at the same hours of the week, over the coming day,
// where busy hours count more: it is in those that machines are woken. A line that is silent for longer than ever before loses
// half of it for each such time more.
func (p profile) need(l *line, at time.Time) (float64, string) {
	uses := l.uses()
	var hours [168]float64
	var all float64
	for _, u := range uses {
		n := float64(u.Nodes) * weight(at.Sub(u.At))
		hours[hourOfWeek(u.At)] += n
		all += n
	}
	overall := part(all, p.all)
	var likely, busy float64
	best, bestHour := 0.0, at
	for off := time.Duration(0); off < ahead; off += time.Hour {
		h := hourOfWeek(at.Add(off))
		share := part(hours[h]+prior*overall, p.machines[h]+prior)
		// A little of every hour: a pool that never woke at this one may.
		wakes := p.machines[h] + p.all/168*0.1
		likely += wakes * share
		busy += wakes
		if wakes*share > best {
			best, bestHour = wakes*share, at.Add(off)
		}
	}
	need := part(likely, busy)
	head := l.head()
	reason := fmt.Sprintf("%s of the machines that wake in the next day are likely to need it, most at %s",
		percent(need), bestHour.UTC().Format("Mon 15h"))
	reason += fmt.Sprintf("; used on %s in %s, last on %s", machines(head.nodes), span(at.Sub(head.first())), day(head.last()))
	if n := len(l.images) - 1; n > 0 {
		reason += fmt.Sprintf("; it took the place of %s, and its history", short(l.images[n-1].name))
	}
	silent, ever := at.Sub(uses[len(uses)-1].At), longest(uses)
	if silent > ever {
		need *= math.Exp2(1 - float64(silent)/float64(ever))
		reason += fmt.Sprintf("; silent for %s, and never for more than %s before: %s is left of that", span(silent), span(ever), percent(need))
	}
	return need, reason
}

func weight(age time.Duration) float64 { return math.Exp2(-float64(age) / float64(halfLife)) }

func part(of, all float64) float64 {
	if all <= 0 {
		return 0
	}
	return min(1, of/all)
}

// hourOfWeek is 0 for the first hour of a Sunday, by UTC.
func hourOfWeek(t time.Time) int {
	t = t.UTC()
	return int(t.Weekday())*24 + t.Hour()
}
