package sim_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	pricingtypes "github.com/aws/aws-sdk-go-v2/service/pricing/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
)

func TestSQSWithTheSDK(t *testing.T) {
	w := newWorld(t, sim.Options{})
	client := sqs.NewFromConfig(w.config)
	dead, err := client.CreateQueue(w.ctx, &sqs.CreateQueueInput{QueueName: aws.String("dead")})
	require.NoError(t, err)
	attributes, err := client.GetQueueAttributes(w.ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: dead.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	require.NoError(t, err)
	_, err = client.CreateQueue(w.ctx, &sqs.CreateQueueInput{QueueName: aws.String("work"), Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + attributes.Attributes["QueueArn"] + `","maxReceiveCount":1}`,
	}})
	require.NoError(t, err)
	found, err := client.GetQueueUrl(w.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("work")})
	require.NoError(t, err)
	queue := found.QueueUrl
	require.Equal(t, w.url+"/123456789012/work", *queue)

	sent, err := client.SendMessageBatch(w.ctx, &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: []sqstypes.SendMessageBatchRequestEntry{
		{Id: aws.String("a"), MessageBody: aws.String("one")}, {Id: aws.String("b"), MessageBody: aws.String("two"), DelaySeconds: 5},
	}})
	require.NoError(t, err, "the SDK checks the MD5 of bodies")
	require.Len(t, sent.Successful, 2)
	received, err := client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{
		QueueUrl: queue, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"ApproximateReceiveCount"},
	})
	require.NoError(t, err)
	require.Len(t, received.Messages, 1)
	require.Equal(t, map[string]string{"ApproximateReceiveCount": "1"}, received.Messages[0].Attributes)
	_, err = client.ChangeMessageVisibility(w.ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: queue, ReceiptHandle: received.Messages[0].ReceiptHandle, VisibilityTimeout: 0,
	})
	require.NoError(t, err)
	w.clock.Advance(5 * time.Second)
	received, err = client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10})
	require.NoError(t, err)
	require.Len(t, received.Messages, 1, "the other one was received often enough")
	require.Equal(t, "two", *received.Messages[0].Body)
	deleted, err := client.DeleteMessageBatch(w.ctx, &sqs.DeleteMessageBatchInput{QueueUrl: queue, Entries: []sqstypes.DeleteMessageBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: received.Messages[0].ReceiptHandle}, {Id: aws.String("b"), ReceiptHandle: aws.String("nonsense")},
	}})
	require.NoError(t, err)
	require.Len(t, deleted.Successful, 1)
	require.Equal(t, "ReceiptHandleIsInvalid", *deleted.Failed[0].Code)
	received, err = client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: dead.QueueUrl})
	require.NoError(t, err)
	require.Equal(t, "one", *received.Messages[0].Body)

	_, err = client.SendMessage(w.ctx, &sqs.SendMessageInput{QueueUrl: aws.String(w.url + "/123456789012/none"), MessageBody: aws.String("x")})
	_, typed := errors.AsType[*sqstypes.QueueDoesNotExist](err)
	require.True(t, typed, "%v", err)
	queues, err := client.ListQueues(w.ctx, nil)
	require.NoError(t, err)
	require.Equal(t, []string{w.url + "/123456789012/dead", w.url + "/123456789012/" + sim.DefaultQueue, *queue}, queues.QueueUrls)
	_, err = client.TagQueue(w.ctx, &sqs.TagQueueInput{QueueUrl: queue, Tags: map[string]string{"a": "b"}})
	require.Equal(t, "UnknownOperationException", code(err))
	w.script("refuse SendMessage with ThrottlingException\nlose answer of SendMessage")
	_, err = client.SendMessage(w.ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("x")})
	require.Equal(t, "ThrottlingException", code(err))
	_, err = client.SendMessage(w.ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("x")})
	require.Equal(t, "lost", code(err))
	received, err = client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: queue})
	require.NoError(t, err)
	require.Len(t, received.Messages, 1, "what was lost is the answer, not the message")
	_, err = client.PurgeQueue(w.ctx, &sqs.PurgeQueueInput{QueueUrl: queue})
	require.NoError(t, err)
}

func TestPricesWithTheSDK(t *testing.T) {
	w := newWorld(t, sim.Options{})
	config := w.config.Copy()
	config.Region = "eu-central-1"
	filter := func(field, value string) pricingtypes.Filter {
		return pricingtypes.Filter{Type: pricingtypes.FilterTypeTermMatch, Field: aws.String(field), Value: aws.String(value)}
	}
	pages := pricing.NewGetProductsPaginator(pricing.NewFromConfig(config), &pricing.GetProductsInput{
		ServiceCode: aws.String("AmazonEC2"),
		Filters: []pricingtypes.Filter{
			filter("regionCode", sim.DefaultRegion), filter("operatingSystem", "Linux"), filter("capacitystatus", "Used"),
		},
	})
	seen := map[string]bool{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.ctx)
		require.NoError(t, err)
		for _, text := range page.PriceList {
			var item struct {
				Product struct{ Attributes struct{ InstanceType string } }
			}
			require.NoError(t, json.Unmarshal([]byte(text), &item))
			seen[item.Product.Attributes.InstanceType] = true
		}
	}
	types, err := w.ec2.DescribeInstanceTypes(w.ctx, &ec2.DescribeInstanceTypesInput{MaxResults: aws.Int32(100)})
	require.NoError(t, err)
	for _, described := range types.InstanceTypes {
		require.True(t, seen[string(described.InstanceType)], "%s has a price", described.InstanceType)
	}
	_, err = pricing.NewFromConfig(w.config).GetProducts(w.ctx, &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2")})
	require.Equal(t, "InvalidSignatureException", code(err), "the price list has no endpoint in "+sim.DefaultRegion)
}

func TestJSONCallersMustSign(t *testing.T) {
	w := newWorld(t, sim.Options{})
	good := "AWS4-HMAC-SHA256 Credential=AKIAFLOETESTBED00000/20260731/eu-west-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0f", 32)
	for _, c := range []struct{ target, header, code string }{
		{"AmazonSQS.GetQueueUrl", "", "MissingAuthenticationToken"},
		{"AmazonSQS.GetQueueUrl", strings.Replace(good, "host;", "", 1), "UnrecognizedClientException"},
		{"AmazonSQS.GetQueueUrl", strings.Replace(good, "/sqs/", "/ec2/", 1), "InvalidSignatureException"},
		{"AmazonSQS.GetQueueUrl", strings.Replace(good, "/eu-west-1/", "/us-east-1/", 1), "InvalidSignatureException"},
		{"AmazonSQS.GetQueueUrl", good, "QueueDoesNotExist"},
		{"AmazonS4.Fly", good, "UnknownOperationException"},
	} {
		r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.url+"/", strings.NewReader(`{"QueueName":"none"}`))
		require.NoError(t, err)
		r.Header.Set("X-Amz-Date", "20260731T120000Z")
		r.Header.Set("X-Amz-Target", c.target)
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		var refused struct {
			Type string `json:"__type"`
		}
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&refused))
		require.NoError(t, answer.Body.Close())
		require.Equal(t, c.code, refused.Type[strings.Index(refused.Type, "#")+1:], c.header)
	}
}

func TestAccountsAreApart(t *testing.T) {
	const other = "210987654321"
	w := newWorld(t, sim.Options{OtherAccounts: []string{other}})
	config := w.as(other)
	who, err := sts.NewFromConfig(config).GetCallerIdentity(w.ctx, nil)
	require.NoError(t, err)
	require.Equal(t, other, *who.Account)
	_, err = ec2.NewFromConfig(config).RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.NoError(t, err)
	require.Empty(t, w.described(&ec2.DescribeInstancesInput{}), "the first account sees nothing of the other's")
	truth := w.server.Truth()
	require.Equal(t, other, truth.Instances[0].Account)
	require.Equal(t, other, truth.Calls[len(truth.Calls)-1].Account)

	w.script("m5.large on-demand eu-west-1a: 1")
	_, err = ec2.NewFromConfig(config).RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.NoError(t, err)
	_, err = w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.Equal(t, "InsufficientInstanceCapacity", code(err), "what one account takes the other cannot have")
	for range 4 {
		_, _ = w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	}
	_, err = w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.Equal(t, "RequestLimitExceeded", code(err))
	_, err = ec2.NewFromConfig(config).RunInstances(w.ctx, run(1, sim.SubnetA, ""))
	require.Equal(t, "InsufficientInstanceCapacity", code(err), "each account has its own budgets")
}

func TestLatency(t *testing.T) {
	w := newWorld(t, sim.Options{Latency: []sim.Latency{{Actions: "Run*", Median: 2 * time.Second}}, Speed: 2})
	answered := make(chan error, 1)
	go func() {
		_, err := w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
		answered <- err
	}()
	require.Eventually(t, func() bool { return len(w.server.Truth().Instances) == 1 }, 10*time.Second, time.Millisecond, "the effect comes first")
	_, err := w.ec2.DescribeSubnets(w.ctx, nil)
	require.NoError(t, err, "no other action takes longer")
	require.Empty(t, answered)
	require.Eventually(t, func() bool {
		w.clock.Advance(time.Second) // as often as it takes: the call may not wait yet
		return len(answered) > 0
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, <-answered)
}

func TestEventsReachTheQueue(t *testing.T) {
	w := newWorld(t, sim.Options{})
	client := sqs.NewFromConfig(w.config)
	queue, err := client.CreateQueue(w.ctx, &sqs.CreateQueueInput{QueueName: aws.String(sim.DefaultQueue)})
	require.NoError(t, err)
	out, err := w.ec2.CreateFleet(w.ctx, fleet(1, spot, "", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	w.clock.Advance(time.Minute)
	_, err = client.PurgeQueue(w.ctx, &sqs.PurgeQueueInput{QueueUrl: queue.QueueUrl}) // of what its start had to tell
	require.NoError(t, err)
	w.script("reclaim m5.large spot *: 1")
	got, err := client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, WaitTimeSeconds: 20})
	require.NoError(t, err)
	require.Len(t, got.Messages, 1)
	var event struct {
		Type   string `json:"detail-type"`
		Detail struct {
			Instance string `json:"instance-id"`
		} `json:"detail"`
	}
	require.NoError(t, json.Unmarshal([]byte(*got.Messages[0].Body), &event))
	require.Equal(t, "EC2 Spot Instance Interruption Warning", event.Type)
	require.Equal(t, out.Instances[0].InstanceIds[0], event.Detail.Instance)
}
