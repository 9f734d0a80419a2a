package sim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
)

// TestAScriptNamesAnAccount: what it says of one account leaves the others alone.
func TestAScriptNamesAnAccount(t *testing.T) {
	const other = "210987654321"
	w := newWorld(t, sim.Options{OtherAccounts: []string{other}})
	config := w.as(other)
	theirs, queues := ec2.NewFromConfig(config), sqs.NewFromConfig(config)
	for _, client := range []*ec2.Client{w.ec2, theirs} {
		_, err := client.CreateFleet(w.ctx, fleet(1, types.DefaultTargetCapacityTypeSpot, "", in("m5.large", sim.SubnetA)))
		require.NoError(t, err)
	}
	w.clock.Advance(time.Minute)
	queue := aws.String(w.url + "/" + other + "/" + sim.DefaultQueue)
	_, err := queues.PurgeQueue(w.ctx, &sqs.PurgeQueueInput{QueueUrl: queue})
	require.NoError(t, err)

	w.script("in " + other + " event interruption twice\nin " + other + " reclaim * spot *: all\nin " + other + " deny RunInstances")
	ours := func(account string) string {
		for _, i := range w.server.Truth().Instances {
			if i.Account == account {
				return i.SpotStatus
			}
		}
		return ""
	}
	require.Equal(t, "fulfilled", ours(sim.DefaultAccount))
	require.Equal(t, "marked-for-termination", ours(other))
	out, err := queues.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10})
	require.NoError(t, err)
	require.Len(t, out.Messages, 2)
	_, err = theirs.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.Equal(t, "UnauthorizedOperation", code(err))
	_, err = w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.NoError(t, err)
	w.script("allow RunInstances")
	_, err = theirs.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.Equal(t, "UnauthorizedOperation", code(err), "what was denied to one account is allowed to it by name")
	w.script("in " + other + " allow RunInstances")
	_, err = theirs.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.NoError(t, err)

	answer, err := http.Post(w.url+"/script", "text/plain", strings.NewReader("in 999999999999 deny RunInstances"))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusBadRequest, answer.StatusCode, "there is no such account")
}
