package lifecycle

import "time"

const (
	firstDelay = 2 * time.Second
	maxDelay   = time.Minute
)

// Backoff is how long to wait after so many failures in a row before the next try: two seconds, doubled each time, a
// minute at most. No failures, no wait.
func Backoff(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	d := firstDelay
	for range failures - 1 {
		if d *= 2; d >= maxDelay {
			return maxDelay
		}
	}
	return d
}
