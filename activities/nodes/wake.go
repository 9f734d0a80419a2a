package nodes

import (
	"context"
	"errors"
	"slices"
	"sync"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"floe.dev/floe/api/contract"
)

// Wake signals each machine's Node workflow to wake it. A Node takes the same request once, so that it may be repeated. The
// result names those machines that have no such workflow.
//
// A signal from workflow to workflow costs the sender three events and its lock: a Standby that woke 200 machines so was 17 s
// in telling the last.
func (a *Activities) Wake(ctx context.Context, in contract.WakeNodesInput) (contract.WakeNodesResult, error) {
	t := a.temporal(ctx)
	var mu sync.Mutex
	var result contract.WakeNodesResult
	group, telling := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, m := range in.Machines {
		group.Go(func() error {
			id := contract.NodeID(in.Cluster, m.Instance)
			err := t.SignalWorkflow(telling, id, "", contract.SignalResume, m.Resume)
			if missing := (*serviceerror.NotFound)(nil); errors.As(err, &missing) {
				mu.Lock()
				defer mu.Unlock()
				result.Missing = append(result.Missing, m.Instance)
				return nil
			}
			if err != nil {
				return temporal.NewApplicationErrorWithCause("signal "+id+": "+err.Error(), contract.ErrUnavailable, err)
			}
			beat(ctx)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return contract.WakeNodesResult{}, err
	}
	slices.Sort(result.Missing)
	return result, nil
}
