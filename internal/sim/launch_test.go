package sim_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/script"
)

const ice = "InsufficientInstanceCapacity"

func TestFleetAllocates(t *testing.T) {
	m5, c5, r5 := in("m5.large", sim.SubnetA), in("c5.large", sim.SubnetA), in("r5.large", sim.SubnetA)
	for _, c := range []struct {
		name      string
		script    string
		quotas    cloud.Quotas
		input     *ec2.CreateFleetInput
		launched  map[string]int
		refused   map[string]string
		lifecycle types.InstanceLifecycle
	}{
		{
			name: "on-demand at the lowest price", input: fleet(3, onDemand, "", m5, c5, r5),
			launched: map[string]int{"c5.large": 3}, refused: map[string]string{}, lifecycle: types.InstanceLifecycleOnDemand,
		},
		{
			name: "what was tried and dry is told beside what was launched", script: "c5.* on-demand *: 0",
			input:    fleet(3, onDemand, "", m5, c5, r5),
			launched: map[string]int{"m5.large": 3}, refused: map[string]string{"c5.large": ice},
		},
		{
			name: "a pool gives what it has, the next the rest", script: "c5.* * *: 1\nm5.* * *: 1",
			input:    fleet(3, onDemand, "", m5, c5, r5),
			launched: map[string]int{"c5.large": 1, "m5.large": 1, "r5.large": 1},
			refused:  map[string]string{"c5.large": ice, "m5.large": ice},
		},
		{
			name: "partly filled, and why of each", script: "* * *: 0\nm5.* * *: 2",
			input:    fleet(3, onDemand, "", m5, c5, r5),
			launched: map[string]int{"m5.large": 2},
			refused:  map[string]string{"c5.large": ice, "m5.large": ice, "r5.large": ice},
		},
		{
			name: "nothing at all", script: "* spot *: 0", input: fleet(3, spot, "", m5, c5, r5),
			launched: map[string]int{}, refused: map[string]string{"c5.large": ice, "m5.large": ice, "r5.large": ice},
		},
		{
			name: "spot prefers the pool that can give all", script: "* spot *: 2\nr5.* spot *: 3",
			input:    fleet(3, spot, "", m5, c5, r5),
			launched: map[string]int{"r5.large": 3}, refused: map[string]string{}, lifecycle: types.InstanceLifecycleSpot,
		},
		{
			name: "a spot drought leaves on-demand alone", script: "* spot *: 0",
			input: fleet(1, onDemand, "", m5), launched: map[string]int{"m5.large": 1}, refused: map[string]string{},
		},
		{
			name: "the on-demand quota is no ICE", quotas: cloud.Quotas{OnDemandVCPUs: 5}, input: fleet(3, onDemand, "", m5),
			launched: map[string]int{"m5.large": 2}, refused: map[string]string{"m5.large": "VcpuLimitExceeded"},
		},
		{
			name: "the spot quota is no ICE", quotas: cloud.Quotas{SpotVCPUs: 2}, input: fleet(3, spot, "", m5),
			launched: map[string]int{"m5.large": 1}, refused: map[string]string{"m5.large": "MaxSpotInstanceCountExceeded"},
		},
		{
			name: "one override is throttled, beside instances", script: "throttle c5.* * *: 1", input: fleet(1, onDemand, "", m5, c5),
			launched: map[string]int{"m5.large": 1}, refused: map[string]string{"c5.large": "RequestLimitExceeded"},
		},
		{
			name: "an arm64 type does not fit the image", input: fleet(1, onDemand, "", m5, in("m7g.large", sim.SubnetA)),
			launched: map[string]int{"m5.large": 1}, refused: map[string]string{"m7g.large": "InvalidParameterValue"},
		},
		{
			name: "an unknown subnet is told of the override", input: fleet(1, onDemand, "", m5, in("c5.large", "subnet-00000000")),
			launched: map[string]int{"m5.large": 1}, refused: map[string]string{"c5.large": "InvalidSubnetID.NotFound"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{Quotas: c.quotas})
			w.script(c.script)
			out, err := w.ec2.CreateFleet(w.ctx, c.input)
			require.NoError(t, err)
			require.Equal(t, c.launched, launched(out))
			require.Equal(t, c.refused, refused(out))
			for _, group := range out.Instances {
				require.Equal(t, sim.SubnetA, aws.ToString(group.LaunchTemplateAndOverrides.Overrides.SubnetId))
				if c.lifecycle != "" {
					require.Equal(t, c.lifecycle, group.Lifecycle)
				}
			}
			got := 0
			for _, n := range c.launched {
				got += n
			}
			require.Len(t, w.server.Truth().Instances, got)
		})
	}
}

func TestFleetTakesTheCheapestZoneOfEqualDepth(t *testing.T) {
	w := newWorld(t, sim.Options{})
	prices, err := w.ec2.DescribeSpotPriceHistory(w.ctx, &ec2.DescribeSpotPriceHistoryInput{
		InstanceTypes: []types.InstanceType{"m5.large"}, ProductDescriptions: []string{"Linux/UNIX"},
	})
	require.NoError(t, err)
	require.Len(t, prices.SpotPriceHistory, 3)
	cheapest := prices.SpotPriceHistory[0]
	for _, p := range prices.SpotPriceHistory {
		if aws.ToString(p.SpotPrice) < aws.ToString(cheapest.SpotPrice) {
			cheapest = p
		}
	}
	_, err = w.ec2.CreateFleet(w.ctx, fleet(2, spot, "", in("m5.large", sim.SubnetA), in("m5.large", sim.SubnetB), in("m5.large", sim.SubnetC)))
	require.NoError(t, err)
	for _, i := range w.server.Truth().Instances {
		require.Equal(t, aws.ToString(cheapest.AvailabilityZone), i.Zone)
	}
}

func TestFleetIsRefused(t *testing.T) {
	m5 := in("m5.large", sim.SubnetA)
	change := func(f func(*ec2.CreateFleetInput)) *ec2.CreateFleetInput {
		input := fleet(1, spot, "", m5)
		f(input)
		return input
	}
	template := func(f func(*types.FleetLaunchTemplateSpecificationRequest)) *ec2.CreateFleetInput {
		return change(func(i *ec2.CreateFleetInput) { f(i.LaunchTemplateConfigs[0].LaunchTemplateSpecification) })
	}
	for name, c := range map[string]struct {
		input *ec2.CreateFleetInput
		code  string
	}{
		"a maintained fleet": {change(func(i *ec2.CreateFleetInput) { i.Type = types.FleetTypeMaintain }), "InvalidParameterValue"},
		"an unknown template": {template(func(s *types.FleetLaunchTemplateSpecificationRequest) {
			s.LaunchTemplateId = aws.String("lt-00000000")
		}), "InvalidLaunchTemplateId.NotFound"},
		"an unknown template name": {template(func(s *types.FleetLaunchTemplateSpecificationRequest) {
			s.LaunchTemplateId, s.LaunchTemplateName = nil, aws.String("nobody")
		}), "InvalidLaunchTemplateName.NotFoundException"},
		"an unknown version": {template(func(s *types.FleetLaunchTemplateSpecificationRequest) {
			s.Version = aws.String("7")
		}), "InvalidLaunchTemplateId.VersionNotFound"},
		"no version":              {template(func(s *types.FleetLaunchTemplateSpecificationRequest) { s.Version = nil }), "MissingParameter"},
		"two subnets of one zone": {fleet(1, spot, "", m5, m5), "InvalidFleetConfig"},
		"no machines":             {fleet(0, spot, "", m5), "InvalidParameterValue"},
		"a long token":            {fleet(1, spot, string(make([]byte, 65)), m5), "InvalidParameterValue"},
		"a reserved tag": {change(func(i *ec2.CreateFleetInput) {
			i.TagSpecifications[0].Tags[0].Key = aws.String("aws:mine")
		}), "InvalidParameterValue"},
		"a mixed fleet": {change(func(i *ec2.CreateFleetInput) {
			i.TargetCapacitySpecification.TotalTargetCapacity = aws.Int32(2)
			i.TargetCapacitySpecification.OnDemandTargetCapacity = aws.Int32(1)
		}), "InvalidParameterValue"},
		"what the simulator does not know": {change(func(i *ec2.CreateFleetInput) {
			i.TerminateInstancesWithExpiration = aws.Bool(true)
		}), "UnknownParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			_, err := w.ec2.CreateFleet(w.ctx, c.input)
			require.Equal(t, c.code, code(err))
			require.Empty(t, w.server.Truth().Instances)
		})
	}
}

func TestRunInstancesTokens(t *testing.T) {
	w := newWorld(t, sim.Options{Unthrottled: true})
	launch := func(input *ec2.RunInstancesInput) (ids []string, refused string) {
		out, err := w.ec2.RunInstances(w.ctx, input)
		if err != nil {
			return nil, code(err)
		}
		for _, i := range out.Instances {
			ids = append(ids, aws.ToString(i.InstanceId))
		}
		return ids, ""
	}
	first, refusal := launch(run(2, sim.SubnetA, "token"))
	require.Empty(t, refusal)
	require.Len(t, first, 2)
	again, _ := launch(run(2, sim.SubnetA, "token"))
	require.Equal(t, first, again, "the same token and parameters are the same instances")
	_, refusal = launch(run(3, sim.SubnetA, "token"))
	require.Equal(t, "IdempotentParameterMismatch", refusal)
	elsewhere, refusal := launch(run(2, sim.SubnetB, "token"))
	require.Empty(t, refusal)
	require.NotEqual(t, first, elsewhere, "the token is zonal: in another zone it is another launch")
	other, _ := launch(run(2, sim.SubnetA, "another"))
	require.NotEqual(t, first, other)

	_, err := w.ec2.TerminateInstances(w.ctx, &ec2.TerminateInstancesInput{InstanceIds: first[:1]})
	require.NoError(t, err)
	_, refusal = launch(run(2, sim.SubnetA, "token"))
	require.Equal(t, "IdempotentInstanceTerminated", refusal)
	require.Len(t, w.server.Truth().Instances, 6)

	w.script("m5.* * eu-west-1c: 0")
	_, refusal = launch(run(1, sim.SubnetC, "dry"))
	require.Equal(t, ice, refusal)
	w.script("m5.* * eu-west-1c: 1")
	got, refusal := launch(run(1, sim.SubnetC, "dry"))
	require.Empty(t, refusal, "a token whose call launched nothing is still unused")
	require.Len(t, got, 1)
}

func TestFleetReplay(t *testing.T) {
	m5 := in("m5.large", sim.SubnetA)
	t.Run("anew", func(t *testing.T) {
		w := newWorld(t, sim.Options{})
		for range 2 {
			_, err := w.ec2.CreateFleet(w.ctx, fleet(1, spot, "token", m5))
			require.NoError(t, err)
		}
		require.Len(t, w.server.Truth().Instances, 2)
	})
	t.Run("same", func(t *testing.T) {
		w := newWorld(t, sim.Options{FleetReplay: cloud.ReplaySame})
		first, err := w.ec2.CreateFleet(w.ctx, fleet(1, spot, "token", m5))
		require.NoError(t, err)
		second, err := w.ec2.CreateFleet(w.ctx, fleet(1, spot, "token", m5))
		require.NoError(t, err)
		require.Equal(t, first.Instances, second.Instances)
		_, err = w.ec2.CreateFleet(w.ctx, fleet(2, spot, "token", m5))
		require.Equal(t, "IdempotentParameterMismatch", code(err))
		require.Len(t, w.server.Truth().Instances, 1)
	})
}

func TestAnswersAreLost(t *testing.T) {
	w := newWorld(t, sim.Options{})
	_, err := w.ec2.DescribeSubnets(w.ctx, nil) // so that the connection is used before: nothing may repeat the call
	require.NoError(t, err)
	w.script("lose answer of CreateFleet 1\nlose answer of RunInstances 1")
	_, err = w.ec2.CreateFleet(w.ctx, fleet(2, spot, "token", in("m5.large", sim.SubnetA)))
	require.Equal(t, "lost", code(err))
	require.Len(t, w.server.Truth().Instances, 2, "the call has taken effect, once")
	_, err = w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, "token"))
	require.Equal(t, "lost", code(err))
	_, err = w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, "token"))
	require.NoError(t, err)
	truth := w.server.Truth()
	require.Len(t, truth.Instances, 3, "the token has made up for the lost answer")
	require.True(t, truth.Calls[0].Lost)
	require.Equal(t, "token", truth.Calls[0].Token)
}

func TestScriptedRefusals(t *testing.T) {
	w := newWorld(t, sim.Options{})
	launch := func() string {
		_, err := w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
		return code(err)
	}
	w.script("refuse RunInstances 2 with InternalError")
	require.Equal(t, "InternalError", launch())
	require.Equal(t, "InternalError", launch())
	require.Empty(t, launch())
	w.script("deny RunInstances")
	require.Equal(t, "UnauthorizedOperation", launch())
	require.Equal(t, "UnauthorizedOperation", launch())
	w.clock.Advance(time.Minute)
	w.script("allow RunInstances")
	require.Empty(t, launch())
	require.Len(t, w.server.Truth().Instances, 2)
	require.Equal(t, map[string]int{"InternalError": 2, "UnauthorizedOperation": 2}, w.server.Truth().Counts["RunInstances"].Refused)
}

func TestScriptKeepsTime(t *testing.T) {
	lines, err := script.Parse("at 30s m5.* spot *: 0\nat 60s m5.* spot *: unlimited")
	require.NoError(t, err)
	w := newWorld(t, sim.Options{Script: lines, Speed: 10})
	launch := func() map[string]string {
		out, err := w.ec2.CreateFleet(w.ctx, fleet(1, spot, "", in("m5.large", sim.SubnetA)))
		require.NoError(t, err)
		return refused(out)
	}
	require.Empty(t, launch())
	w.clock.Advance(3 * time.Second)
	require.Equal(t, map[string]string{"m5.large": ice}, launch(), "30 s at ten times the speed")
	w.clock.Advance(3 * time.Second)
	require.Empty(t, launch())
}
