package sim_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
)

// TestAReclaimReachesTheQueue plays one through the SDK: the warning on the queue, the spot request that confirms it, and
// the machine that goes two minutes later.
func TestAReclaimReachesTheQueue(t *testing.T) {
	w := newWorld(t, sim.Options{})
	client := sqs.NewFromConfig(w.config)
	queue, err := client.CreateQueue(w.ctx, &sqs.CreateQueueInput{QueueName: aws.String(sim.DefaultQueue)})
	require.NoError(t, err)
	out, err := w.ec2.CreateFleet(w.ctx, fleet(1, types.DefaultTargetCapacityTypeSpot, "", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	id := out.Instances[0].InstanceIds[0]
	w.clock.Advance(time.Minute)
	w.script("event interruption twice\nreclaim m5.* spot eu-west-1a: 1")

	var warnings int
	for {
		received, err := client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10})
		require.NoError(t, err)
		if len(received.Messages) == 0 {
			break
		}
		for _, m := range received.Messages {
			var event struct {
				Type   string            `json:"detail-type"`
				Detail map[string]string `json:"detail"`
			}
			require.NoError(t, json.Unmarshal([]byte(*m.Body), &event))
			require.Equal(t, id, event.Detail["instance-id"])
			if event.Type == "EC2 Spot Instance Interruption Warning" {
				warnings++
			}
		}
	}
	require.Equal(t, 2, warnings)
	status := func() string {
		requests, err := w.ec2.DescribeSpotInstanceRequests(w.ctx, &ec2.DescribeSpotInstanceRequestsInput{})
		require.NoError(t, err)
		return *requests.SpotInstanceRequests[0].Status.Code
	}
	require.Equal(t, "marked-for-termination", status())
	w.clock.Advance(2 * time.Minute)
	require.Equal(t, "instance-terminated-no-capacity", status())
	require.Equal(t, "instance-terminated-no-capacity", w.server.Truth().Instances[0].SpotStatus)
	require.Equal(t, types.InstanceStateNameShuttingDown, w.described(nil)[0].State.Name)
}
