package aws

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

const (
	// readTimeout bounds one read (one page).
	readTimeout = 10 * time.Second
	// mutateTimeout bounds one call that changes something. EC2 answers within seconds; a call given up early is a lost
	// answer, which costs a look-up of a minute.
	mutateTimeout = 30 * time.Second
)

// account is one configured account: its clients, and what is cached of it.
type account struct {
	cfg         config.Account
	ec2         *ec2.Client
	ssm         *ssm.Client
	sqs         *sqs.Client
	sts         *sts.Client
	credentials awssdk.CredentialsProvider
	log         *slog.Logger

	budget     *budget
	catalog    *catalogCache
	templates  *templateCache
	terminates *batcher[string]
	describes  *batcher[sight]
	starts     *batcher[contract.StartAnswer]
	stops      *batcher[contract.StopResult]
	hibernates *batcher[contract.StopResult]

	spotRequests *batcher[word]
}

func newAccount(ctx context.Context, cfg config.Account, configure func(*awssdk.Config), log *slog.Logger) (*account, error) {
	sdk, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithRegion(cfg.Region),
		awsconfig.WithRetryer(func() awssdk.Retryer { return awssdk.NopRetryer{} }),
		awsconfig.WithAPIOptions([]func(*middleware.Stack) error{plainBody}),
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			// The default keeps 10 connections; beyond that each call of a burst would pay for a handshake of its own.
			t.MaxIdleConnsPerHost = 100
		})),
	)
	if err != nil {
		return nil, fmt.Errorf("account %s: the AWS SDK's configuration (environment, ~/.aws): %w", cfg.Name, err)
	}
	if cfg.Endpoint != "" {
		sdk.BaseEndpoint = &cfg.Endpoint
	}
	if configure != nil {
		configure(&sdk)
	}
	if cfg.Role != "" {
		sdk.Credentials = awssdk.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(sdk), cfg.Role,
			func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "floe" }))
	}
	acc := &account{
		cfg:         cfg,
		budget:      newBudget(cfg),
		ec2:         ec2.NewFromConfig(sdk),
		ssm:         ssm.NewFromConfig(sdk),
		sqs:         sqs.NewFromConfig(sdk),
		sts:         sts.NewFromConfig(sdk),
		credentials: sdk.Credentials,
		log:         log.With("account", cfg.Name, "region", cfg.Region),
	}
	acc.catalog = newCatalogCache(acc)
	acc.templates = newTemplateCache(acc)
	acc.terminates = newBatcher(mostTerminated, ending, acc.due("TerminateInstances"), acc.terminate)
	acc.describes = newBatcher(mostDescribed, asking, acc.due("DescribeInstances"), acc.states)
	acc.starts = newBatcher(mostStarted, asking, acc.due("StartInstances"), acc.start)
	acc.stops = newBatcher(mostStopped, ending, acc.due("StopInstances"), acc.stopper(false))
	acc.hibernates = newBatcher(mostStopped, ending, acc.due("StopInstances"), acc.stopper(true))
	acc.spotRequests = newBatcher(mostDescribed, asking, acc.due("DescribeSpotInstanceRequests"), acc.spotWords)
	return acc, nil
}

// due is how long a call of the action would wait for its budget.
func (acc *account) due(action string) func() time.Duration {
	return func() time.Duration { return acc.budget.due(action) }
}

// eachPage walks a paginator of the SDK, each page a call of the action within the budget, bounded by readTimeout.
func eachPage[P any](ctx context.Context, b *budget, action string, more func() bool, next func(context.Context, ...func(*ec2.Options)) (P, error), each func(P)) error {
	for more() {
		page, err := ask(ctx, b, action, 0, readTimeout, func(ctx context.Context) (P, error) { return next(ctx) })
		if err != nil {
			return err
		}
		each(page)
	}
	return nil
}

func within[T any](ctx context.Context, timeout time.Duration, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return call(ctx)
}
