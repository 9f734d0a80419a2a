package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"floe.dev/floe/internal/sim"
)

const (
	// simInstances is how many instances the simulated AWS has to keep up with.
	simInstances = 5000
	// simCallers ask at the same time: more than the calls' least duration (5 ms) lets one core serve.
	simCallers = 16
)

// measureSim: what the simulated AWS itself can do, with the SDK on the other end of a socket and in the same process,
// so that both share the cores.
func measureSim(ctx context.Context, t *table) error {
	server, err := sim.New(sim.Options{Unthrottled: true, Boot: &sim.Boot{}, Seed: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer server.Close()
	listener := httptest.NewServer(server.Handler())
	defer listener.Close()
	client := ec2.New(ec2.Options{
		Region: sim.DefaultRegion, BaseEndpoint: aws.String(listener.URL), Retryer: aws.NopRetryer{}, HTTPClient: newPatient(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAFLOEBENCH0000000", "secret", ""),
	})
	n := simInstances
	if t.short {
		n = 200
	}
	before := heap()
	began := time.Now()
	ids, err := launchMany(ctx, client, n)
	if err != nil {
		return err
	}
	t.row(fmt.Sprintf("simulated AWS: %d instances by fleets of 100", len(ids)), seconds(time.Since(began)), "")
	t.row(fmt.Sprintf("simulated AWS: memory of %d instances", len(ids)), fmt.Sprintf("%.1f MiB", float64(heap()-before)/(1<<20)), "")
	for _, m := range []struct {
		what  string
		calls int
		do    func(n int) error
	}{
		{"describe one instance by its ID", 4000, func(n int) error {
			_, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{ids[n%len(ids)]}})
			return err
		}},
		{"describe all by a tag, in pages of 1,000", 40, func(int) error { return describeAll(ctx, client, "tag:bench", "yes") }},
		{"describe all, and none has the tag", 200, func(int) error { return describeAll(ctx, client, "tag:floe.dev/launch-token", "none") }},
		{"start a fleet of one, and terminate it", 400, func(int) error {
			one, err := launchMany(ctx, client, 1)
			if err == nil {
				_, err = client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: one})
			}
			return err
		}},
	} {
		calls := m.calls
		if t.short {
			calls = simCallers
		}
		rate, err := callRate(calls, m.do)
		if err != nil {
			return fmt.Errorf("%s: %w", m.what, err)
		}
		t.row(fmt.Sprintf("simulated AWS, %d instances, %d callers: %s", n, simCallers, m.what), perSecond(rate), "")
	}
	return nil
}

// perSecond says a rate as exactly as it is known.
func perSecond(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f a second", rate)
	}
	return fmt.Sprintf("%.0f a second", rate)
}

// launchMany launches n instances by fleets of at most 100.
func launchMany(ctx context.Context, client *ec2.Client, n int) ([]string, error) {
	var ids []string
	for len(ids) < n {
		subnets := []string{sim.SubnetA, sim.SubnetB, sim.SubnetC}
		out, err := client.CreateFleet(ctx, &ec2.CreateFleetInput{
			Type: types.FleetTypeInstant,
			LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
				LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{
					LaunchTemplateId: aws.String(sim.LaunchTemplateID), Version: aws.String("1"),
				},
				Overrides: []types.FleetLaunchTemplateOverridesRequest{{
					InstanceType: types.InstanceTypeM5Large, SubnetId: aws.String(subnets[len(ids)/100%len(subnets)]),
				}},
			}},
			TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{
				TotalTargetCapacity: aws.Int32(int32(min(100, n-len(ids)))), DefaultTargetCapacityType: types.DefaultTargetCapacityTypeSpot,
			},
			TagSpecifications: []types.TagSpecification{{
				ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("bench"), Value: aws.String("yes")}},
			}},
		})
		if err != nil {
			return nil, err
		}
		if len(out.Instances) == 0 {
			return nil, fmt.Errorf("the fleet launched nothing: %v", out.Errors)
		}
		for _, group := range out.Instances {
			ids = append(ids, group.InstanceIds...)
		}
	}
	return ids, nil
}

func describeAll(ctx context.Context, client *ec2.Client, filter, value string) error {
	pages := ec2.NewDescribeInstancesPaginator(client, &ec2.DescribeInstancesInput{
		MaxResults: aws.Int32(1000), Filters: []types.Filter{{Name: aws.String(filter), Values: []string{value}}},
	})
	for pages.HasMorePages() {
		if _, err := pages.NextPage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// callRate makes calls from simCallers goroutines, and says how many were done in a second.
func callRate(calls int, do func(n int) error) (float64, error) {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for range simCallers {
		all.Go(func() {
			for failed.Load() == nil {
				n := int(next.Add(1))
				if n > calls {
					return
				}
				if err := do(n); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(calls) / time.Since(began).Seconds(), nil
}

// heap is what is reachable.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// patient keeps connections for all callers, and hides the method WriteTo of request bodies: where the SDK closes a body
// under it, net/http closes the connection under the answer (github.com/aws/aws-sdk-go-v2/issues/2737), and nothing here
// is retried.
type patient struct{ client http.Client }

func newPatient() *patient {
	return &patient{http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: simCallers}}}
}

// Do sends a request.
func (p *patient) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return p.client.Do(r)
}
