package aws

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
)

// launch runs the activity as a worker does.
func (b *bed) launch(in contract.LaunchInput) (contract.LaunchResult, error) {
	var s testsuite.WorkflowTestSuite
	s.SetLogger(log.NewStructuredLogger(discard()))
	env := s.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(b.Launch, activity.RegisterOptions{Name: contract.ActivityLaunch})
	var result contract.LaunchResult
	value, err := env.ExecuteActivity(contract.ActivityLaunch, in)
	if err == nil {
		err = value.Get(&result)
	}
	return result, err
}

func TestLaunch(t *testing.T) {
	for _, ct := range []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand} {
		t.Run(string(ct), func(t *testing.T) {
			b := newBed(t, "")
			in := launchInput("token", 3, ct, "m5.large", "c5.large")
			result, err := b.launch(in)
			require.NoError(t, err)
			require.Len(t, result.Instances, 3)
			require.True(t, result.Recorded)
			require.False(t, result.Recovered)
			require.NotZero(t, result.SentAt)

			truth := b.truth()
			require.Len(t, truth.Instances, 3)
			require.Equal(t, 1, truth.Counts["CreateFleet"].All)
			byID := map[string]sim.TruthInstance{}
			for _, i := range truth.Instances {
				byID[i.ID] = i
			}
			for _, i := range result.Instances {
				real, ok := byID[i.ID]
				require.True(t, ok)
				require.Equal(t, real.InstanceType, i.InstanceType)
				require.Equal(t, real.Zone, i.Zone)
				require.Equal(t, real.ZoneID, i.ZoneID)
				require.Equal(t, real.Subnet, i.Subnet)
				require.Equal(t, real.ImageID, i.ImageID)
				require.Equal(t, real.CapacityType, string(i.CapacityType))
				require.Equal(t, "pending", i.State)
				require.Equal(t, "token", i.Token)
				require.Equal(t, "token", real.Token)
				require.Subset(t, real.Tags, map[string]string{
					contract.TagOwner: contract.OwnerFloe, contract.TagCluster: testCluster, contract.TagPool: "general",
					contract.TagPlan: "abc-1", contract.TagScaleUp: in.ScaleUp, contract.TagToken: "token",
				})
				require.Contains(t, prices(in), i.USDPerHour)
			}
			got := 0
			for _, o := range result.Outcomes {
				require.Equal(t, contract.AnswerLaunched, o.Answer)
				got += o.Count
			}
			require.Equal(t, 3, got)

			require.Len(t, b.kept.hops, 1)
			record := b.kept.hops[0]
			require.Equal(t, "token", record.ID)
			require.Equal(t, result.Outcomes, record.Hop.Outcomes)
			require.Equal(t, contract.Hop{
				Number: 1, Step: 2, CapacityType: ct, Token: "token", Asked: 3, Got: 3, Started: record.Hop.Started, Ended: record.Hop.Ended,
				SentAt: record.Hop.SentAt, Took: result.Took, Outcomes: record.Hop.Outcomes,
			}, record.Hop)
		})
	}
}

func prices(in contract.LaunchInput) (usd []float64) {
	for _, o := range in.Step.Overrides {
		usd = append(usd, o.USDPerHour)
	}
	return usd
}

func answers(result contract.LaunchResult) map[string]contract.Answer {
	found := map[string]contract.Answer{}
	for _, o := range result.Outcomes {
		found[o.Offering.InstanceType+" "+o.Offering.ZoneID] = o.Answer
	}
	return found
}

func TestDroughtIsAnAnswer(t *testing.T) {
	b := newBed(t, "m5.* spot *: 0")
	result, err := b.launch(launchInput("token", 2, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	require.Empty(t, result.Instances)
	require.Equal(t, map[string]contract.Answer{
		"m5.large euw1-az1": contract.AnswerICE, "m5.large euw1-az2": contract.AnswerICE, "m5.large euw1-az3": contract.AnswerICE,
	}, answers(result))

	view, err := b.View(t.Context(), testAccount)
	require.NoError(t, err)
	require.Len(t, view.BackOff, 3, "the next plan knows at once")
}

func TestInstancesAndErrorsInOneAnswer(t *testing.T) {
	b := newBed(t, "m5.large spot *: 0\nc5.large spot *: 0\nc5.large spot eu-west-1b: 1")
	result, err := b.launch(launchInput("token", 3, v1alpha1.Spot, "m5.large", "c5.large"))
	require.NoError(t, err)
	require.Len(t, result.Instances, 1)
	require.Equal(t, "eu-west-1b", result.Instances[0].Zone)
	found := answers(result)
	require.Equal(t, contract.AnswerLaunched, found["c5.large euw1-az2"])
	require.Equal(t, contract.AnswerICE, found["m5.large euw1-az1"])
	require.Len(t, b.truth().Instances, 1)
}

func TestQuotaIsNoICE(t *testing.T) {
	b := newBed(t, "", func(o *sim.Options) { o.Quotas.SpotVCPUs = 1 })
	result, err := b.launch(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	require.Empty(t, result.Instances)
	require.Equal(t, contract.AnswerQuota, answers(result)["m5.large euw1-az1"])
	view, err := b.View(t.Context(), testAccount)
	require.NoError(t, err)
	require.Empty(t, view.BackOff)
}

// What whole calls are refused with, and what the activity makes of it.
func TestRefusals(t *testing.T) {
	for code, want := range map[string]string{
		"RequestLimitExceeded":             contract.ErrThrottled,
		"UnauthorizedOperation":            contract.ErrAccessDenied,
		"AuthFailure":                      contract.ErrAccessDenied,
		"InvalidLaunchTemplateId.NotFound": contract.ErrPoolInvalid,
		"InvalidSubnetID.NotFound":         contract.ErrPoolInvalid,
		"RequestExpired":                   contract.ErrUnavailable,
		"InternalError":                    contract.ErrLostAnswer,
		"ServiceUnavailable":               contract.ErrLostAnswer,
	} {
		t.Run(code, func(t *testing.T) {
			b := newBed(t, "refuse CreateFleet with "+code)
			_, err := b.launch(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
			require.Equal(t, want, typeOf(t, err))
			require.ErrorContains(t, err, "main (eu-west-1)")
			require.ErrorContains(t, err, "ec2:CreateFleet")
			var application *temporal.ApplicationError
			require.ErrorAs(t, err, &application)
			require.Equal(t, want == contract.ErrAccessDenied || want == contract.ErrPoolInvalid, application.NonRetryable())
			if want == contract.ErrThrottled {
				require.GreaterOrEqual(t, application.NextRetryDelay(), throttleDelay)
				require.Equal(t, temporal.ApplicationErrorCategoryBenign, application.Category())
			}
		})
	}
	for code, want := range map[string]contract.Answer{
		"InsufficientInstanceCapacity": contract.AnswerICE,
		"MaxSpotInstanceCountExceeded": contract.AnswerQuota,
		"InvalidParameterValue":        contract.AnswerRefused,
		"Unsupported":                  contract.AnswerRefused,
	} {
		t.Run(code, func(t *testing.T) {
			b := newBed(t, "refuse CreateFleet with "+code)
			result, err := b.launch(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
			require.NoError(t, err, "the chain goes on")
			require.Equal(t, want, answers(result)["m5.large euw1-az1"])
			require.Equal(t, code, result.Outcomes[0].Code)
		})
	}
}

func TestUnknownTemplateAndSubnet(t *testing.T) {
	b := newBed(t, "")
	in := launchInput("token", 1, v1alpha1.Spot, "m5.large")
	in.Template.ID = "lt-00000000000000bad"
	_, err := b.launch(in)
	require.Equal(t, contract.ErrPoolInvalid, typeOf(t, err))
	require.ErrorContains(t, err, "spec.launchTemplate")

	in = launchInput("token", 1, v1alpha1.Spot, "m5.large")
	for i := range in.Step.Overrides {
		in.Step.Overrides[i].Subnet = "subnet-00000000000000bad"
	}
	_, err = b.launch(in)
	require.Equal(t, contract.ErrPoolInvalid, typeOf(t, err))
	require.ErrorContains(t, err, "spec.subnets")
}

func TestStoreThatDoesNotTakeAHop(t *testing.T) {
	b := newBed(t, "m5.large spot *: 0")
	b.kept.answer(nil, errors.New("down"))
	result, err := b.launch(launchInput("token", 1, v1alpha1.Spot, "m5.large"))
	require.NoError(t, err)
	require.False(t, result.Recorded)
	view, err := b.View(t.Context(), testAccount)
	require.NoError(t, err)
	require.Len(t, view.BackOff, 3, "this process remembers all the same")
}

func TestLaunchInputs(t *testing.T) {
	b := newBed(t, "")
	for want, spoil := range map[string]func(*contract.LaunchInput){
		"account":                        func(in *contract.LaunchInput) { in.Account = "other" },
		"region":                         func(in *contract.LaunchInput) { in.Region = "us-east-1" },
		"count":                          func(in *contract.LaunchInput) { in.Count = 0 },
		"token":                          func(in *contract.LaunchInput) { in.Token = "" },
		"cluster":                        func(in *contract.LaunchInput) { in.Cluster = "" },
		"template":                       func(in *contract.LaunchInput) { in.Template.Version = "" },
		"step.capacityType":              func(in *contract.LaunchInput) { in.Step.CapacityType = v1alpha1.Stopped },
		"step.overrides: none":           func(in *contract.LaunchInput) { in.Step.Overrides = nil },
		"step.overrides: 3":              func(in *contract.LaunchInput) { in.RunInstances = true },
		"step.overrides[1]":              func(in *contract.LaunchInput) { in.Step.Overrides[1].Subnet = "" },
		"step.overrides[0].capacityType": func(in *contract.LaunchInput) { in.Step.Overrides[0].CapacityType = v1alpha1.OnDemand },
	} {
		t.Run(want, func(t *testing.T) {
			in := launchInput("token", 1, v1alpha1.Spot, "m5.large")
			spoil(&in)
			_, err := b.launch(in)
			require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
			require.ErrorContains(t, err, want)
		})
	}
	require.Empty(t, b.truth().Instances)
}

// A probe that another launch has claimed is not asked; what that launch finds out is learned from the memory.
func TestProbesOfOthersAreLeftToThem(t *testing.T) {
	b := newBed(t, "")
	in := launchInput("token", 1, v1alpha1.Spot, "m5.large")
	for i := range in.Step.Overrides[:2] {
		in.Step.Overrides[i].Probe = "probe/" + in.Step.Overrides[i].ZoneID
	}
	taken, err := b.store.ClaimProbes(t.Context(), "scaleup/demo/another/0", in.Step.Overrides[:1])
	require.NoError(t, err)
	require.Empty(t, taken)
	in.Count = 3
	result, err := b.launch(in)
	require.NoError(t, err)
	require.Len(t, result.Instances, 3)
	require.Equal(t, contract.AnswerYielded, answers(result)["m5.large euw1-az1"])
	for _, i := range result.Instances {
		require.NotEqual(t, "euw1-az1", i.ZoneID)
	}

	in.Step.Overrides, in.Token, in.ScaleUp = in.Step.Overrides[:2], "token-2", "scaleup/demo/third/0"
	before := b.calls("CreateFleet")
	result, err = b.launch(in)
	require.NoError(t, err)
	require.Empty(t, result.Instances)
	require.Equal(t, map[string]contract.Answer{
		"m5.large euw1-az1": contract.AnswerYielded, "m5.large euw1-az2": contract.AnswerYielded,
	}, answers(result))
	require.Equal(t, before, b.calls("CreateFleet"), "nothing is left to ask for")
}
