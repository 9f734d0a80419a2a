package sim_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
)

// as are the credentials of a role in another account.
func (w *world) as(account string) aws.Config {
	role, err := sts.NewFromConfig(w.config).AssumeRole(w.ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + account + ":role/floe"), RoleSessionName: aws.String("worker"),
	})
	require.NoError(w.t, err)
	config := w.config.Copy()
	config.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: *role.Credentials.AccessKeyId, SecretAccessKey: *role.Credentials.SecretAccessKey, SessionToken: *role.Credentials.SessionToken,
		}, nil
	})
	return config
}

// TestEventsNeedAPolicy: a queue that somebody brings gets nothing before its policy lets EventBridge.
func TestEventsNeedAPolicy(t *testing.T) {
	w := newWorld(t, sim.Options{BringQueue: true, Queue: "mine"})
	client := sqs.NewFromConfig(w.config)
	_, err := client.GetQueueUrl(w.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("mine")})
	require.Equal(t, "AWS.SimpleQueueService.NonExistentQueue", code(err))
	queue, err := client.CreateQueue(w.ctx, &sqs.CreateQueueInput{QueueName: aws.String("mine")})
	require.NoError(t, err)
	received := func() int {
		out, err := client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10})
		require.NoError(t, err)
		return len(out.Messages)
	}
	_, err = w.ec2.CreateFleet(w.ctx, fleet(1, types.DefaultTargetCapacityTypeSpot, "", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	require.Zero(t, received())
	require.Positive(t, w.server.Truth().EventsRefused["AccessDeniedException"])

	w.script("forge * spot *: 1")
	require.Equal(t, 1, received(), "who has credentials of the account needs no policy")

	for _, c := range []struct {
		rule  string
		takes int
	}{{"other", 0}, {"mine", 1}, {"*", 1}} {
		_, err = client.SetQueueAttributes(w.ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue.QueueUrl, Attributes: map[string]string{
			"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage",
				"Resource":"arn:aws:sqs:eu-west-1:123456789012:mine","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:events:eu-west-1:123456789012:rule/` + c.rule + `"}}}]}`,
		}})
		require.NoError(t, err)
		w.script("rebalance * spot *: 1")
		require.Equal(t, c.takes, received(), "rule/%s", c.rule)
	}
}

// TestAnotherAccountNeedsAPolicy sends a message across accounts, which is how a forged one comes from outside.
func TestAnotherAccountNeedsAPolicy(t *testing.T) {
	const other = "210987654321"
	w := newWorld(t, sim.Options{OtherAccounts: []string{other}})
	ours, theirs := sqs.NewFromConfig(w.config), sqs.NewFromConfig(w.as(other))
	queue, err := ours.GetQueueUrl(w.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(sim.DefaultQueue)})
	require.NoError(t, err)
	send := func() error {
		_, err := theirs.SendMessage(w.ctx, &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("forged")})
		return err
	}
	require.Equal(t, "AccessDeniedException", code(send()))
	_, err = ours.SetQueueAttributes(w.ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue.QueueUrl, Attributes: map[string]string{
		"Policy": `{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + other + `"},"Action":"sqs:SendMessage","Resource":"*"}}`,
	}})
	require.NoError(t, err)
	require.NoError(t, send())
	out, err := ours.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	require.NoError(t, err)
	require.Equal(t, "forged", *out.Messages[0].Body)
	_, err = theirs.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	require.Equal(t, "AccessDeniedException", code(err), "to send is all that it was allowed")
	got, err := theirs.GetQueueAttributes(w.ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(w.url + "/" + other + "/" + sim.DefaultQueue), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	require.NoError(t, err, "it has a queue of its own")
	require.Equal(t, "arn:aws:sqs:eu-west-1:"+other+":"+sim.DefaultQueue, got.Attributes["QueueArn"])
}
