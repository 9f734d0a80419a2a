package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

// queue makes a queue, and deletes it at the check's end.
func (l *lab) queue(suffix string, attributes map[string]string) *string {
	l.Helper()
	out, err := l.sqs.CreateQueue(l.ctx, &sqs.CreateQueueInput{QueueName: aws.String(l.run + suffix), Attributes: attributes})
	require.NoError(l, err)
	l.Cleanup(func() {
		_, err := l.sqs.DeleteQueue(context.WithoutCancel(l.ctx), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
		require.NoError(l, err)
	})
	return out.QueueUrl
}

func (l *lab) send(queue *string, body string) {
	l.Helper()
	_, err := l.sqs.SendMessage(l.ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String(body)})
	require.NoError(l, err)
}

// receive receives by a long poll.
func (l *lab) receive(queue *string, seconds int32) []types.Message {
	l.Helper()
	out, err := l.sqs.ReceiveMessage(l.ctx, &sqs.ReceiveMessageInput{
		QueueUrl: queue, WaitTimeSeconds: seconds, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	require.NoError(l, err)
	return out.Messages
}

var queues = []check{
	{"a queue has one name, and its attributes the usual values", "AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html", func(l *lab) {
		url := l.queue("-one", nil)
		again, err := l.sqs.CreateQueue(l.ctx, &sqs.CreateQueueInput{QueueName: aws.String(l.run + "-one")})
		require.NoError(l, err)
		require.Equal(l, *url, *again.QueueUrl)
		_, err = l.sqs.CreateQueue(l.ctx, &sqs.CreateQueueInput{QueueName: aws.String(l.run + "-one"), Attributes: map[string]string{"VisibilityTimeout": "77"}})
		l.refused(err, "QueueNameExists", "QueueAlreadyExists")
		found, err := l.sqs.GetQueueUrl(l.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(l.run + "-one")})
		require.NoError(l, err)
		require.Equal(l, *url, *found.QueueUrl)
		out, err := l.sqs.GetQueueAttributes(l.ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
		require.NoError(l, err)
		for name, want := range map[string]string{
			"VisibilityTimeout": "30", "DelaySeconds": "0", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		} {
			require.Equal(l, want, out.Attributes[name], name)
		}
		require.Contains(l, out.Attributes["QueueArn"], ":"+l.run+"-one")
	}},
	{"queues are listed by the beginning of their names", "AWSSimpleQueueService/latest/APIReference/API_ListQueues.html", func(l *lab) {
		url := l.queue("-listed", nil)
		require.Eventually(l, func() bool { // a new queue may take a second
			out, err := l.sqs.ListQueues(l.ctx, &sqs.ListQueuesInput{QueueNamePrefix: aws.String(l.run + "-listed")})
			require.NoError(l, err)
			return slices.Equal([]string{*url}, out.QueueUrls)
		}, l.patience, 20*time.Millisecond)
	}},
	{"a policy is one, or it is refused; its account goes on as before", "AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html", func(l *lab) {
		url := l.queue("-policy", nil)
		set := func(policy string) error {
			_, err := l.sqs.SetQueueAttributes(l.ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"Policy": policy}})
			return err
		}
		l.refused(set("no policy"), "InvalidAttributeValue")
		arn, err := l.sqs.GetQueueAttributes(l.ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
		require.NoError(l, err)
		require.NoError(l, set(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":%q}]}`, arn.Attributes["QueueArn"])))
		l.send(url, "still mine")
		require.NotEmpty(l, l.receive(url, 5))
	}},
	{"a queue that is not there is told", "AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html", func(l *lab) {
		_, err := l.sqs.GetQueueUrl(l.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(l.run + "-none")})
		l.refused(err, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
	}},
	{"attributes beyond their bounds are refused", "AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html", func(l *lab) {
		url := l.queue("-bounds", nil)
		for name, value := range map[string]string{"VisibilityTimeout": "43201", "DelaySeconds": "901", "MessageRetentionPeriod": "59"} {
			_, err := l.sqs.SetQueueAttributes(l.ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{name: value}})
			l.refused(err, "InvalidAttributeValue", "InvalidParameterValue")
		}
	}},
	{"a long poll ends with the first message", "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html", func(l *lab) {
		url := l.queue("-poll", nil)
		go func() {
			time.Sleep(300 * time.Millisecond) // the poll is under way by then; if not, it passes all the same
			_, _ = l.sqs.SendMessage(l.ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("hello")})
		}()
		got := l.receive(url, 20)
		require.Len(l, got, 1)
		require.Equal(l, "hello", *got[0].Body)
	}},
	{"a message is hidden once received, and comes back", "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html", func(l *lab) {
		url := l.queue("-hidden", map[string]string{"VisibilityTimeout": "2"})
		l.send(url, "x")
		first := l.receive(url, 20)
		require.Len(l, first, 1)
		require.Equal(l, "1", first[0].Attributes["ApproximateReceiveCount"])
		require.Empty(l, l.receive(url, 0))
		second := l.receive(url, 20)
		require.Len(l, second, 1)
		require.Equal(l, *first[0].MessageId, *second[0].MessageId)
		require.Equal(l, "2", second[0].Attributes["ApproximateReceiveCount"])
		_, err := l.sqs.ChangeMessageVisibility(l.ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: second[0].ReceiptHandle, VisibilityTimeout: 0})
		require.NoError(l, err)
		third := l.receive(url, 20)
		require.Len(l, third, 1)
		_, err = l.sqs.DeleteMessage(l.ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: third[0].ReceiptHandle})
		require.NoError(l, err)
		require.Empty(l, l.receive(url, 3))
	}},
	{"a delayed message comes later", "AWSSimpleQueueService/latest/APIReference/API_SendMessage.html", func(l *lab) {
		url := l.queue("-delayed", nil)
		_, err := l.sqs.SendMessage(l.ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), DelaySeconds: 2})
		require.NoError(l, err)
		require.Empty(l, l.receive(url, 0))
		require.Len(l, l.receive(url, 20), 1)
	}},
	{"what was received too often goes to the dead letters", "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html", func(l *lab) {
		dead := l.queue("-dead", nil)
		arn, err := l.sqs.GetQueueAttributes(l.ctx, &sqs.GetQueueAttributesInput{QueueUrl: dead, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
		require.NoError(l, err)
		url := l.queue("-source", map[string]string{
			"VisibilityTimeout": "1", "RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, arn.Attributes["QueueArn"]),
		})
		l.send(url, "poison")
		require.Len(l, l.receive(url, 20), 1)
		require.Empty(l, l.receive(url, 3))
		got := l.receive(dead, 20)
		require.Len(l, got, 1)
		require.Equal(l, "poison", *got[0].Body)
	}},
	{"a batch has one to ten entries, each with its own ID and outcome", "AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html", func(l *lab) {
		url := l.queue("-batch", nil)
		entries := func(ids ...string) []types.SendMessageBatchRequestEntry {
			var list []types.SendMessageBatchRequestEntry
			for _, id := range ids {
				list = append(list, types.SendMessageBatchRequestEntry{Id: aws.String(id), MessageBody: aws.String("body " + id)})
			}
			return list
		}
		batch := func(ids ...string) (*sqs.SendMessageBatchOutput, error) {
			return l.sqs.SendMessageBatch(l.ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: entries(ids...)})
		}
		_, err := batch("a", "a")
		l.refused(err, "BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
		_, err = batch("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11")
		l.refused(err, "TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
		out, err := batch("a", "b", "c")
		require.NoError(l, err)
		require.Len(l, out.Successful, 3)
		seen := map[string]bool{}
		require.Eventually(l, func() bool {
			for _, m := range l.receive(url, 1) {
				seen[*m.Body] = true
			}
			return len(seen) == 3
		}, l.patience, time.Millisecond)
	}},
	{"a receipt that is none is refused", "AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html", func(l *lab) {
		url := l.queue("-receipt", nil)
		_, err := l.sqs.DeleteMessage(l.ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("nonsense")})
		l.refused(err, "ReceiptHandleIsInvalid")
	}},
	{"a purge empties a queue", "AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html", func(l *lab) {
		url := l.queue("-purged", nil)
		l.send(url, "x")
		_, err := l.sqs.PurgeQueue(l.ctx, &sqs.PurgeQueueInput{QueueUrl: url})
		require.NoError(l, err)
		// It may take a minute, so the page.
		require.Eventually(l, func() bool { return len(l.receive(url, 1)) == 0 }, 2*time.Minute, time.Second)
	}},
}
