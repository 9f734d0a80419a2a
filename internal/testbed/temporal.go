package testbed

import (
	"context"
	"fmt"
	"path/filepath"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"floe.dev/floe/api/contract"
)

// TemporalNamespace is the namespace that Floe's workflows run in on a testbed.
const TemporalNamespace = "default"

// dynamicConfig: out of the box the development server looks for new tasks 20 times a second, and every activity waits
// for that (measured: 101 ms a round trip, 8 ms with these); one partition a task queue saves the forwarding between
// partitions, which serves only loads that no single machine makes.
var dynamicConfig = []string{
	"history.transferProcessorMaxPollRPS=2000",
	"history.timerProcessorMaxPollRPS=2000",
	"matching.numTaskqueueReadPartitions=1",
	"matching.numTaskqueueWritePartitions=1",
	"system.enableActivityEagerExecution=true",
}

func (tb *Testbed) startTemporal(ctx context.Context) error {
	_, ports, err := tb.startOnPorts(ctx, "temporal", 4, func(ports []int) command {
		args := []string{
			"server", "start-dev", "--ip=127.0.0.1",
			fmt.Sprintf("--port=%d", ports[0]), fmt.Sprintf("--http-port=%d", ports[1]), fmt.Sprintf("--metrics-port=%d", ports[2]),
			"--db-filename=" + filepath.Join(tb.Dir, fmt.Sprintf("temporal-%d.db", ports[0])),
			// A write-ahead log that is not flushed outlives a killed server, and halves the time of an activity's round
			// trip (27 ms to 13 ms, measured here); only a crash of the whole machine would lose something.
			"--sqlite-pragma=journal_mode=WAL", "--sqlite-pragma=synchronous=OFF",
			"--namespace=" + TemporalNamespace,
			"--log-level=error",
		}
		if tb.options.Headless {
			args = append(args, "--headless")
		} else {
			args = append(args, "--ui-ip=127.0.0.1", fmt.Sprintf("--ui-port=%d", ports[3]))
		}
		for _, value := range dynamicConfig {
			args = append(args, "--dynamic-config-value="+value)
		}
		if tb.options.SearchAttributes {
			for _, name := range contract.SearchAttributes {
				args = append(args, "--search-attribute="+name+"=Keyword")
			}
		}
		return command{path: tb.tools["temporal"], args: args, ready: temporalServes(address(ports[0]))}
	})
	if err != nil {
		return err
	}
	tb.TemporalAddress = address(ports[0])
	tb.TemporalMetrics = "http://" + address(ports[2]) + "/metrics"
	if !tb.options.Headless {
		tb.TemporalUI = "http://" + address(ports[3])
	}
	return nil
}

// temporalServes asks for the namespace: the server answers health checks before it has made it.
func temporalServes(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := dialTemporal(ctx, address)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: TemporalNamespace})
		return err
	}
}

// DialTemporal is a client of the testbed's Temporal server. The caller closes it.
func (tb *Testbed) DialTemporal(ctx context.Context) (client.Client, error) {
	return dialTemporal(ctx, tb.TemporalAddress)
}

func dialTemporal(ctx context.Context, address string) (client.Client, error) {
	return client.DialContext(ctx, client.Options{HostPort: address, Namespace: TemporalNamespace, Logger: quiet{}})
}

// quiet drops the client's own log: a server that is not up yet is no news.
type quiet struct{}

var _ sdklog.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
