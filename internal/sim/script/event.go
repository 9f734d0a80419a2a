package script

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// MishapKind is what happens to an event on its way.
type MishapKind string

// The mishaps.
const (
	Late      MishapKind = "late"
	Twice     MishapKind = "twice"
	Reordered MishapKind = "reordered"
	Lost      MishapKind = "lost"
	Malformed MishapKind = "malformed"
)

// Mishap happens to the next events of a kind.
type Mishap struct {
	// Event is interruption, rebalance, state or health; * is any.
	Event string
	Kind  MishapKind
	Count int           // of events
	By    time.Duration // for Late
}

var eventForm = regexp.MustCompile(`^event (interruption|rebalance|state|health|\*)( [0-9]+)? (late|twice|reordered|lost|malformed)( [0-9a-z.]+)?$`)

// mishap reads what eventForm has found.
func (l *Line) mishap(m []string) error {
	count, err := countOf(m[2])
	if err != nil {
		return err
	}
	l.Mishap = &Mishap{Event: m[1], Kind: MishapKind(m[3]), Count: count}
	by := strings.TrimSpace(m[4])
	if l.Mishap.Kind != Late {
		if by != "" {
			return fmt.Errorf("%q means nothing after %s", by, l.Mishap.Kind)
		}
		return nil
	}
	if l.Mishap.By, err = time.ParseDuration(by); err != nil || l.Mishap.By <= 0 {
		return fmt.Errorf("late needs a duration such as 45s, not %q", by)
	}
	return nil
}
