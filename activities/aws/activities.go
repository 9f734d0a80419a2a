// Package aws holds the activities that buy, describe and end EC2 instances, and the aged copy of what EC2 offers that
// plans are made with.
//
// The SDK's own retries are off: Temporal retries, so that there is one owner of back-off and each call is seen.
// Errors are Temporal application errors of the contract's types.
package aws

import (
	"context"
	"log/slog"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

// Store is what these activities keep in the store and read from it; *store.Activities is one.
type Store interface {
	PutHops(ctx context.Context, records []contract.HopRecord) error
	Learned(ctx context.Context, region string, since time.Time) ([]store.Learned, error)
}

// Options are what Activities are made of.
type Options struct {
	// Accounts that calls are made in.
	Accounts []config.Account
	// DescribeLag is how long EC2 may take to show what happened.
	DescribeLag time.Duration
	// Store holds the offering memory.
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
