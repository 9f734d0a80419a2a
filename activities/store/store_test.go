package store

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/fallback"
	"floe.dev/floe/internal/testbed"
)

// onAStore runs against a real store; each test has a database of its own.
type onAStore struct {
	suite.Suite
	uri   string
	store *Activities
	n     int
}

func TestOnAStore(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.Store})
	suite.Run(t, &onAStore{uri: tb.StoreURI})
}

func (s *onAStore) SetupTest() {
	s.n++
	store, err := New(config.Store{URI: config.URI(s.uri), Database: fmt.Sprintf("floe%d", s.n)}, nil)
	s.Require().NoError(err)
	s.store = store
	s.T().Cleanup(func() { s.NoError(store.Close(s.T().Context())) })
}

func (s *onAStore) find(collection string) []map[string]any {
	cursor, err := s.store.database.Collection(collection).Find(s.T().Context(), bson.D{})
	s.Require().NoError(err)
	var docs []bson.D
	s.Require().NoError(cursor.All(s.T().Context(), &docs))
	found := []map[string]any{}
	for _, doc := range docs {
		found = append(found, asMap(doc).(map[string]any))
	}
	return found
}

func (s *onAStore) TestPing() { s.NoError(s.store.Ping(s.T().Context())) }

func node(revision int64, phase contract.Phase) contract.NodeRecord {
	return contract.NodeRecord{
		ID: "demo/i-1", Revision: revision, At: time.Now(),
		View: contract.NodeView{Cluster: "demo", NodeState: contract.NodeState{
			Phase: phase, Revision: revision, Since: map[contract.Phase]time.Time{phase: time.Now()},
		}},
	}
}

// bothWays runs a test with either way of replacing a node's record: MongoDB's and FerretDB 1's. FerretDB takes both.
func (s *onAStore) bothWays(test func(id string)) {
	s.Nil(s.store.scanning.Load())
	found, err := s.store.scans(s.T().Context())
	s.Require().NoError(err)
	s.True(found, "FerretDB 1 is known for what it is")
	for _, scans := range []bool{false, true} {
		s.store.scanning.Store(&scans)
		test(fmt.Sprintf("demo/i-%t", scans))
	}
}

func (s *onAStore) TestANodesRecordNeverGoesBack() {
	s.bothWays(func(id string) {
		for _, r := range []contract.NodeRecord{
			node(1, contract.PhaseLaunching), node(3, contract.PhaseReady), node(2, contract.PhaseRegistered), node(3, contract.PhaseTerminated),
			node(1, contract.PhaseTerminated),
		} {
			r.ID = id
			s.Require().NoError(s.store.PutNode(s.T().Context(), r))
		}
	})
	found := s.find(contract.CollectionNodes)
	s.Require().Len(found, 2)
	for _, record := range found {
		s.EqualValues(3, record["revision"])
		view := record["view"].(map[string]any)
		s.Equal("ready", view["phase"], "the first record of a revision stays")
	}
}

// Two writes of a node that the store has nothing of: whichever comes first, the later revision is there at the end.
func (s *onAStore) TestTheLaterRevisionWinsARace() {
	s.bothWays(func(id string) {
		for i := range 100 {
			var group sync.WaitGroup
			for revision := range int64(2) {
				record := node(revision+2, contract.PhaseReady)
				record.ID = fmt.Sprint(id, i)
				group.Go(func() { s.NoError(s.store.PutNode(s.T().Context(), record)) })
			}
			group.Wait()
		}
	})
	for _, doc := range s.find(contract.CollectionNodes) {
		s.EqualValues(3, doc["revision"], doc["_id"])
	}
}

func (s *onAStore) TestNodesNeedIdentity() {
	for _, r := range []contract.NodeRecord{{Revision: 1}, {ID: "demo/i-1"}} {
		s.Equal(contract.ErrInvalidInput, typeOf(s.T(), s.store.PutNode(s.T().Context(), r)))
	}
}

func hop(token string, ended time.Time, outcomes ...contract.Outcome) contract.HopRecord {
	return contract.HopRecord{
		ID: token, At: ended, Cluster: "demo", Pool: "general", Account: "main", ScaleUp: "scaleup/demo/1-1/0",
		Hop: contract.Hop{Number: 1, Token: token, Asked: 2, Ended: ended, Outcomes: outcomes},
	}
}

func offering(instanceType string) contract.Offering {
	return contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: instanceType, CapacityType: v1alpha1.Spot}
}

// Hops that were written before quotas were remembered name no account.
func (s *onAStore) TestOlderDocumentsAreRead() {
	at := time.Now().UTC().Truncate(time.Millisecond)
	_, err := s.store.database.Collection(contract.CollectionOfferings).InsertOne(s.T().Context(), bson.D{
		{Key: "_id", Value: "a/eu-west-1"},
		{Key: "region", Value: "eu-west-1"},
		{Key: "at", Value: at},
		{Key: "stored", Value: at},
		{Key: "outcomes", Value: bson.A{bson.D{
			{Key: "zoneID", Value: "euw1-az1"},
			{Key: "instanceType", Value: "m5.large"},
			{Key: "capacityType", Value: "spot"},
			{Key: "answer", Value: "insufficient-capacity"},
		}}},
	})
	s.Require().NoError(err)
	learned, err := s.store.Learned(s.T().Context(), "eu-west-1", at)
	s.Require().NoError(err)
	s.Equal([]Learned{{ID: "a/eu-west-1", Stored: at, Events: []fallback.Event{
		{ID: "a/eu-west-1", Offering: offering("m5.large"), Answer: contract.AnswerICE, At: at},
	}}}, inUTC(learned))
}

func (s *onAStore) TestHopsAndWhatTheyLearned() {
	ctx := s.T().Context()
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
	now := at.Add(time.Minute)
	s.store.now = func() time.Time { return now }
	first := hop("a", at,
		contract.Outcome{Offering: offering("m5.large"), Answer: contract.AnswerICE, Code: "InsufficientInstanceCapacity"},
		contract.Outcome{Offering: offering("c5.large"), Answer: contract.AnswerLaunched, Count: 2})
	s.Require().NoError(s.store.PutHops(ctx, []contract.HopRecord{first}))
	// Once more, with another beside it and changed: the first stays as it is, the second is kept.
	changed := first
	changed.Hop.Asked = 9
	second := hop("b", at, contract.Outcome{Offering: offering("r5.large"), Answer: contract.AnswerQuota, Code: "VcpuLimitExceeded"},
		contract.Outcome{Offering: offering("t3.large"), Answer: contract.AnswerYielded}) // which taught nothing
	s.Require().NoError(s.store.PutHops(ctx, []contract.HopRecord{changed, second, hop("c", at)}))

	hops := s.find(contract.CollectionHops)
	s.Require().Len(hops, 3)
	for _, h := range hops {
		s.EqualValues(2, h["hop"].(map[string]any)["asked"])
	}
	learned, err := s.store.Learned(ctx, "eu-west-1", now)
	s.Require().NoError(err)
	s.ElementsMatch([]Learned{
		{ID: "a/eu-west-1", Stored: now, Events: []fallback.Event{
			{ID: "a/eu-west-1", Offering: offering("m5.large"), Answer: contract.AnswerICE, At: at, Account: "main", Code: "InsufficientInstanceCapacity"},
			{ID: "a/eu-west-1", Offering: offering("c5.large"), Answer: contract.AnswerLaunched, At: at, Count: 2, Account: "main"},
		}},
		{ID: "b/eu-west-1", Stored: now, Events: []fallback.Event{
			{ID: "b/eu-west-1", Offering: offering("r5.large"), Answer: contract.AnswerQuota, At: at, Account: "main", Code: "VcpuLimitExceeded"},
		}},
	}, inUTC(learned))

	for region, since := range map[string]time.Time{"us-east-1": at, "eu-west-1": now.Add(time.Millisecond)} {
		learned, err := s.store.Learned(ctx, region, since)
		s.NoError(err)
		s.Empty(learned, region)
	}
}

// What a start taught is in the offering memory, and is no hop.
func (s *onAStore) TestPutLearned() {
	ctx, at := s.T().Context(), time.Now().UTC().Truncate(time.Millisecond)
	record := contract.HopRecord{ID: "start/run/7/1", Account: "main", Hop: contract.Hop{
		Ended: at, Outcomes: []contract.Outcome{{Offering: offering("m5.large"), Answer: contract.AnswerICE, Code: "InsufficientInstanceCapacity"}},
	}}
	s.Require().NoError(s.store.PutLearned(ctx, record))
	s.Require().NoError(s.store.PutLearned(ctx, record), "again")
	s.Require().Error(s.store.PutLearned(ctx, contract.HopRecord{}))
	learned, err := s.store.Learned(ctx, "eu-west-1", at.Add(-time.Minute))
	s.Require().NoError(err)
	s.Require().Len(learned, 1)
	s.Equal(contract.AnswerICE, learned[0].Events[0].Answer)
	s.Empty(s.find(contract.CollectionHops))
}

func inUTC(learned []Learned) []Learned {
	for i := range learned {
		learned[i].Stored = learned[i].Stored.UTC()
		for j := range learned[i].Events {
			learned[i].Events[j].At = learned[i].Events[j].At.UTC()
		}
	}
	return learned
}

func (s *onAStore) TestPlans() {
	record := PlanRecord{
		ID: "demo/1-1", At: time.Now(), Cluster: "demo",
		Digest: contract.PlanDigest{Launches: []contract.PlannedLaunch{{Requests: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}}}},
		Plan:   map[string]any{"labels": map[string]string{"floe.dev/pool": "general"}, "rows": [][]string{{"a"}, {"b"}}, "nothing": nil},
	}
	s.Require().NoError(s.store.PutPlan(s.T().Context(), record))
	s.Require().NoError(s.store.PutPlan(s.T().Context(), record), "twice is once")
	plans := s.find(contract.CollectionPlans)
	s.Require().Len(plans, 1)
	s.Equal(map[string]any{"floe%2Edev/pool": "general"}, plans[0]["plan"].(map[string]any)["labels"])
}

func (s *onAStore) TestEventsAreKeptOnce() {
	event := contract.EventRecord{ID: "demo/run/adopt/i-1", At: time.Now(), Cluster: "demo", Kind: "sweep-adopt", Subject: "i-1", Message: "first"}
	s.Require().NoError(s.store.PutEvents(s.T().Context(), []contract.EventRecord{event}))
	again := event
	again.Message = "second"
	other := event
	other.ID = "demo/run/adopt/i-2"
	s.Require().NoError(s.store.PutEvents(s.T().Context(), []contract.EventRecord{again, other}))
	found := s.find(contract.CollectionEvents)
	s.Require().Len(found, 2)
	for _, e := range found {
		s.Equal("first", e["message"])
	}
	s.Equal(contract.ErrInvalidInput, typeOf(s.T(), s.store.PutEvents(s.T().Context(), []contract.EventRecord{{Kind: "x"}})))
}

func (s *onAStore) TestLivingNodes() {
	for id, phase := range map[string]contract.Phase{"demo/i-1": contract.PhaseReady, "demo/i-2": contract.PhaseTerminated, "other/i-3": contract.PhaseReady} {
		record := node(7, phase)
		record.ID = id
		record.View.Cluster, _, _ = strings.Cut(id, "/")
		s.Require().NoError(s.store.PutNode(s.T().Context(), record))
	}
	living, err := s.store.LivingNodes(s.T().Context(), "demo")
	s.Require().NoError(err)
	s.Require().Len(living, 1)
	s.Equal("i-1", living[0].Instance)
	s.EqualValues(7, living[0].Revision)
	s.WithinDuration(time.Now(), living[0].At, time.Minute)
}

func TestWithoutAStore(t *testing.T) {
	store, err := New(config.Store{}, nil)
	require.NoError(t, err)
	require.NoError(t, store.Ping(t.Context()))
	require.NoError(t, store.PutNode(t.Context(), node(1, contract.PhaseReady)))
	require.NoError(t, store.PutHops(t.Context(), []contract.HopRecord{hop("a", time.Now())}))
	require.NoError(t, store.PutPlan(t.Context(), PlanRecord{ID: "demo/1"}))
	require.NoError(t, store.PutEvents(t.Context(), []contract.EventRecord{{ID: "demo/1"}}))
	require.NoError(t, store.PutImages(t.Context(), []contract.ImageRecord{{ID: "demo/api/x"}}))
	used, err := store.Images(t.Context(), "demo", "", time.Now())
	require.NoError(t, err)
	require.Empty(t, used)
	living, err := store.LivingNodes(t.Context(), "demo")
	require.NoError(t, err)
	require.Empty(t, living)
	learned, err := store.Learned(t.Context(), "eu-west-1", time.Now())
	require.NoError(t, err)
	require.Empty(t, learned)
	require.NoError(t, store.Close(t.Context()))
}

func TestStoreDown(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := listener.Addr().String()
	require.NoError(t, listener.Close())
	store, err := New(config.Store{URI: config.URI("mongodb://floe:secret@" + nobody), Database: "floe"}, nil)
	require.NoError(t, err, "a store that is down keeps nobody from starting")
	_, readErr := store.Learned(t.Context(), "eu-west-1", time.Now())
	_, livingErr := store.LivingNodes(t.Context(), "demo")
	_, pruneErr := store.Prune(t.Context(), contract.PruneInput{Collection: contract.CollectionNodes, Before: time.Now()})
	for _, err := range []error{
		readErr, livingErr, pruneErr,
		store.Ping(t.Context()),
		store.PutNode(t.Context(), node(1, contract.PhaseReady)),
		store.PutHops(t.Context(), []contract.HopRecord{hop("a", time.Now())}),
		store.PutPlan(t.Context(), PlanRecord{ID: "demo/1"}),
		store.PutEvents(t.Context(), []contract.EventRecord{{ID: "demo/1"}}),
	} {
		require.Equal(t, contract.ErrUnavailable, typeOf(t, err))
		require.NotContains(t, err.Error(), "secret")
	}
	require.NoError(t, store.Close(t.Context()))
}

func TestURIThatIsNone(t *testing.T) {
	_, err := New(config.Store{URI: "mongodb://floe:sec ret@", Database: "floe"}, nil)
	require.ErrorContains(t, err, "store.uri")
	require.NotContains(t, err.Error(), "sec ret")
}

func typeOf(t *testing.T, err error) string {
	t.Helper()
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	return application.Type()
}
