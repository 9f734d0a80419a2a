package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/fallback"
)

func (s *onAStore) prune(collection string, before time.Time) contract.PruneResult {
	result, err := s.store.Prune(s.T().Context(), contract.PruneInput{Collection: collection, Before: before})
	s.Require().NoError(err)
	return result
}

func (s *onAStore) ids(collection string) []string {
	ids := []string{}
	for _, doc := range s.find(collection) {
		ids = append(ids, doc["_id"].(string))
	}
	return ids
}

func (s *onAStore) TestPruneNodesThatHaveLeft() {
	old := time.Now().Add(-48 * time.Hour)
	for id, phase := range map[string]contract.Phase{
		"demo/alive": contract.PhaseReady, "demo/leaving": contract.PhaseTerminating, "demo/left": contract.PhaseTerminated, "demo/left-now": contract.PhaseTerminated,
	} {
		record := node(1, phase)
		record.ID, record.At = id, old
		if id == "demo/left-now" {
			record.At = time.Now()
		}
		s.Require().NoError(s.store.PutNode(s.T().Context(), record))
	}
	before := time.Now().Add(-24 * time.Hour)
	for _, gone := range []int64{1, 0} { // doing it again changes nothing
		result := s.prune(contract.CollectionNodes, before)
		s.Equal(gone, result.Gone)
		s.EqualValues(3, result.Left)
		s.ElementsMatch([]string{"demo/alive", "demo/leaving", "demo/left-now"}, s.ids(contract.CollectionNodes))
	}
}

func (s *onAStore) TestPruneByAge() {
	ctx := s.T().Context()
	now := time.Now()
	outcome := contract.Outcome{Offering: offering("m5.large"), Answer: contract.AnswerICE}
	for name, at := range map[string]time.Time{"old": now.Add(-40 * time.Hour), "young": now.Add(-30 * time.Hour)} {
		s.Require().NoError(s.store.PutHops(ctx, []contract.HopRecord{hop(name, at, outcome)}))
		s.Require().NoError(s.store.PutEvents(ctx, []contract.EventRecord{{ID: name, At: at}}))
		s.Require().NoError(s.store.PutPlan(ctx, PlanRecord{ID: name, At: at, Plan: map[string]any{"why": "all of it"}}))
		chunked, err := planDocuments(PlanRecord{ID: name + "-large", At: at, Plan: string(make([]byte, 1000))}, 400)
		s.Require().NoError(err)
		_, err = s.store.database.Collection(contract.CollectionPlans).InsertMany(ctx, chunked)
		s.Require().NoError(err)
	}
	for collection, young := range map[string][]string{
		contract.CollectionHops: {"young"}, contract.CollectionEvents: {"young"}, contract.CollectionOfferings: {"young/eu-west-1"},
		contract.CollectionPlans: s.plans("young"),
	} {
		all := int64(len(s.ids(collection)))
		s.EqualValues(all, s.prune(collection, time.Time{}).Left, "%s: only counted", collection)
		result := s.prune(collection, now.Add(-36*time.Hour))
		s.Equal(all-int64(len(young)), result.Gone, collection)
		s.EqualValues(len(young), result.Left, collection)
		s.ElementsMatch(young, s.ids(collection))
	}
}

// plans are the ids of the documents of plans whose name begins so.
func (s *onAStore) plans(prefix string) (found []string) {
	for _, id := range s.ids(contract.CollectionPlans) {
		if len(id) >= len(prefix) && id[:len(prefix)] == prefix {
			found = append(found, id)
		}
	}
	s.Greater(len(found), 3, "a plan, and another with its chunks")
	return found
}

// More than one search, and more than one delete: all of it goes, and every delete is told to Temporal.
func (s *onAStore) TestPruneInBatches() {
	const n = pruneFinds + pruneDeletes + 1
	at := time.Now().Add(-48 * time.Hour)
	docs := make([]any, n)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: fmt.Sprintf("%06d", i)}, {Key: "at", Value: at}}
	}
	_, err := s.store.database.Collection(contract.CollectionEvents).InsertMany(s.T().Context(), docs)
	s.Require().NoError(err)

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(s.store.Prune, activity.RegisterOptions{Name: contract.ActivityPrune})
	env.SetHeartbeatDetails(int64(7)) // an attempt before this one
	var told atomic.Int64
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, _ converter.EncodedValues) { told.Add(1) })
	value, err := env.ExecuteActivity(contract.ActivityPrune, contract.PruneInput{Collection: contract.CollectionEvents, Before: time.Now()})
	s.Require().NoError(err)
	var result contract.PruneResult
	s.Require().NoError(value.Get(&result))
	s.EqualValues(n+7, result.Gone)
	s.Zero(result.Left)
	s.Positive(told.Load())
}

func (s *onAStore) TestIndexesAreMade() {
	for name, keys := range indexes {
		specs, err := s.store.indexed(s.T().Context(), name).Indexes().ListSpecifications(s.T().Context())
		s.Require().NoError(err)
		s.Len(specs, len(keys)+1, "%s: those and the one on _id", name)
	}
}

func TestPruneRefuses(t *testing.T) {
	store, err := New(config.Store{}, nil)
	require.NoError(t, err)
	for name, in := range map[string]contract.PruneInput{
		"an unknown collection":          {Collection: "nodse", Before: time.Unix(0, 0)},
		"what the offering memory reads": {Collection: contract.CollectionOfferings, Before: time.Now().Add(-fallback.Forget)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Prune(t.Context(), in)
			require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
		})
	}
	require.Greater(t, contract.MinRetentionOf(contract.CollectionOfferings), fallback.Forget+2*clocks, "no configuration comes near it")
	result, err := store.Prune(t.Context(), contract.PruneInput{Collection: contract.CollectionNodes, Before: time.Now()})
	require.NoError(t, err, "without a store there is nothing to delete")
	require.Zero(t, result.Gone)
}

// What is acknowledged is what most of a replica set has, whatever the URI says.
func (s *onAStore) TestWriteConcernIsMajority() {
	concerns := map[string]string{}
	monitor := &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		concerns[e.CommandName] = e.Command.Lookup("writeConcern", "w").String()
	}}
	store, err := New(config.Store{URI: config.URI(s.uri + "/?w=0"), Database: "concern"}, monitor)
	s.Require().NoError(err)
	defer func() { s.NoError(store.Close(s.T().Context())) }()
	for revision := range int64(2) {
		s.Require().NoError(store.PutNode(s.T().Context(), node(revision+1, contract.PhaseReady)))
	}
	s.Equal(`"majority"`, concerns["insert"])
	s.Equal(`"majority"`, concerns["update"])
}
