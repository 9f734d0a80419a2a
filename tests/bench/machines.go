package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apitypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/testbed"
)

// rush is the simulated AWS where machines take a moment and some: a thousand of them come within seconds, and nothing
// but the control plane holds them back.
const rush = `
seed: 1
buckets: false
boot: {pending: 1s, register: 2s, ready: 2s, stopping: 0s, shuttingDown: 0s, deletion: 0s, jitter: 0.5}
`

// probeEvery is how often the API server is asked for something while it is busy.
const probeEvery = 20 * time.Millisecond

// measureMachines: a thousand simulated machines at once on one control plane, without Floe, and how the API server
// answers others meanwhile.
func measureMachines(ctx context.Context, t *table) error {
	n := 1000
	if t.short {
		n = 50
	}
	dir, err := os.MkdirTemp("", "floe-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(file, []byte(rush), 0o600); err != nil {
		return err
	}
	bed, err := testbed.Start(ctx, testbed.Options{Parts: testbed.Controllers | testbed.AWS, Scenario: file, Progress: io.Discard})
	if err != nil {
		return err
	}
	defer bed.Close()
	kube, err := kubernetes.NewForConfig(bed.Kube)
	if err != nil {
		return err
	}
	quiet, err := probeWhile(ctx, kube, func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
			return nil
		}
	})
	if err != nil {
		return err
	}
	began := time.Now()
	busy, err := probeWhile(ctx, kube, func(ctx context.Context) error {
		if err := runMachines(ctx, bed.SimURL, n); err != nil {
			return err
		}
		return poll(ctx, 200*time.Millisecond, 5*time.Minute, func(ctx context.Context) (bool, error) {
			ready, err := readyNodes(ctx, kube)
			return ready >= n, err
		})
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d simulated machines at once", n)
	t.row(what+": until all are Ready", seconds(time.Since(began)), "")
	t.row("API server, idle: a read or write of another client, p50 / p99", milliseconds(quantile(quiet, 0.5))+" / "+milliseconds(quantile(quiet, 0.99)), "")
	t.row(what+": the same meanwhile, p50 / p99", milliseconds(quantile(busy, 0.5))+" / "+milliseconds(quantile(busy, 0.99)), "p99 ≤ 1 s")
	if p := bed.Process("sim"); p != nil {
		_, peak := residentMiB(p)
		t.row(what+": the simulator's memory, peak", fmt.Sprintf("%d MiB", peak), "")
	}
	return nil
}

// runMachines launches so many in one call.
func runMachines(ctx context.Context, endpoint string, n int) error {
	client := ec2.New(ec2.Options{
		BaseEndpoint: &endpoint, Region: sim.DefaultRegion,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAFLOEBENCH000000", "bench", ""),
	})
	_, err := client.RunInstances(ctx, &ec2.RunInstancesInput{
		MinCount: aws.Int32(int32(n)), MaxCount: aws.Int32(int32(n)), InstanceType: types.InstanceTypeM5Large,
		SubnetId:       aws.String(sim.SubnetA),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: aws.String(sim.LaunchTemplateID)},
	})
	return err
}

func readyNodes(ctx context.Context, kube kubernetes.Interface) (int, error) {
	// From the API server's cache: the bench is to measure it, not to load it.
	nodes, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return 0, err
	}
	ready := 0
	for _, node := range nodes.Items {
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	return ready, nil
}

// probeWhile reads and writes a small object all the while that f runs, and says how long each took.
func probeWhile(ctx context.Context, kube kubernetes.Interface, f func(context.Context) error) ([]time.Duration, error) {
	maps := kube.CoreV1().ConfigMaps(metav1.NamespaceDefault)
	object, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "bench-"}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	probing, stop := context.WithCancel(ctx)
	defer stop()
	var took []time.Duration
	var failed error
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-probing.Done():
				return
			case <-tick.C:
			}
			began := time.Now()
			var err error
			if n%2 == 0 {
				_, err = maps.Get(probing, object.Name, metav1.GetOptions{})
			} else {
				_, err = maps.Patch(probing, object.Name, apitypes.MergePatchType, fmt.Appendf(nil, `{"data":{"n":"%d"}}`, n), metav1.PatchOptions{})
			}
			if err != nil {
				if probing.Err() == nil {
					failed = err
				}
				return
			}
			took = append(took, time.Since(began))
		}
	})
	err = f(ctx)
	stop()
	done.Wait()
	if err == nil {
		err = failed
	}
	return took, err
}
