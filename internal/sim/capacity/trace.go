package capacity

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/script"
)

// TraceKind is what the numbers of a trace are.
type TraceKind string

const (
	// Availability: how many machines of an offering could be had at each tick; 0 is ICE. Each tick sets the capacity as
	// a script's line does.
	Availability TraceKind = "availability"
	// Preemption: how many spot machines of an offering there were at each tick. A fall is a reclaim, of the same share
	// of those that run now: a fall from 4 to 3 takes a quarter of them, rounded up. A rise does nothing.
	Preemption TraceKind = "preemption"
)

// Trace is recorded capacity, to be played to the offerings of Where. After its end the last number stays.
type Trace struct {
	Kind  TraceKind
	Where script.Where
	// Gap is the time from tick to tick.
	Gap  time.Duration
	Data []int
}

// traceFile is the form in which SkyPilot's spot traces are published (github.com/skypilot-org/spot-traces; Wu et al.,
// "Can't Be Late: Optimizing Spot Instance Savings under Deadlines", NSDI 2024).
type traceFile struct {
	Metadata struct {
		GapSeconds float64 `json:"gap_seconds"`
	} `json:"metadata"`
	Data []float64 `json:"data"`
}

// ReadTrace reads a trace file: {"metadata":{"gap_seconds":N},"data":[…]}.
func ReadTrace(path string) (gap time.Duration, data []int, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, nil, fmt.Errorf("read trace: %w", err)
	}
	var f traceFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return 0, nil, fmt.Errorf("trace %s: %w", path, err)
	}
	gap = time.Duration(f.Metadata.GapSeconds * float64(time.Second))
	switch {
	case gap <= 0:
		return 0, nil, fmt.Errorf("trace %s: metadata.gap_seconds: %g is not possible: the seconds from tick to tick are wanted, above 0", path, f.Metadata.GapSeconds)
	case len(f.Data) == 0:
		return 0, nil, fmt.Errorf("trace %s: data: it is empty; numbers of machines are wanted", path)
	}
	data = make([]int, len(f.Data))
	for n, value := range f.Data {
		if value < 0 || value != math.Trunc(value) || value > math.MaxInt32 {
			return 0, nil, fmt.Errorf("trace %s: data[%d]: %g is not a number of machines, 0 or more", path, n, value)
		}
		data[n] = int(value)
	}
	return gap, data, nil
}

// Play plays a trace to those of the offerings that are its, from now on.
func (m *Market) Play(t Trace, offerings []Offering) {
	var of []Offering
	for _, o := range offerings {
		if m.matches(t.Where, o) && (t.Kind != Preemption || o.CapacityType == v1alpha1.Spot) {
			of = append(of, o)
		}
	}
	m.step(t, of, 0, 0)
}

// step lets tick n happen, after a tick of before, and waits for the next one that differs.
func (m *Market) step(t Trace, of []Offering, before, n int) {
	value := t.Data[n]
	for _, o := range of {
		switch {
		case t.Kind == Availability:
			m.Set(o, value)
		case value < before:
			m.reclaim(o, func(running int) int {
				return int(math.Ceil(float64(running) * float64(before-value) / float64(before)))
			})
		}
	}
	// An availability is told again at each tick: it says how many could be had then, whatever was taken before.
	next := n + 1
	for t.Kind == Preemption && next < len(t.Data) && t.Data[next] == value {
		next++
	}
	if next < len(t.Data) {
		m.after(t.Gap*time.Duration(next-n), func() { m.step(t, of, value, next) })
	}
}
