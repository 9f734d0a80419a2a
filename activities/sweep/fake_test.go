package sweep

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// execution is a workflow as the fake Temporal has it.
type execution struct {
	status  enumspb.WorkflowExecutionStatus
	closed  time.Time
	started any // its input
	life    *contract.NodeView
}

const (
	open       = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	completed  = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	terminated = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
)

// fakeTemporal is a Temporal whose visibility may say something else than what is.
type fakeTemporal struct {
	mu         sync.Mutex
	executions map[string]execution
	visible    []string // ids of the Node workflows that visibility shows as open
	down       error
	signals    map[string]contract.Observation
}

func (f *fakeTemporal) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return nil, f.down
	}
	e, known := f.executions[id]
	if !known {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	info := &workflowpb.WorkflowExecutionInfo{Status: e.status}
	if e.status != open {
		info.CloseTime = timestamppb.New(e.closed)
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

// ListWorkflow answers with one workflow a page.
func (f *fakeTemporal) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	n := len(r.NextPageToken)
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	if n < len(f.visible) {
		answer.Executions = []*workflowpb.WorkflowExecutionInfo{{Execution: &commonpb.WorkflowExecution{WorkflowId: f.visible[n]}}}
	}
	if n+1 < len(f.visible) {
		answer.NextPageToken = make([]byte, n+1)
	}
	return answer, f.down
}

func (f *fakeTemporal) GetWorkflowHistory(_ context.Context, id, _ string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(f.executions[id].started)
	return &history{err: err, event: &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: payloads},
	}}}
}

type history struct {
	event *historypb.HistoryEvent
	err   error
}

func (h *history) HasNext() bool { return true }

func (h *history) Next() (*historypb.HistoryEvent, error) { return h.event, h.err }

func (f *fakeTemporal) QueryWorkflow(_ context.Context, id, _, _ string, _ ...any) (converter.EncodedValue, error) {
	life := f.executions[id].life
	if life == nil {
		return nil, errors.New("no worker answers")
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(life)
	return client.NewValue(payloads), err
}

func (f *fakeTemporal) SignalWorkflow(_ context.Context, id, _, signal string, arg any) error {
	if f.executions[id].status != open {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	if signal == contract.SignalObserved {
		f.signals[id] = arg.(contract.Observation)
	}
	return f.down
}

// bed is the activities with fakes all around.
type bed struct {
	*Activities
	temporal  *fakeTemporal
	instances []contract.OwnedInstance
	deleted   []string
	events    []contract.EventRecord
	storeDown error
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newBed is a cluster "demo" with these nodes and NodePools.
func newBed(t *testing.T, objects ...runtime.Object) *bed {
	t.Helper()
	var typed, pools []runtime.Object
	for _, obj := range objects {
		if u, ok := obj.(*unstructured.Unstructured); ok {
			pools = append(pools, u)
			continue
		}
		typed = append(typed, obj)
	}
	cluster, err := kube.NewCluster(kube.ClusterOptions{
		Name: "demo", Client: fake.NewClientset(typed...), Log: slog.New(slog.DiscardHandler),
		Dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
			map[schema.GroupVersionResource]string{v1alpha1.NodePoolResource: "NodePoolList"}, pools...),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	cluster.Start(ctx)
	require.NoError(t, cluster.WaitReady(ctx))

	b := &bed{temporal: &fakeTemporal{executions: map[string]execution{}, signals: map[string]contract.Observation{}}}
	b.Activities = New(Options{
		EC2: b, Clusters: []*kube.Cluster{cluster}, Nodes: b, Events: b, DescribeLag: time.Minute, Log: slog.New(slog.DiscardHandler),
	})
	b.Activities.temporal = func(context.Context) Temporal { return b.temporal }
	b.now = func() time.Time { return now }
	return b
}

func (b *bed) Owned(context.Context, string, string, string) ([]contract.OwnedInstance, error) {
	return b.instances, nil
}

func (b *bed) View(context.Context, string) (*catalog.View, error) {
	return nil, errors.New("prices are not to be had")
}

func (b *bed) DeleteNode(_ context.Context, in contract.DeleteNodeInput) error {
	if in.Node == "locked" {
		return errors.New("forbidden")
	}
	b.deleted = append(b.deleted, in.Node+"/"+in.UID)
	return nil
}

func (b *bed) PutEvents(_ context.Context, records []contract.EventRecord) error {
	if b.storeDown == nil {
		b.events = append(b.events, records...)
	}
	return b.storeDown
}
