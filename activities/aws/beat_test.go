package aws

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
)

func TestBeating(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	beats := make(chan struct{}, 1000)
	env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) {
		select {
		case beats <- struct{}{}:
		default:
		}
	})
	wait := func(ctx context.Context) error {
		defer beating(ctx, time.Millisecond)()
		for range 3 {
			<-beats
		}
		return nil
	}
	env.RegisterActivity(wait)
	_, err := env.ExecuteActivity(wait)
	require.NoError(t, err)
	beating(t.Context(), time.Millisecond)() // no activity: nothing to say, and nobody to hear it
}
