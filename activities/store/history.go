package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/standby"
)

// LaunchHistory is how many machines a pool's plans brought in each hour of the weeks that a forecast looks at, machines of
// its standby included: what standby.Target foretells from. Launches by hand, for standby and for returns are no demand.
// Without a store it is empty.
//
// It begins with the first hop that the store has, if that is younger: an hour that nobody recorded is not one without
// launches.
func (a *Activities) LaunchHistory(ctx context.Context, cluster, pool string, now time.Time) (standby.History, error) {
	if a.client == nil {
		return standby.History{}, nil
	}
	const action = "the read of hops"
	filter := bson.D{
		{Key: "cluster", Value: cluster},
		{Key: "pool", Value: pool},
		{Key: "at", Value: bson.D{{Key: "$gte", Value: now.Add(-(standby.Weeks + 1) * 7 * 24 * time.Hour)}}},
	}
	cursor, err := a.indexed(ctx, contract.CollectionHops).Find(ctx, filter, options.Find().
		SetProjection(bson.D{{Key: "at", Value: 1}, {Key: "plan", Value: 1}, {Key: "hop.got", Value: 1}}))
	if err != nil {
		return standby.History{}, classify(err, action)
	}
	var hops []struct {
		At   time.Time `bson:"at"`
		Plan string    `bson:"plan"`
		Hop  struct {
			Got int `bson:"got"`
		} `bson:"hop"`
	}
	if err := cursor.All(ctx, &hops); err != nil {
		return standby.History{}, classify(err, action)
	}
	if len(hops) == 0 {
		return standby.History{}, nil
	}
	first := hops[0].At
	for _, h := range hops {
		if h.At.Before(first) {
			first = h.At
		}
	}
	history := standby.NewHistory(first, now)
	for _, h := range hops {
		if h.Plan != "" {
			history.Add(h.At, h.Hop.Got)
		}
	}
	return history, nil
}
