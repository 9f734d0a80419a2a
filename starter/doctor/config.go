package doctor

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

// FromConfig makes the options for a cluster of the configuration. Call close after use.
func FromConfig(ctx context.Context, cfg *config.Config, cluster string, kube kubernetes.Interface, temporal client.Client) (o Options, close func(), err error) {
	ec2, err := aws.New(ctx, aws.Options{Accounts: cfg.Accounts, DescribeLag: cfg.DescribeLag})
	if err != nil {
		return Options{}, nil, err
	}
	o = Options{Cluster: cluster, EC2: ec2, Kube: kube, Temporal: temporal, DescribeLag: cfg.DescribeLag}
	for _, account := range cfg.Accounts {
		o.Accounts = append(o.Accounts, contract.AccountRegion{Account: account.Name, Region: account.Region})
	}
	if cfg.Store.URI == "" {
		return o, func() {}, nil
	}
	kept, err := store.New(cfg.Store, nil)
	if err != nil {
		return Options{}, nil, err
	}
	o.Store = kept
	return o, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = kept.Close(ctx) // it was only read from
	}, nil
}
