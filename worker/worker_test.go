package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/activities/kube"
	"floe.dev/floe/activities/nodes"
	"floe.dev/floe/activities/store"
	"floe.dev/floe/activities/sweep"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/testbed"
)

func TestQueuesAreThoseOfTheConfiguration(t *testing.T) {
	cfg := &config.Config{
		Clusters: []config.Cluster{{Name: "prod"}, {Name: "staging"}},
		Accounts: []config.Account{{
			Name: "main", Region: "eu-west-1", Rates: map[contract.APIClass]float64{contract.ClassLaunch: 1.5},
		}},
	}
	p := &parts{store: &store.Activities{}, aws: &aws.Activities{}, kube: &kube.Activities{}, sweep: &sweep.Activities{}, nodes: nodes.New()}
	served := map[string]bool{}
	rates := map[string]float64{}
	for _, q := range p.queues(cfg, time.Second) {
		rates[q.name] = q.options.TaskQueueActivitiesPerSecond
		require.Equal(t, q.name != contract.TaskQueue, q.options.DisableWorkflowWorker, q.name)
		require.Equal(t, time.Second, q.options.WorkerStopTimeout, q.name)
		require.NotEmpty(t, q.activities, "%s: a worker without activities polls for nothing", q.name)
		for name := range q.activities {
			served[name] = true
		}
	}
	require.Equal(t, map[string]float64{
		"floe": 0, "kube.prod": 0, "kube.staging": 0, "drain.prod": 0, "drain.staging": 0,
		"aws.main.eu-west-1.launch": 1.5, "aws.main.eu-west-1.start": 40, "aws.main.eu-west-1.stop": 100,
		"aws.main.eu-west-1.terminate": 100, "aws.main.eu-west-1.read": 400,
	}, rates)
	for _, name := range []string{
		contract.ActivityPlan, contract.ActivityOpenChain, contract.ActivityRegister, contract.ActivityReadNode,
		contract.ActivityDrain, contract.ActivityDeleteNode, contract.ActivityLaunch, contract.ActivityTerminate,
		contract.ActivityDescribe, contract.ActivityPutNode, contract.ActivityStartNodes, contract.ActivityPutHops, contract.ActivityPrune,
		contract.ActivityDisrupt, contract.ActivityCordon, contract.ActivityAwaitNodes, contract.ActivityPutEvents,
		contract.ActivityConfirmReclaim, contract.ActivityUnmark, contract.ActivityPutReclaim,
		contract.ActivityStart, contract.ActivityStop, contract.ActivityAwaitState, contract.ActivityFreeze, contract.ActivityReadLastWords,
		contract.ActivityProve, contract.ActivityOpenNode, contract.ActivityReadStandby, contract.ActivityLaunchHistory, contract.ActivityPrefetch, contract.ActivityChooseImages,
	} {
		require.True(t, served[name], name)
	}
}

func TestSchedulesAreThoseOfTheConfiguration(t *testing.T) {
	ids := func(cfg *config.Config) (ids []string) {
		for _, s := range schedules(cfg) {
			require.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, s.Overlap, s.ID)
			ids = append(ids, s.ID)
		}
		return ids
	}
	clusters := []config.Cluster{{Name: "prod"}, {Name: "staging"}}
	accounts := []config.Account{{Name: "main", Region: "eu-west-1"}}
	stored := config.Store{URI: "mongodb://127.0.0.1:1", Retention: config.Retention{Plans: 720 * time.Hour}}
	require.Equal(t, []string{"sweep-prod", "sweep-staging", "retention"}, ids(&config.Config{Clusters: clusters, Accounts: accounts, Store: stored}))
	require.Equal(t, []string{"retention"}, ids(&config.Config{Clusters: clusters, Store: stored}), "without accounts nothing is bought")
	require.Empty(t, ids(&config.Config{}))

	all := schedules(&config.Config{Store: stored})
	action := all[0].Action.(*client.ScheduleWorkflowAction)
	require.EqualValues(t, 720, action.Args[0].(contract.RetentionInput).Hours["plans"])
	require.Less(t, action.WorkflowRunTimeout, all[0].Spec.Intervals[0].Every, "it is over when the next is due")
}

func TestSearchAttributes(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.Temporal, Headless: true})
	c, err := tb.DialTemporal(t.Context())
	require.NoError(t, err)
	defer c.Close()

	missing, err := addSearchAttributes(t.Context(), c.OperatorService(), testbed.TemporalNamespace)
	require.NoError(t, err)
	require.Equal(t, contract.SearchAttributes, missing)
	require.Eventually(t, func() bool { // the server's own view of them is cached
		missing, err = addSearchAttributes(t.Context(), c.OperatorService(), testbed.TemporalNamespace)
		return err == nil && len(missing) == 0
	}, time.Minute, 100*time.Millisecond)

	require.Equal(t, "temporal operator search-attribute create --namespace n --name A --type Keyword --name B --type Keyword",
		operatorsCommand("n", []string{"A", "B"}))
}

func TestSearchAttributeOfAnotherType(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.Temporal, Headless: true})
	c, err := tb.DialTemporal(t.Context())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
		Namespace:        testbed.TemporalNamespace,
		SearchAttributes: map[string]enumspb.IndexedValueType{contract.AttributePool: enumspb.INDEXED_VALUE_TYPE_INT},
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err = addSearchAttributes(t.Context(), c.OperatorService(), testbed.TemporalNamespace)
		return err != nil
	}, time.Minute, 100*time.Millisecond)
	var wrong *serviceerror.InvalidArgument
	require.ErrorAs(t, err, &wrong)
	require.ErrorContains(t, err, "search attribute FloePool is of type Int in namespace default, Floe needs Keyword: remove it first")
}

// Temporal is away when the worker starts, comes, and the worker works; then it is asked to stop.
func TestWorkerWaitsForTemporal(t *testing.T) {
	tb := testbed.New(t, testbed.Options{Parts: testbed.Temporal, Headless: true})
	gate := newGate(t, tb.TemporalAddress)
	readyFile := filepath.Join(t.TempDir(), "ready")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, &config.Config{Temporal: config.Temporal{Address: gate.address}, DescribeLag: time.Second},
			settings{listen: "127.0.0.1:0", readyFile: readyFile, stopTimeout: time.Second, cache: 10}, slog.New(slog.DiscardHandler))
	}()
	var url string
	require.Eventually(t, func() bool {
		line, err := os.ReadFile(readyFile)
		url = strings.TrimSpace(string(line))
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	status, body := get(t, url+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "temporal: not reached yet")
	status, _ = get(t, url+"/healthz")
	require.Equal(t, http.StatusOK, status, "waiting is living")

	gate.open(t)
	require.Eventually(t, func() bool {
		status, body = get(t, url+"/readyz")
		return status == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, "polling: ok\ntemporal: ok\n", body)
	_, metrics := get(t, url+"/metrics")
	require.Contains(t, metrics, "temporal_worker_start_total")

	stop()
	require.NoError(t, <-ended)
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(data)
}

// gate is an address behind which a server is away until it is opened.
type gate struct{ address, server string }

func newGate(t *testing.T, server string) *gate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return &gate{address: l.Addr().String(), server: server}
}

func (g *gate) open(t *testing.T) {
	l, err := net.Listen("tcp", g.address)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", g.server)
			if err != nil {
				client.Close()
				continue
			}
			go pipe(client, server)
			go pipe(server, client)
		}
	}()
}

func pipe(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	io.Copy(to, from) // ends when either side closes
}
