package store

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/standby"
)

// LaunchHistory is how many machines a pool's plans brought in each hour of the weeks that a forecast looks at, machines of
// its standby included: what standby.Target foretells from. Launches by hand, for standby and for returns are no demand, and
// what a launch brought beyond what it was to bring (hedges, races) is none either. Without a store it is empty.
//
// It begins with the first hop that the store has, if that is younger: an hour that nobody recorded is not one without
// launches.
//
// Errors: contract.ErrUnavailable, which is retryable, and contract.ErrAccessDenied.
func (a *Activities) LaunchHistory(ctx context.Context, in contract.LaunchHistoryInput) (contract.LaunchHistory, error) {
	if a.client == nil {
		return contract.LaunchHistory{}, nil
	}
	const action = "the read of hops"
	filter := bson.D{
		{Key: "cluster", Value: in.Cluster},
		{Key: "pool", Value: in.Pool},
		{Key: "at", Value: bson.D{{Key: "$gte", Value: in.Now.Add(-(standby.Weeks + 1) * 7 * 24 * time.Hour)}}},
	}
	cursor, err := a.indexed(ctx, contract.CollectionHops).Find(ctx, filter, options.Find().SetProjection(bson.D{
		{Key: "at", Value: 1}, {Key: "plan", Value: 1}, {Key: "scaleUp", Value: 1}, {Key: "hop.got", Value: 1}, {Key: "hop.asked", Value: 1},
	}))
	if err != nil {
		return contract.LaunchHistory{}, classify(err, action)
	}
	var hops []brought
	if err := cursor.All(ctx, &hops); err != nil {
		return contract.LaunchHistory{}, classify(err, action)
	}
	return contract.LaunchHistory(historyOf(hops, in.Now)), nil
}

// brought is what of a hop a history counts.
type brought struct {
	At      time.Time `bson:"at"`
	Plan    string    `bson:"plan"`
	ScaleUp string    `bson:"scaleUp"`
	Hop     struct {
		Got   int `bson:"got"`
		Asked int `bson:"asked"`
	} `bson:"hop"`
}

// historyOf counts what hops brought. Of a launch no more counts than its first hop asked for, which is all that it was to
// bring; later hops ask for what is missing.
func historyOf(hops []brought, now time.Time) standby.History {
	if len(hops) == 0 {
		return standby.History{}
	}
	slices.SortStableFunc(hops, func(a, b brought) int { return a.At.Compare(b.At) })
	history := standby.NewHistory(hops[0].At, now)
	wanted := map[string]int{} // by ScaleUp: what it lacks still
	for _, h := range hops {
		if h.Plan == "" {
			continue
		}
		lacks, begun := wanted[h.ScaleUp]
		if !begun {
			lacks = h.Hop.Asked
		}
		counts := min(h.Hop.Got, lacks)
		wanted[h.ScaleUp] = lacks - counts
		history.Add(h.At, counts)
	}
	return history
}
