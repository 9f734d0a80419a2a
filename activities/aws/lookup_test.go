package aws

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
)

func TestThrottledIsTriedAgainAtOnce(t *testing.T) {
	for name, lines := range map[string]string{
		"the call":       "refuse CreateFleet with RequestLimitExceeded",
		"every override": "throttle m5.large spot *: 3",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, lines)
			tries := b.tries(launchInput("token", 2, v1alpha1.Spot, "m5.large"))
			_, err := tries.once(false)
			require.Equal(t, contract.ErrThrottled, typeOf(t, err))
			result, err := tries.once(false)
			require.NoError(t, err)
			require.Len(t, result.Instances, 2)
			require.False(t, result.Recovered)
			require.Zero(t, b.calls("DescribeInstances"), "it was sure that nothing had been launched")
		})
	}
}

func TestLostAnswerIsLookedUp(t *testing.T) {
	for name, crash := range map[string]bool{"told": false, "the worker died": true} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, "lose answer of CreateFleet", func(o *sim.Options) { o.DescribeLag = 100 * time.Millisecond })
			tries := b.tries(launchInput("token", 3, v1alpha1.Spot, "m5.large"))
			_, err := tries.once(crash)
			require.Equal(t, contract.ErrLostAnswer, typeOf(t, err))
			result, err := tries.once(false)
			require.NoError(t, err)
			require.True(t, result.Recovered)
			require.Len(t, result.Instances, 3)
			for _, i := range result.Instances {
				require.NotZero(t, i.USDPerHour)
				require.Equal(t, "token", i.Token)
			}
			require.Len(t, b.truth().Instances, 3)
			require.Equal(t, 1, b.calls("CreateFleet"))
		})
	}
}

func TestCallThatDidNothingIsMadeAgainAfterTheLag(t *testing.T) {
	b := newBed(t, "refuse CreateFleet with InternalError")
	tries := b.tries(launchInput("token", 2, v1alpha1.Spot, "m5.large"))
	_, err := tries.once(false)
	require.Equal(t, contract.ErrLostAnswer, typeOf(t, err))
	sentAt := tries.details.SentAt
	result, err := tries.once(false)
	require.NoError(t, err)
	require.False(t, result.SentAt.Before(sentAt.Add(testLag)), "not before an instance must have shown")
	require.Len(t, result.Instances, 2)
	require.Len(t, b.truth().Instances, 2)
}

func TestPartOfALostAnswerIsKept(t *testing.T) {
	b := newBed(t, "m5.large spot *: 0\nm5.large spot eu-west-1a: 1\nlose answer of CreateFleet")
	tries := b.tries(launchInput("token", 3, v1alpha1.Spot, "m5.large"))
	_, err := tries.once(false)
	require.Equal(t, contract.ErrLostAnswer, typeOf(t, err))
	result, err := tries.once(false)
	require.NoError(t, err)
	require.True(t, result.Recovered)
	require.Len(t, result.Instances, 1)
	require.Equal(t, 1, b.calls("CreateFleet"), "the rest is the next hop's")
}

func TestLookUpThatFails(t *testing.T) {
	b := newBed(t, "lose answer of CreateFleet\nrefuse DescribeInstances with RequestLimitExceeded")
	tries := b.tries(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
	_, err := tries.once(false)
	require.Equal(t, contract.ErrLostAnswer, typeOf(t, err))
	result, err := tries.once(false)
	require.NoError(t, err, "a look-up that is throttled looks again")
	require.True(t, result.Recovered)

	b = newBed(t, "lose answer of CreateFleet\ndeny DescribeInstances")
	tries = b.tries(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
	_, _ = tries.once(false)
	_, err = tries.once(false)
	require.Equal(t, contract.ErrAccessDenied, typeOf(t, err))
	require.ErrorContains(t, err, "ec2:DescribeInstances")
	require.Equal(t, 1, b.calls("CreateFleet"))
}

func TestRunInstances(t *testing.T) {
	b := newBed(t, "lose answer of RunInstances")
	in := launchInput("token", 2, v1alpha1.OnDemand, "m5.large")
	in.RunInstances, in.Step.Overrides = true, in.Step.Overrides[:1]
	tries := b.tries(in)
	_, err := tries.once(true)
	require.Equal(t, contract.ErrLostAnswer, typeOf(t, err))
	result, err := tries.once(false)
	require.NoError(t, err)
	require.Len(t, result.Instances, 2)
	require.Equal(t, in.Step.Overrides[0].USDPerHour, result.Instances[0].USDPerHour)
	require.Equal(t, "euw1-az1", result.Instances[0].ZoneID)
	require.Len(t, b.truth().Instances, 2, "the token made the second call answer with the first's instances")
	require.Zero(t, b.calls("DescribeInstances"))

	drought := newBed(t, "m5.large on-demand *: 0")
	result, err = drought.launch(in)
	require.NoError(t, err)
	require.Equal(t, map[string]contract.Answer{"m5.large euw1-az1": contract.AnswerICE}, answers(result))
}

func TestSpotByRunInstances(t *testing.T) {
	b := newBed(t, "")
	in := launchInput("token", 1, v1alpha1.Spot, "m5.large")
	in.RunInstances, in.Step.Overrides = true, in.Step.Overrides[:1]
	result, err := b.launch(in)
	require.NoError(t, err)
	require.Equal(t, v1alpha1.Spot, result.Instances[0].CapacityType)
}

func TestSpentToken(t *testing.T) {
	for _, code := range []string{"IdempotentParameterMismatch", "IdempotentInstanceTerminated"} {
		t.Run(code, func(t *testing.T) {
			b := newBed(t, "lose answer of RunInstances\n")
			in := launchInput("token", 1, v1alpha1.OnDemand, "m5.large")
			in.RunInstances, in.Step.Overrides = true, in.Step.Overrides[:1]
			tries := b.tries(in)
			_, _ = tries.once(false)
			b.script("refuse RunInstances with " + code)
			result, err := tries.once(false)
			require.NoError(t, err)
			require.True(t, result.Recovered)
			require.Len(t, result.Instances, 1)

			nothing := newBed(t, "refuse RunInstances with "+code)
			result, err = nothing.tries(in).once(false)
			require.NoError(t, err)
			require.Empty(t, result.Instances)
			require.Equal(t, code, result.Outcomes[0].Code)
		})
	}
}

func TestTerminatedMeanwhileIsNobodysGain(t *testing.T) {
	b := newBed(t, "lose answer of CreateFleet")
	tries := b.tries(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
	_, _ = tries.once(false)
	_, err := b.Terminate(t.Context(), instanceInput(b.truth().Instances[0].ID))
	require.NoError(t, err)
	result, err := tries.once(false)
	require.NoError(t, err)
	require.True(t, result.Recovered)
	require.Empty(t, result.Instances)
	require.Equal(t, 1, b.calls("CreateFleet"))
}

// However calls fail, answers are lost and workers die, a hop's instances are those that exist under its token: none is
// launched that the hop does not know of, and never more than were asked for.
func TestNeverTwiceNeverLeaked(t *testing.T) {
	b := newBed(t, "", func(o *sim.Options) { o.DescribeLag, o.Unthrottled = 5*time.Millisecond, true })
	b.lag = 20 * time.Millisecond
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		count := rapid.IntRange(1, 4).Draw(rt, "count")
		in := launchInput(fmt.Sprintf("token-%d", n), count, v1alpha1.Spot, "m5.large", "c5.large")
		if rapid.Bool().Draw(rt, "run") {
			in.RunInstances, in.Step.Overrides = true, in.Step.Overrides[:1]
		}
		action := map[bool]string{true: "RunInstances", false: "CreateFleet"}[in.RunInstances]
		b.script("*.large spot *: " + rapid.SampledFrom([]string{"unlimited", "1", "0"}).Draw(rt, "capacity"))
		tries := b.tries(in)
		for {
			b.script(strings.ReplaceAll(rapid.SampledFrom([]string{
				"# nothing", "# nothing", "lose answer of ACTION", "refuse ACTION with InternalError",
				"refuse ACTION with RequestLimitExceeded", "refuse DescribeInstances with Unavailable",
			}).Draw(rt, "fault"), "ACTION", action))
			crash := rapid.Bool().Draw(rt, "crash") && tries.number < 6
			result, err := tries.once(crash)
			if crash || err != nil {
				require.False(rt, err != nil && isNonRetryable(err), "%v", err)
				continue
			}
			live := map[string]bool{}
			for _, i := range b.truth().Instances {
				if i.Tags[contract.TagToken] == in.Token {
					live[i.ID] = true
				}
			}
			require.LessOrEqual(rt, len(live), count)
			require.Len(rt, result.Instances, len(live))
			for _, i := range result.Instances {
				require.True(rt, live[i.ID])
			}
			return
		}
	})
}

func isNonRetryable(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.NonRetryable()
}
