package capacity

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"

	"floe.dev/floe/internal/sim/script"
)

// Model is spot capacity that comes and goes by chance: of each offering of Where, at most so many machines run at a time
// as a mean-reverting random walk says (an Ornstein-Uhlenbeck process, looked at every Every):
//
//	x(t+Every) = Mean + (x(t) − Mean) · 2^(−Every/HalfLife) + noise
//
// where the noise is normal, and such that x has the standard deviation Spread for ever. The capacity is x, rounded, and
// 0 where x is below 0; where it falls below what runs, the excess is reclaimed. Offerings walk independently of each
// other. It is a model, not a measurement: recorded spot availability has spells of plenty and of none that last for
// minutes to hours, and so has this.
type Model struct {
	Where  script.Where
	Mean   float64 // machines of one offering
	Spread float64
	// HalfLife is how long a walk takes to lose half of its distance to the mean.
	HalfLife time.Duration
	Every    time.Duration
}

// Check says what is wrong with a model.
func (m Model) Check() error {
	switch {
	case m.Mean < 0 || math.IsNaN(m.Mean) || math.IsInf(m.Mean, 0):
		return fmt.Errorf("mean: %g is not possible: it must not be negative", m.Mean)
	case m.Spread < 0 || math.IsNaN(m.Spread) || math.IsInf(m.Spread, 0):
		return fmt.Errorf("spread: %g is not possible: it must not be negative", m.Spread)
	case m.HalfLife <= 0:
		return fmt.Errorf("halfLife: %s is not possible: it must be above 0, such as 30m", m.HalfLife)
	case m.Every <= 0:
		return fmt.Errorf("every: %s is not possible: it must be above 0, such as 1m", m.Every)
	}
	return nil
}

// walk is one offering's way through a model.
type walk struct {
	model Model
	noise *rand.Rand
	steps int64
	x     float64
}

// walk is the offering's, or nil where no model has it; the first model that matches does. m.mu is held.
func (m *Market) walk(o Offering) *walk {
	if w, known := m.walks[o]; known {
		return w
	}
	var w *walk
	for _, model := range m.cfg.Models {
		if m.matches(model.Where, o) {
			h := fnv.New64a()
			h.Write([]byte(o.InstanceType + "/" + o.ZoneID + "/" + string(o.CapacityType))) // a hash never fails
			w = &walk{model: model, noise: rand.New(rand.NewPCG(uint64(m.cfg.Seed), h.Sum64()))}
			w.x = model.Mean + model.Spread*w.noise.NormFloat64()
			break
		}
	}
	m.walks[o] = w
	return w
}

// at is the capacity at an age of the market, which never goes back.
func (w *walk) at(age time.Duration) int {
	keep := math.Exp2(-w.model.Every.Seconds() / w.model.HalfLife.Seconds())
	shake := w.model.Spread * math.Sqrt(1-keep*keep)
	for ; w.steps < int64(age/w.model.Every); w.steps++ {
		w.x = w.model.Mean + (w.x-w.model.Mean)*keep + shake*w.noise.NormFloat64()
	}
	return int(math.Round(max(0, w.x)))
}
