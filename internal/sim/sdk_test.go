package sim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/clock"
)

// world is a simulated AWS on a socket, with the real SDK in front of it and a clock that stands still.
type world struct {
	t      *testing.T
	ctx    context.Context
	server *sim.Server
	url    string
	clock  *clock.Manual
	config aws.Config
	ec2    *ec2.Client
}

func newWorld(t *testing.T, o sim.Options) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), clock: clock.NewManual(time.Now())}
	o.Clock = w.clock
	var err error
	w.server, err = sim.New(o)
	require.NoError(t, err)
	t.Cleanup(w.server.Close)
	listener := httptest.NewServer(w.server.Handler())
	t.Cleanup(listener.Close)
	w.url = listener.URL
	w.config = aws.Config{
		Region:       sim.DefaultRegion,
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAFLOETESTBED00000", "secret", ""),
		BaseEndpoint: aws.String(w.url),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient:   patientClient{},
	}
	w.ec2 = ec2.NewFromConfig(w.config)
	return w
}

// patientClient hides the method WriteTo of request bodies. Where the SDK closes a body under it, net/http takes that for
// a failed write and closes the connection under the answer (github.com/aws/aws-sdk-go-v2/issues/2737). The simulator's
// answers come late enough for that on an idle machine, but not always on a busy one, and these tests do not retry.
type patientClient struct{}

func (patientClient) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return http.DefaultClient.Do(r)
}

// script lets something happen.
func (w *world) script(lines string) {
	w.t.Helper()
	answer, err := http.Post(w.url+"/script", "text/plain", strings.NewReader(lines))
	require.NoError(w.t, err)
	require.NoError(w.t, answer.Body.Close())
	require.Equal(w.t, http.StatusOK, answer.StatusCode)
}

// code is AWS's word for what went wrong; "" where nothing did, "lost" where there was no answer.
func code(err error) string {
	if err == nil {
		return ""
	}
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return refused.ErrorCode()
	}
	return "lost"
}

type override = types.FleetLaunchTemplateOverridesRequest

func in(instanceType, subnet string) override {
	return override{InstanceType: types.InstanceType(instanceType), SubnetId: aws.String(subnet)}
}

// fleet is an instant fleet from the default template.
func fleet(count int32, ct types.DefaultTargetCapacityType, token string, overrides ...override) *ec2.CreateFleetInput {
	input := &ec2.CreateFleetInput{
		Type: types.FleetTypeInstant,
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{
				LaunchTemplateId: aws.String(sim.LaunchTemplateID), Version: aws.String("1"),
			},
			Overrides: overrides,
		}},
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{
			TotalTargetCapacity: aws.Int32(count), DefaultTargetCapacityType: ct,
		},
		TagSpecifications: []types.TagSpecification{{
			ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("floe.dev/owner"), Value: aws.String("floe")}},
		}},
	}
	if ct == spot {
		input.SpotOptions = &types.SpotOptionsRequest{AllocationStrategy: types.SpotAllocationStrategyPriceCapacityOptimized}
	}
	if token != "" {
		input.ClientToken = aws.String(token)
	}
	return input
}

const (
	spot     = types.DefaultTargetCapacityTypeSpot
	onDemand = types.DefaultTargetCapacityTypeOnDemand
)

// run is a launch of m5.large from the default template.
func run(count int32, subnet, token string) *ec2.RunInstancesInput {
	input := &ec2.RunInstancesInput{
		MinCount: aws.Int32(count), MaxCount: aws.Int32(count), InstanceType: "m5.large", SubnetId: aws.String(subnet),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateName: aws.String(sim.LaunchTemplateName)},
	}
	if token != "" {
		input.ClientToken = aws.String(token)
	}
	return input
}

// launched are the instances of a fleet's answer, by type.
func launched(out *ec2.CreateFleetOutput) map[string]int {
	got := map[string]int{}
	for _, group := range out.Instances {
		got[string(group.InstanceType)] += len(group.InstanceIds)
	}
	return got
}

// refused are the errors of a fleet's answer, by type.
func refused(out *ec2.CreateFleetOutput) map[string]string {
	got := map[string]string{}
	for _, e := range out.Errors {
		got[string(e.LaunchTemplateAndOverrides.Overrides.InstanceType)] = aws.ToString(e.ErrorCode)
	}
	return got
}

// described are all instances that EC2 tells of.
func (w *world) described(input *ec2.DescribeInstancesInput) []types.Instance {
	w.t.Helper()
	var list []types.Instance
	pages := ec2.NewDescribeInstancesPaginator(w.ec2, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.ctx)
		require.NoError(w.t, err)
		for _, r := range page.Reservations {
			list = append(list, r.Instances...)
		}
	}
	return list
}
