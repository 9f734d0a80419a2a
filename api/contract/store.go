package contract

import "time"

// Store collections.
const (
	CollectionNodes     = "nodes"
	CollectionPlans     = "plans"
	CollectionHops      = "hops"
	CollectionOfferings = "offerings"
	CollectionImages    = "images"
	CollectionEvents    = "events"
)

// NodeRecord is a node's entity in the store, written by its Node workflow alone, in order of Revision.
type NodeRecord struct {
	ID       string    `json:"id" bson:"_id"` // cluster/instance
	Revision int64     `json:"revision" bson:"revision"`
	At       time.Time `json:"at" bson:"at"`
	View     NodeView  `json:"view" bson:"view"`
}

// HopRecord is an immutable insert; its id is the launch token.
type HopRecord struct {
	ID      string    `json:"id" bson:"_id"`
	At      time.Time `json:"at" bson:"at"`
	Cluster string    `json:"cluster" bson:"cluster"`
	Pool    string    `json:"pool" bson:"pool"`
	Account string    `json:"account" bson:"account"`
	Plan    string    `json:"plan,omitempty" bson:"plan,omitempty"`
	ScaleUp string    `json:"scaleUp" bson:"scaleUp"`
	Hop     Hop       `json:"hop" bson:"hop"`
}

// EventRecord is something that happened and is worth a line later: an immutable insert.
type EventRecord struct {
	ID      string    `json:"id" bson:"_id"` // cluster/who did it/kind/subject
	At      time.Time `json:"at" bson:"at"`
	Cluster string    `json:"cluster" bson:"cluster"`
	// Kind of event: sweep-adopt, sweep-tell-gone, …
	Kind string `json:"kind" bson:"kind"`
	// Subject is the id of the instance that it is about.
	Subject string `json:"subject" bson:"subject"`
	// Message says in words what happened and why.
	Message string `json:"message" bson:"message"`
}
