// Package aws holds the activities that buy, describe and end EC2 instances, and the aged copy of what EC2 offers that
// plans are made with.
//
// The SDK's own retries are off: Temporal retries, so that there is one owner of back-off and each call is seen.
// Errors are Temporal application errors of the contract's types.
package aws

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

// Store is what these activities keep in the store and read from it; *store.Activities is one.
type Store interface {
	PutHops(ctx context.Context, records []contract.HopRecord) error
	PutLearned(ctx context.Context, record contract.HopRecord) error
	Learned(ctx context.Context, region string, since time.Time) ([]store.Learned, error)
	ClaimProbes(ctx context.Context, by string, probes []contract.Override) (taken map[string]bool, err error)
	PutReclaim(ctx context.Context, record contract.ReclaimedRecord) error
}

// Options are what Activities are made of.
type Options struct {
	// Accounts that calls are made in.
	Accounts []config.Account
	// DescribeLag is how long EC2 may take to show what happened.
	DescribeLag time.Duration
	// Store holds hops and the offering memory. Nil: neither is kept beyond this process.
	Store Store
	// Configure, where set, adds to the SDK's configuration of each account: tracing.
	Configure func(*awssdk.Config)
	// Log may be nil: slog's default.
	Log *slog.Logger
}

// Activities are the AWS activities of every account of the configuration. One process needs one.
type Activities struct {
	accounts map[string]*account
	memories map[string]*memory // by region
	lag      time.Duration
	store    Store
	log      *slog.Logger
	now      func() time.Time
}

// New makes the activities of the accounts. It reads the SDK's configuration (files, environment) and calls nothing.
func New(ctx context.Context, o Options) (*Activities, error) {
	a := &Activities{
		accounts: map[string]*account{},
		memories: map[string]*memory{},
		lag:      o.DescribeLag,
		store:    o.Store,
		log:      o.Log,
		now:      time.Now,
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	if a.store == nil {
		a.store = noStore{}
	}
	for _, cfg := range o.Accounts {
		acc, err := newAccount(ctx, cfg, o.Configure, a.log)
		if err != nil {
			return nil, err
		}
		a.accounts[cfg.Name] = acc
		if a.memories[cfg.Region] == nil {
			a.memories[cfg.Region] = newMemory(cfg.Region, a.store, a.log)
		}
	}
	return a, nil
}

// account is the named account. region may be empty; where it is not, it must be the account's.
func (a *Activities) account(name, region string) (*account, error) {
	acc, ok := a.accounts[name]
	if !ok {
		return nil, invalid("account: this worker's configuration has no %q; it has %s", name,
			strings.Join(slices.Sorted(maps.Keys(a.accounts)), ", "))
	}
	if region != "" && region != acc.cfg.Region {
		return nil, invalid("region: account %s is configured in %s, not in %s", name, acc.cfg.Region, region)
	}
	return acc, nil
}

func (acc *account) String() string {
	return fmt.Sprintf("account %s (%s)", acc.cfg.Name, acc.cfg.Region)
}

// noStore keeps nothing.
type noStore struct{}

func (noStore) PutHops(context.Context, []contract.HopRecord) error { return nil }

func (noStore) PutLearned(context.Context, contract.HopRecord) error { return nil }

func (noStore) PutReclaim(context.Context, contract.ReclaimedRecord) error { return nil }

func (noStore) Learned(context.Context, string, time.Time) ([]store.Learned, error) { return nil, nil }

func (noStore) ClaimProbes(context.Context, string, []contract.Override) (map[string]bool, error) {
	return nil, nil
}
