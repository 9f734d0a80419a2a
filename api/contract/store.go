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
