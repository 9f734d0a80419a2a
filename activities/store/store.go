// Package store holds the activities that write Floe's projection to a MongoDB-compatible database and delete from it what
// is old, and the reads of the offering memory.
//
// Every write is one document and idempotent: an immutable insert with a deterministic id, or a node's record, written
// by its one workflow in order of revision. Workflows stay right without the store, so every call here gives up soon.
//
// Documents are the JSON of the contract's records: the JSON field "id" is "_id", "at" is a date, all else is as JSON
// has it (see document).
package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"floe.dev/floe/internal/config"
)

const (
	// dialTimeout bounds finding a server, so that a dead store costs an activity a second and no more.
	dialTimeout = time.Second
	// callTimeout bounds a whole call where the caller's context allows more.
	callTimeout = 5 * time.Second
)

// Activities are the store's activities. Their errors are Temporal application errors of type
// contract.ErrUnavailable, which is retryable, or contract.ErrInvalidInput, which is not.
type Activities struct {
	client   *mongo.Client // nil: there is no store
	database *mongo.Database
	indexes  sync.Map             // names of the collections whose indexes are there
	scanning atomic.Pointer[bool] // see scans; nil: not known yet
	now      func() time.Time
}

// New makes the activities of a store. It does not connect: the driver does in the background, and goes on trying.
// monitor may be nil. Where the configuration has no store, every write succeeds and keeps nothing, and every read is
// empty.
func New(cfg config.Store, monitor *event.CommandMonitor) (*Activities, error) {
	a := &Activities{now: time.Now}
	if cfg.URI == "" {
		return a, nil
	}
	client, err := mongo.Connect(options.Client().
		ApplyURI(string(cfg.URI)).
		SetAppName("floe").
		SetMonitor(monitor).
		SetServerSelectionTimeout(dialTimeout).
		SetConnectTimeout(dialTimeout).
		SetTimeout(callTimeout).
		// Whatever the URI says: a workflow takes what was acknowledged for done, and writes it no second time. Most of a
		// replica set has it then, so that a failover takes nothing back.
		SetWriteConcern(writeconcern.Majority()))
	if err != nil {
		// The driver's error is left out: it may quote the password.
		return nil, fmt.Errorf("store.uri: %s is no connection string that the MongoDB driver understands: give mongodb://USER:PASSWORD@HOST:PORT, user and password percent-encoded", cfg.URI)
	}
	a.client, a.database = client, client.Database(cfg.Database)
	return a, nil
}

// Ping tells whether the store answers. Without a store it always does.
func (a *Activities) Ping(ctx context.Context) error {
	if a.client == nil {
		return nil
	}
	return classify(a.client.Ping(ctx, nil), "ping")
}

// Close ends all connections.
func (a *Activities) Close(ctx context.Context) error {
	if a.client == nil {
		return nil
	}
	return a.client.Disconnect(ctx)
}
