package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/api/contract"
)

const (
	// kindPoison is the event of a message that nobody understands.
	kindPoison = "poison"
	// mostPoison is how many such messages are stored at once; then one a second. All are counted.
	mostPoison = 60
	// mostBody is how much of one is kept: the longest event of EC2 is a fraction of it.
	mostBody = 4096
	// keepTimeout bounds the write: a store that is down must not hold up reclaims.
	keepTimeout = 2 * time.Second
)

// keep puts a message that cannot be understood into the store, for a person to read: once, however often it comes.
func (r *reclaims) keep(ctx context.Context, q Queue, m aws.QueueMessage, why error) {
	r.log.Warn("a message of the interruption queue cannot be understood; it is kept among the events and removed",
		"account", q.Account(), "sent", m.Sent, "error", why)
	if r.events == nil || !r.kept.Allow() {
		return
	}
	sum := sha256.Sum256([]byte(m.Body))
	name := hex.EncodeToString(sum[:8])
	body := m.Body
	if len(body) > mostBody {
		body = strings.ToValidUTF8(body[:mostBody], "") + "…"
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	err := r.events.PutEvents(ctx, []contract.EventRecord{{
		ID: strings.Join([]string{r.cluster.Name(), "watch", kindPoison, name}, "/"), At: time.Now().UTC(), Cluster: r.cluster.Name(),
		Kind: kindPoison, Subject: q.Account(), Message: "A message of the interruption queue cannot be understood: " + why.Error() + "\n" + body,
	}})
	if err != nil {
		r.quiet.warn("the store did not take a message that cannot be understood; it is only counted", "error", err)
	}
}
