package aws

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"floe.dev/floe/api/contract"
)

const (
	// mostReceived is how many messages one call receives, and how many one call deletes
	// (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html).
	mostReceived = 10
	// longPoll is how long a call waits for a first message: the longest that SQS allows.
	longPoll = 20 * time.Second
	// hidden is how long a message that was received is kept from others: longer than handling one takes, short enough
	// that another watcher comes in time where this one dies.
	hidden = 20 * time.Second
)

// QueueMessage is a message as it was received.
type QueueMessage struct {
	Body   string
	Handle string // of this receipt
	// Sent is when SQS took it, by SQS's clock.
	Sent time.Time
	// Receives counts how often it was received, this time included.
	Receives int
}

// Queue is the queue of an account that EventBridge sends to. It may be used by many goroutines.
type Queue struct {
	acc *account

	mu      sync.Mutex
	url, id string
}

// Queue is the interruption queue of an account; ok is false where its configuration names none.
func (a *Activities) Queue(accountName string) (q *Queue, ok bool, err error) {
	acc, err := a.account(accountName, "")
	if err != nil || acc.cfg.InterruptionQueue == "" {
		return nil, false, err
	}
	return &Queue{acc: acc}, true, nil
}

// Account and Region are the configuration's words for whose queue it is.
func (q *Queue) Account() string { return q.acc.cfg.Name }

// Region: see Account.
func (q *Queue) Region() string { return q.acc.cfg.Region }

// AccountID is AWS's number of the account, which its events bear: twelve digits. It is asked once.
func (q *Queue) AccountID(ctx context.Context) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.id == "" {
		who, err := within(ctx, readTimeout, func(ctx context.Context) (*sts.GetCallerIdentityOutput, error) {
			return q.acc.sts.GetCallerIdentity(ctx, nil)
		})
		if err != nil {
			return "", q.acc.fail(err)
		}
		q.id = awssdk.ToString(who.Account)
	}
	return q.id, nil
}

// address is the queue's URL. A name is looked up once.
func (q *Queue) address(ctx context.Context) (*string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.url == "" {
		name := q.acc.cfg.InterruptionQueue
		if strings.Contains(name, "://") {
			q.url = name
		} else {
			out, err := within(ctx, readTimeout, func(ctx context.Context) (*sqs.GetQueueUrlOutput, error) {
				return q.acc.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
			})
			if err != nil {
				return nil, q.fail(err)
			}
			q.url = awssdk.ToString(out.QueueUrl)
		}
	}
	url := q.url
	return &url, nil
}

// Receive waits for messages, for some seconds at most, and returns those there are.
func (q *Queue) Receive(ctx context.Context) ([]QueueMessage, error) {
	url, err := q.address(ctx)
	if err != nil {
		return nil, err
	}
	out, err := within(ctx, longPoll+readTimeout, func(ctx context.Context) (*sqs.ReceiveMessageOutput, error) {
		return q.acc.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: url, MaxNumberOfMessages: mostReceived, WaitTimeSeconds: int32(longPoll / time.Second),
			VisibilityTimeout: int32(hidden / time.Second),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{
				types.MessageSystemAttributeNameSentTimestamp, types.MessageSystemAttributeNameApproximateReceiveCount,
			},
		})
	})
	if err != nil {
		return nil, q.fail(err)
	}
	messages := make([]QueueMessage, len(out.Messages))
	for i, m := range out.Messages {
		messages[i] = QueueMessage{Body: awssdk.ToString(m.Body), Handle: awssdk.ToString(m.ReceiptHandle)}
		if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
			messages[i].Sent = time.UnixMilli(ms).UTC()
		}
		messages[i].Receives, _ = strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	}
	return messages, nil
}

// Delete removes messages for good, by their handles. One that is not removed comes again, which does no harm.
func (q *Queue) Delete(ctx context.Context, handle string) error {
	url, err := q.address(ctx)
	if err != nil {
		return err
	}
	_, err = within(ctx, readTimeout, func(ctx context.Context) (*sqs.DeleteMessageOutput, error) {
		return q.acc.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: &handle})
	})
	return q.fail(err)
}

// Return lets a message come again after that time, here or to another watcher.
func (q *Queue) Return(ctx context.Context, handle string, after time.Duration) error {
	url, err := q.address(ctx)
	if err != nil {
		return err
	}
	_, err = within(ctx, readTimeout, func(ctx context.Context) (*sqs.ChangeMessageVisibilityOutput, error) {
		return q.acc.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: url, ReceiptHandle: &handle, VisibilityTimeout: int32(after / time.Second),
		})
	})
	return q.fail(err)
}

func (q *Queue) fail(err error) error {
	var missing *types.QueueDoesNotExist
	if errors.As(err, &missing) {
		return fmt.Errorf("%s: there is no queue %s: create it, or correct interruptionQueue in the configuration", q.acc, q.acc.cfg.InterruptionQueue)
	}
	if err == nil {
		return nil
	}
	return q.acc.fail(err)
}

// SeenInstance is an instance as EC2 shows it, and whose it is.
type SeenInstance struct {
	contract.OwnedInstance
	// Cluster of Floe's that the instance belongs to; empty where it is none of Floe's.
	Cluster string
}

// Look is what EC2 shows of instances, whoever's they are, the terminated of the last hour included. What it does not
// show is left out.
func (q *Queue) Look(ctx context.Context, ids []string) ([]SeenInstance, error) {
	var seen []SeenInstance
	err := q.acc.eachInstance(ctx, func(i ec2types.Instance) {
		s := SeenInstance{OwnedInstance: decodeOwned(i)}
		if tagOf(i, contract.TagOwner) == contract.OwnerFloe {
			s.Cluster = tagOf(i, contract.TagCluster)
		}
		seen = append(seen, s)
	}, filter("instance-id", ids...))
	if err != nil {
		return nil, q.acc.fail(err)
	}
	return seen, nil
}

func tagOf(i ec2types.Instance, key string) string {
	for _, t := range i.Tags {
		if awssdk.ToString(t.Key) == key {
			return awssdk.ToString(t.Value)
		}
	}
	return ""
}
