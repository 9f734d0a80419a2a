// Package conformance asks an implementation of EC2, SQS, SSM, STS and the price list for what AWS documents, with the
// calls of AWS's own SDK, and with nothing else: no private API, no names that only ours has. Each check cites the page
// that supports it. It runs against our simulator, or against any endpoint:
//
//	make sim-conformance ENDPOINT=http://127.0.0.1:5000
//
// An endpoint needs a subnet with free addresses and an x86_64 image that a c5.large or m5.large can boot from;
// SUBNET and IMAGE choose them. AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are used as always. Instances
// are launched, at most four at a time, and terminated at the end, whatever happened.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
)

// check is one thing that AWS documents.
type check struct {
	what string
	// source is the page that says so, under docs.aws.amazon.com.
	source string
	run    func(l *lab)
}

// lab is an endpoint to be checked, and what there is in it.
type lab struct {
	*testing.T
	ctx     context.Context
	ec2     *ec2.Client
	sqs     *sqs.Client
	ssm     *ssm.Client
	sts     *sts.Client
	pricing *pricing.Client
	region  string
	run     string // a tag of all that this run makes
	subnet  types.Subnet
	image   string
	// patience is how long a state may take to come.
	patience time.Duration
}

const instanceType = types.InstanceTypeM5Large

func TestConformance(t *testing.T) {
	l := newLab(t)
	for _, group := range []struct {
		name   string
		checks []check
	}{
		{"requests", requests},
		{"instances", instances},
		{"launch templates", templates},
		{"fleets", fleets},
		{"catalog", catalog},
		{"queues", queues},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.checks {
				t.Run(c.what, func(t *testing.T) {
					t.Cleanup(func() {
						if t.Failed() {
							t.Logf("AWS says it at https://docs.aws.amazon.com/%s", c.source)
						}
					})
					if group.name == "queues" {
						t.Parallel() // they wait for seconds, each on queues of its own
					}
					own := *l
					own.T, own.ctx = t, t.Context()
					c.run(&own)
				})
			}
		})
	}
}

// newLab looks around at the endpoint, or starts our own simulator.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, ctx: t.Context(), region: "eu-west-1", run: fmt.Sprintf("floe-conformance-%d", time.Now().UnixNano()), patience: 5 * time.Minute}
	endpoint := os.Getenv("ENDPOINT")
	if endpoint == "" {
		endpoint = ours(t)
	} else if region := os.Getenv("AWS_REGION"); region != "" {
		l.region = region
	}
	config := aws.Config{
		Region: l.region, BaseEndpoint: aws.String(endpoint), HTTPClient: patientClient{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIACONFORMANCE00000", "secret", ""),
		Retryer:     patience,
	}
	if key := os.Getenv("AWS_ACCESS_KEY_ID"); key != "" {
		config.Credentials = credentials.NewStaticCredentialsProvider(key, os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"))
	}
	l.ec2, l.sqs, l.ssm, l.sts = ec2.NewFromConfig(config), sqs.NewFromConfig(config), ssm.NewFromConfig(config), sts.NewFromConfig(config)
	config.Region = "us-east-1" // the price list is not everywhere
	l.pricing = pricing.NewFromConfig(config)
	l.findSubnet()
	l.findImage()
	t.Cleanup(l.terminateAll)
	return l
}

// patience is the SDK's own way to try again, often enough for an endpoint that keeps AWS's API budgets.
func patience() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 20, 2*time.Second, ratelimit.None
	})
}

// ours is our simulator, a hundred times as fast as AWS and without API budgets.
func ours(t *testing.T) string {
	t.Helper()
	server, err := sim.New(sim.Options{Speed: 100, Unthrottled: true, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	listener := httptest.NewServer(server.Handler())
	t.Cleanup(listener.Close)
	return listener.URL
}

// patientClient hides the method WriteTo of request bodies. Where the SDK closes a body under it, net/http takes that for
// a failed write and closes the connection under the answer (github.com/aws/aws-sdk-go-v2/issues/2737).
type patientClient struct{}

func (patientClient) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return http.DefaultClient.Do(r)
}

func (l *lab) findSubnet() {
	input := &ec2.DescribeSubnetsInput{}
	if id := os.Getenv("SUBNET"); id != "" {
		input.SubnetIds = []string{id}
	}
	out, err := l.ec2.DescribeSubnets(l.ctx, input)
	require.NoError(l, err)
	for _, s := range out.Subnets {
		if aws.ToInt32(s.AvailableIpAddressCount) >= 10 {
			l.subnet = s
			return
		}
	}
	l.Fatal("the endpoint has no subnet with ten free addresses: make one, or name one in SUBNET")
}

func (l *lab) findImage() {
	if l.image = os.Getenv("IMAGE"); l.image != "" {
		return
	}
	out, err := l.ec2.DescribeImages(l.ctx, &ec2.DescribeImagesInput{Filters: []types.Filter{by("architecture", "x86_64"), by("state", "available")}})
	require.NoError(l, err)
	require.NotEmpty(l, out.Images, "the endpoint has no x86_64 image: make one, or name one in IMAGE")
	l.image = *out.Images[0].ImageId
}

func (l *lab) terminateAll() {
	l.ctx = context.WithoutCancel(l.ctx)
	ids := l.alive()
	if len(ids) == 0 {
		return
	}
	if _, err := l.ec2.TerminateInstances(l.ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}); err != nil {
		l.Errorf("instances with the tag run=%s are left: %s", l.run, err)
	}
}

// alive are this run's instances that are not terminated.
func (l *lab) alive() (ids []string) {
	ctx, cancel := context.WithTimeout(l.ctx, time.Minute)
	defer cancel()
	out, err := l.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{by("tag:run", l.run)}})
	if err != nil {
		l.Errorf("instances with the tag run=%s may be left: %s", l.run, err)
		return nil
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if i.State.Name != types.InstanceStateNameTerminated {
				ids = append(ids, *i.InstanceId)
			}
		}
	}
	return ids
}

func by(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// tags marks what is made as this run's.
func (l *lab) tags(kind types.ResourceType) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String("run"), Value: aws.String(l.run)}}}}
}

// launch is what runs one instance.
func (l *lab) launch() *ec2.RunInstancesInput {
	return &ec2.RunInstancesInput{
		ImageId: aws.String(l.image), InstanceType: instanceType, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SubnetId: l.subnet.SubnetId, TagSpecifications: l.tags(types.ResourceTypeInstance),
	}
}

// running launches an instance, waits until it runs, and terminates it at the check's end.
func (l *lab) running() string {
	l.Helper()
	out, err := l.ec2.RunInstances(l.ctx, l.launch())
	require.NoError(l, err)
	id := *out.Instances[0].InstanceId
	l.endWith(id)
	l.comesTo(id, types.InstanceStateNameRunning)
	return id
}

// endWith terminates instances at the check's end.
func (l *lab) endWith(ids ...string) {
	l.Cleanup(func() {
		_, err := l.ec2.TerminateInstances(context.WithoutCancel(l.ctx), &ec2.TerminateInstancesInput{InstanceIds: ids})
		require.NoError(l, err)
	})
}

// comesTo waits until an instance is in a state.
func (l *lab) comesTo(id string, state types.InstanceStateName) types.Instance {
	l.Helper()
	var i types.Instance
	require.Eventually(l, func() bool {
		out, err := l.ec2.DescribeInstances(l.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		if err != nil || len(out.Reservations) == 0 {
			return false // descriptions may lag behind launches
		}
		i = out.Reservations[0].Instances[0]
		return i.State.Name == state
	}, l.patience, 20*time.Millisecond, "%s does not come to %s", id, state)
	return i
}

// refused says that a call was refused with one of these codes; with none, that it was refused at all.
func (l *lab) refused(err error, codes ...string) {
	l.Helper()
	require.Error(l, err, "the call should have been refused with %v", codes)
	refusal, ok := errors.AsType[smithy.APIError](err)
	require.True(l, ok, "no refusal, but %v", err)
	if len(codes) > 0 {
		require.Contains(l, codes, refusal.ErrorCode(), refusal.ErrorMessage())
	}
}
