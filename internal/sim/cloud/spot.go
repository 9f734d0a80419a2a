package cloud

import (
	"slices"
	"time"

	"floe.dev/floe/internal/sim/query"
)

// SpotState is where a spot request stands: its state, and the status that says why
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-request-status.html).
type SpotState struct {
	State   string // active, closed
	Code    string // fulfilled, marked-for-termination, instance-terminated-by-user, …
	Message string
	At      time.Time // when the status became what it is
}

// SpotRequest is the one-time request behind a spot instance.
type SpotRequest struct {
	*Facts
	SpotState
	// Tags are the instance's: fleets and RunInstances give the request none of its own.
	Tags map[string]string
}

// spotStatuses are the messages that go with status codes.
var spotStatuses = map[string]string{
	spotFulfilled:   "Your Spot request is fulfilled.",
	spotMarked:      "Your Spot Instance is marked for termination.",
	spotByUser:      "Spot Instance terminated due to user-initiated termination.",
	ReclaimCapacity: "Your Spot Instance was terminated because there is no longer enough Spot capacity available.",
	ReclaimPrice:    "Your Spot Instance was terminated because the Spot price exceeded your maximum price.",
	spotByService:   "Your Spot Instance was terminated because of a scheduled event of its host.",
}

// Status codes of spot requests.
const (
	spotFulfilled = "fulfilled"
	spotMarked    = "marked-for-termination"
	spotByUser    = "instance-terminated-by-user"
	spotByService = "instance-terminated-by-service"
	// ReclaimCapacity and ReclaimPrice are why EC2 takes a spot instance back.
	ReclaimCapacity = "instance-terminated-no-capacity"
	ReclaimPrice    = "instance-terminated-by-price"
)

// spotState is a status at a moment. A request with a live instance is active, a one-time request without is closed.
func spotState(code string, at time.Time) SpotState {
	s := SpotState{State: "closed", Code: code, Message: spotStatuses[code], At: at}
	if code == spotFulfilled || code == spotMarked {
		s.State = "active"
	}
	return s
}

// SpotRequests are the requests of these IDs, or all without any, as they were DescribeLag ago.
func (c *Cloud) SpotRequests(ids []string) ([]SpotRequest, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.Now().Add(-c.cfg.DescribeLag)
	found := map[string]bool{}
	var list []SpotRequest
	for _, i := range c.order {
		if i.SpotRequest == "" || (len(ids) > 0 && !slices.Contains(ids, i.SpotRequest)) {
			continue
		}
		if s, ok := i.asOf(seen); ok && !c.forgotten(s.Revision) {
			found[i.SpotRequest] = true
			list = append(list, SpotRequest{&i.Facts, s.Spot, s.Tags})
		}
	}
	for _, id := range ids {
		if !found[id] {
			return nil, query.Errorf("InvalidSpotInstanceRequestID.NotFound", "The spot instance request ID '%s' does not exist", id)
		}
	}
	return list, nil
}
