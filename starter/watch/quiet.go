package watch

import (
	"log/slog"
	"sync"
	"time"
)

// calm is how long no second line about the same trouble is written: hundreds of nodes fail at once when Temporal does.
const calm = 5 * time.Second

// quiet is a log that does not repeat itself.
type quiet struct {
	log  *slog.Logger
	mu   sync.Mutex
	last map[string]time.Time // by message
}

func (q *quiet) warn(message string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now := time.Now(); now.Sub(q.last[message]) >= calm {
		if q.last == nil {
			q.last = map[string]time.Time{}
		}
		q.last[message] = now
		q.log.Warn(message, args...)
	}
}
