package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/fallback"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/script"
)

const (
	// callsLaunches are launches of callsMachines each, every one on a market of its own.
	callsLaunches = 40
	callsMachines = 5
	// callsDry is the share of offerings without capacity; the others have one machine to four.
	callsDry = 0.5
)

// callsTypes make twelve offerings in the three zones of the simulated AWS.
var callsTypes = []string{"m5.large", "c5.large", "r5.large", "m6i.large"}

// callsPlaces are where the simulated AWS has subnets.
var callsPlaces = []contract.Override{
	{Offering: contract.Offering{ZoneID: "euw1-az1"}, Zone: "eu-west-1a", Subnet: sim.SubnetA},
	{Offering: contract.Offering{ZoneID: "euw1-az2"}, Zone: "eu-west-1b", Subnet: sim.SubnetB},
	{Offering: contract.Offering{ZoneID: "euw1-az3"}, Zone: "eu-west-1c", Subnet: sim.SubnetC},
}

// measureCalls: launch calls for each machine that came, by hops that ask for all offerings of a step at once, and by one
// call for each offering in turn, on the same markets.
func measureCalls(ctx context.Context, t *table) error {
	ways := []struct {
		what string
		walk func(all contract.Step, hop hopper) error
	}{
		{"one CreateFleet for the offerings of a step", walkTogether},
		{"one call for each offering", walkOneByOne},
	}
	for _, way := range ways {
		markets := rand.New(rand.NewPCG(1, 1)) // the same for both
		calls, filled := 0, 0
		for i := range t.rounds(callsLaunches) {
			c, f, err := callsOf(ctx, market(markets), fmt.Sprint(i), way.walk)
			if err != nil {
				return err
			}
			calls, filled = calls+c, filled+f
		}
		t.row(fmt.Sprintf("launch calls for each of %d machines, 12 offerings, %.0f %% of them dry: %s", filled, 100*callsDry, way.what),
			fmt.Sprintf("%.2f (%d calls)", float64(calls)/float64(max(filled, 1)), calls), "")
	}
	return nil
}

// market is a script that gives every offering its capacity.
func market(r *rand.Rand) string {
	var lines []string
	for _, name := range callsTypes {
		for _, place := range callsPlaces {
			n := 0
			if r.Float64() >= callsDry {
				n = 1 + r.IntN(4)
			}
			lines = append(lines, fmt.Sprintf("%s spot %s: %d", name, place.Zone, n))
		}
	}
	return strings.Join(lines, "\n")
}

// hopper does one hop of a launch.
type hopper func(step contract.Step, count int) (contract.LaunchResult, error)

// callsOf walks one launch on a simulated AWS of its own, and counts the calls that it made and the machines that came.
func callsOf(ctx context.Context, lines, name string, walk func(contract.Step, hopper) error) (calls, filled int, err error) {
	parsed, err := script.Parse(lines)
	if err != nil {
		return 0, 0, err
	}
	quiet := slog.New(slog.DiscardHandler)
	world, err := sim.New(sim.Options{Script: parsed, Boot: &sim.Boot{}, Unthrottled: true, Seed: 1, Log: quiet})
	if err != nil {
		return 0, 0, err
	}
	defer world.Close()
	listener := httptest.NewServer(world.Handler())
	defer listener.Close()
	account := config.Account{Name: "main", Region: sim.DefaultRegion, Endpoint: listener.URL, Rates: map[contract.APIClass]float64{}}
	for _, class := range contract.APIClasses {
		account.Rates[class] = 10_000
	}
	activities, err := aws.New(ctx, aws.Options{Accounts: []config.Account{account}, Log: quiet, Configure: func(c *awssdk.Config) {
		c.Credentials = credentials.NewStaticCredentialsProvider("AKIAFLOEBENCH0000000", "secret", "")
	}})
	if err != nil {
		return 0, 0, err
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(quiet))
	environment := suite.NewTestActivityEnvironment()
	environment.RegisterActivity(activities.Launch)
	all := contract.Step{CapacityType: v1alpha1.Spot}
	for _, t := range callsTypes {
		for _, o := range callsPlaces {
			o.Region, o.InstanceType, o.CapacityType, o.USDPerHour = sim.DefaultRegion, t, v1alpha1.Spot, 0.05
			all.Overrides = append(all.Overrides, o)
		}
	}
	err = walk(all, func(step contract.Step, count int) (result contract.LaunchResult, err error) {
		calls++
		value, err := environment.ExecuteActivity(activities.Launch, contract.LaunchInput{
			Account: account.Name, Region: account.Region, Cluster: "bench", Pool: "general", ScaleUp: "scaleup/bench/" + name,
			Hop: calls, Token: fmt.Sprintf("%s-%d", name, calls), Count: count, Step: step,
			Template: contract.ResolvedTemplate{ID: sim.LaunchTemplateID, Version: "1", ImageID: sim.ImageX86},
		})
		if err != nil {
			return result, err
		}
		err = value.Get(&result)
		filled += len(result.Instances)
		return result, err
	})
	return calls, filled, err
}

// walkTogether asks as ScaleUp does: for all, then for what has not refused, until a hop brings nothing.
func walkTogether(step contract.Step, hop hopper) error {
	for left := callsMachines; left > 0 && len(step.Overrides) > 0; {
		result, err := hop(step, left)
		if err != nil {
			return err
		}
		left -= len(result.Instances)
		step = fallback.Rest(step, result.Outcomes, len(result.Instances))
	}
	return nil
}

// walkOneByOne asks for one offering after the other.
func walkOneByOne(step contract.Step, hop hopper) error {
	left := callsMachines
	for _, o := range step.Overrides {
		if left == 0 {
			return nil
		}
		one := step
		one.Overrides = []contract.Override{o}
		result, err := hop(one, left)
		if err != nil {
			return err
		}
		left -= len(result.Instances)
	}
	return nil
}
