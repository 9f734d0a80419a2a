package kube

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// However a drain ends - it is done, fails or is called off while pods wait for their budget's turn - no goroutine of it is
// left.
func TestNoGoroutineIsLeftOfADrain(t *testing.T) {
	held := []error{}
	for range 1000 {
		held = append(held, apierrors.NewTooManyRequests("budget", 0))
	}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "p", nil)
	for name, tc := range map[string]struct {
		answers []error
		calls   int // after which it is called off; 0 for never
	}{
		"it is done": {nil, 0}, "it fails": {[]error{forbidden}, 0}, "it is called off": {held, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testBudget("b", "1", 1, "app"), testNode("n1", "i-1"),
				testPod("one", on("n1"), labeled("app", "app")), testPod("two", on("n1"), labeled("app", "app")), testPod("free", on("n1")))
			e := w.evictor(map[string][]error{"one": tc.answers, "two": tc.answers, "free": tc.answers})
			ctx, callOff := context.WithCancel(t.Context())
			defer callOff()
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
			env.RegisterActivity(w.Drain)
			ended := make(chan error, 1)
			go func() {
				_, err := env.ExecuteActivity(w.Drain, drainN1(time.Hour))
				ended <- err
			}()
			if tc.calls > 0 {
				require.Eventually(t, func() bool { return e.asked() >= tc.calls }, waitFor, tick)
				require.Contains(t, stacks(), "activities/kube.(*drain)", "what is looked for can be found")
				callOff()
			}
			err := <-ended
			require.Equal(t, tc.answers != nil, err != nil, fmt.Sprint(err))
			require.Eventually(t, func() bool { return !strings.Contains(stacks(), "activities/kube.(*drain)") }, waitFor, tick)
		})
	}
}

// stacks are those of all goroutines.
func stacks() string {
	buf := make([]byte, 1<<22)
	return string(buf[:runtime.Stack(buf, true)])
}
