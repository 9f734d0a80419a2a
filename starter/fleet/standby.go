package fleet

import (
	"context"
	"slices"
	"strings"
	"sync"

	"go.temporal.io/sdk/client"

	"floe.dev/floe/api/contract"
)

// Standbys are the standbys of a cluster's pools as their workflows tell them, by pool. One that no worker answers for is
// an error.
func Standbys(ctx context.Context, temporal client.Client, cluster string) ([]contract.StandbyView, error) {
	executions, err := running(ctx, temporal, contract.WorkflowStandby, cluster, true)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	views := []contract.StandbyView{}
	var failed error
	query(ctx, temporal, executions, contract.QueryStandby, func(_ int, view contract.StandbyView, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = err
			return
		}
		views = append(views, view)
	})
	slices.SortFunc(views, func(a, b contract.StandbyView) int { return strings.Compare(a.Pool, b.Pool) })
	return views, failed
}
