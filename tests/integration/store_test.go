package integration

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/testbed"
)

// long is true in `make test-long`.
var long = os.Getenv("FLOE_LONG") != ""

// The store dies in the middle of a scale-up and is away for a while. Machines are bought and given back meanwhile; when
// it is there again, on what it had, everything that it was promised comes to it.
func TestStoreKilledUnderLoad(t *testing.T) {
	t.Parallel()
	away := 15 * time.Second
	if long {
		away = time.Minute
	}
	w := newWorld(t, "at 0s * spot *: 0") // every chain has hops that fail
	w.createPool(pool("general"))
	w.deploy("before", 40, "900m", "1Gi")
	eventually(t, func() bool { return len(w.truth().Instances) > 0 }, "the first machines")
	store := w.Process("ferretdb")
	store.Kill()
	killed := time.Now()

	eventually(t, func() bool { return w.running() == 40 }, "every pod runs")
	w.deploy("during", 60, "900m", "1Gi")
	eventually(t, func() bool { return w.running() == 100 }, "every pod runs, those of the outage too")
	leaver, _ := contract.InstanceOfProviderID(w.nodes("general")[0].Spec.ProviderID)
	status, _, errs := w.floe("node", "terminate", leaver, "--reason=a life that ends in the outage")
	require.Zero(t, status, errs)
	eventually(t, func() bool {
		for _, i := range w.truth().Instances {
			if i.ID == leaver {
				return i.State == "terminated" && w.running() == 100
			}
		}
		return false
	}, "a machine leaves, and its pods run elsewhere")

	select {
	case <-store.Done():
	default:
		t.Fatal("the store was there all the time")
	}
	time.Sleep(time.Until(killed.Add(away)))
	require.NoError(t, store.Restart(t.Context()))
	w.requireEverythingIsStored()
	eventually(t, func() bool { return w.phase(contract.NodeID("demo", leaver)) == contract.PhaseTerminated }, "its life is over")
}

// requireEverythingIsStored waits until the store has each node's record at its workflow's revision, each hop with what
// it learned, and asserts that it has the plans that it took. (A plan that it did not take is lost: it stands between a
// demand and its launches, so that nobody waits for the store. Its digest stays in the Provisioner's history.)
func (w *world) requireEverythingIsStored() {
	t := w.t
	t.Helper()
	database := w.database()

	instances, scaleUps := w.truth().Instances, map[string]bool{}
	for _, instance := range instances {
		scaleUps[instance.Tags[contract.TagScaleUp]] = true
		eventually(t, func() bool {
			view, err := query[contract.NodeView](w, contract.NodeID("demo", instance.ID), contract.QueryLife)
			require.NoError(t, err)
			record := stored(t, database, contract.CollectionNodes)["demo/"+instance.ID]
			return record["revision"] == view.Revision
		}, "the last record of "+instance.ID)
	}
	require.Len(t, stored(t, database, contract.CollectionNodes), len(instances))

	hops := map[string]contract.Hop{}
	for id := range scaleUps {
		var result contract.ScaleUpView
		require.NoError(t, w.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), &result), "it ends once its hops are written")
		for _, hop := range result.Hops {
			hops[hop.Token] = hop
		}
	}
	require.Greater(t, len(hops), len(scaleUps), "some chains hopped")
	records, learned := stored(t, database, contract.CollectionHops), stored(t, database, contract.CollectionOfferings)
	require.ElementsMatch(t, slices.Collect(maps.Keys(hops)), slices.Collect(maps.Keys(records)))
	for token, hop := range hops {
		require.EqualValues(t, hop.Got, records[token]["hop"].(bson.M)["got"])
		require.Len(t, learned[token+"/"+testbed.Region]["outcomes"], len(hop.Outcomes))
	}

	plans := stored(t, database, contract.CollectionPlans)
	kept, lost := 0, 0
	for _, digest := range w.plans() {
		if !digest.Stored {
			lost++
			continue
		}
		kept++
		require.NotEmpty(t, plans["demo/"+digest.Plan]["plan"], "plan %s", digest.Plan)
	}
	t.Logf("%d nodes, %d hops of %d launches, %d plans kept and %d lost", len(instances), len(hops), len(scaleUps), kept, lost)
}

// database is Floe's own in the testbed's store.
func (w *world) database() *mongo.Database {
	w.t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(w.StoreURI).SetBSONOptions(&options.BSONOptions{DefaultDocumentM: true}))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, client.Disconnect(context.Background())) })
	return client.Database(testbed.StoreDatabase)
}

// stored are the documents of a collection by id.
func stored(t *testing.T, database *mongo.Database, collection string) map[string]bson.M {
	t.Helper()
	cursor, err := database.Collection(collection).Find(t.Context(), bson.D{})
	require.NoError(t, err)
	var docs []bson.M
	require.NoError(t, cursor.All(t.Context(), &docs))
	byID := map[string]bson.M{}
	for _, doc := range docs {
		byID[doc["_id"].(string)] = doc
	}
	return byID
}

// plans are the digests of all plans in the Provisioner's history that were no dry run.
func (w *world) plans() (digests []contract.PlanDigest) {
	t := w.t
	t.Helper()
	scheduled := map[int64]bool{}
	for it := w.temporal.GetWorkflowHistory(t.Context(), contract.ProvisionerID("demo"), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		event, err := it.Next()
		require.NoError(t, err)
		if started := event.GetActivityTaskScheduledEventAttributes(); started != nil {
			scheduled[event.EventId] = started.ActivityType.Name == contract.ActivityPlan
		}
		if done := event.GetActivityTaskCompletedEventAttributes(); done != nil && scheduled[done.ScheduledEventId] {
			var digest contract.PlanDigest
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(done.Result, &digest))
			digests = append(digests, digest)
		}
	}
	require.NotEmpty(t, digests)
	return digests
}

// The worker schedules the store's retention, and a person may run it now, with other ages.
func TestRetentionIsScheduled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	database := w.database()
	for collection, age := range map[string]time.Duration{contract.CollectionHops: 4 * 365 * 24 * time.Hour, contract.CollectionEvents: 48 * time.Hour} {
		_, err := database.Collection(collection).InsertOne(t.Context(), bson.D{{Key: "_id", Value: "old"}, {Key: "at", Value: time.Now().Add(-age)}})
		require.NoError(t, err)
	}

	schedule := w.temporal.ScheduleClient().GetHandle(t.Context(), contract.RetentionID)
	eventually(t, func() bool { _, err := schedule.Describe(t.Context()); return err == nil }, "the schedule is there")
	is, err := schedule.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, 24*time.Hour, is.Schedule.Spec.Intervals[0].Every)
	require.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, is.Schedule.Policy.Overlap)
	require.Equal(t, time.Hour, is.Schedule.Policy.CatchupWindow)

	w.cli("schedule", "trigger", "--schedule-id", contract.RetentionID)
	eventually(t, func() bool { return len(stored(t, database, contract.CollectionHops)) == 0 }, "what is older than three years is gone")
	require.Len(t, stored(t, database, contract.CollectionEvents), 1)

	w.cli("workflow", "start", "--type", contract.WorkflowRetention, "--task-queue", contract.TaskQueue, "--workflow-id", contract.RetentionID,
		"--input", `{"hours":{"events":24}}`)
	var result contract.RetentionResult
	require.NoError(t, w.temporal.GetWorkflow(t.Context(), contract.RetentionID, "").Get(t.Context(), &result))
	gone, err := json.Marshal(result)
	require.NoError(t, err)
	require.Len(t, result.Collections, len(contract.Retained))
	for _, pruned := range result.Collections {
		require.Equal(t, pruned.Collection == contract.CollectionEvents, pruned.Gone == 1, string(gone))
	}
	require.Empty(t, stored(t, database, contract.CollectionEvents))
}
