package integration

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/testbed"
	"floe.dev/floe/starter/doctor"
	"floe.dev/floe/tests/replay"
)

// requireSound ends every test that starts all of Floe: EC2, Kubernetes, workflows and store belong together, whatever
// the test did to them. EC2 is the simulator's own truth, so that Floe is not believed.
func (w *world) requireSound() {
	t := w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // t.Context() is over at a test's end
	defer cancel()
	kept, err := store.New(config.Store{URI: config.URI(w.StoreURI), Database: testbed.StoreDatabase}, nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, kept.Close(ctx)) }()
	report, err := doctor.Await(ctx, doctor.Options{
		Cluster: w.Cluster, Accounts: []contract.AccountRegion{{Account: testbed.Account, Region: testbed.Region}},
		EC2: doctor.Truth(w.SimURL), Kube: w.kube, Temporal: w.temporal, Store: kept, DescribeLag: 5 * time.Second,
	}, time.Minute)
	require.NoError(t, err)
	for _, v := range report.Violations {
		t.Errorf("%s %v: %s", v.Kind, v.IDs, v.Message)
	}
	require.Empty(t, report.Unchecked)
}

// requireReplay replays every history of the test: workflow code that is not deterministic shows here, on the histories
// of a real server, with all that was killed meanwhile. With FLOE_RECORD=<folder> the histories are written there too,
// to be committed to tests/replay/testdata.
func (w *world) requireReplay() {
	t := w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := replay.All(ctx, w.temporal, testbed.TemporalNamespace)
	require.NoError(t, err)
	if dir := os.Getenv("FLOE_RECORD"); dir != "" {
		prefix := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
		require.NoError(t, replay.Save(ctx, w.temporal, testbed.TemporalNamespace, dir, prefix))
	}
}
