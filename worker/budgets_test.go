package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"floe.dev/floe/internal/config"
)

type fakePollers struct {
	last map[string]time.Time // by identity
	err  error
	seen string
}

func (f *fakePollers) DescribeTaskQueue(_ context.Context, queue string, _ enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	f.seen = queue
	out := &workflowservice.DescribeTaskQueueResponse{}
	for identity, at := range f.last {
		out.Pollers = append(out.Pollers,
			&taskqueuepb.PollerInfo{Identity: identity, LastAccessTime: timestamppb.New(at)},
			&taskqueuepb.PollerInfo{Identity: identity, LastAccessTime: timestamppb.New(at)})
	}
	return out, f.err
}

type divided map[string]int

func (d divided) Divide(account string, processes int) { d[account] = processes }

func TestBudgetsAreDividedAmongWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		temporal := &fakePollers{last: map[string]time.Time{}}
		accounts, got := []config.Account{{Name: "main", Region: "eu-west-1"}}, divided{}
		go divideBudgets(ctx, temporal, accounts, got, slog.New(slog.DiscardHandler))
		defer cancel()

		synctest.Wait()
		require.Equal(t, divided{"main": 1}, got, "this one at least, though it has not polled yet")
		require.Equal(t, "aws.main.eu-west-1.launch", temporal.seen)

		now := time.Now()
		temporal.last = map[string]time.Time{"a": now, "b": now.Add(-time.Minute), "gone": now.Add(-4 * time.Minute)}
		time.Sleep(divideEvery)
		synctest.Wait()
		require.Equal(t, divided{"main": 2}, got)

		temporal.err = errors.New("away")
		temporal.last = nil
		time.Sleep(divideEvery)
		synctest.Wait()
		require.Equal(t, divided{"main": 2}, got, "the last count holds")
	})
}
