// Package events is the simulated EventBridge: it makes JSON of what the cloud tells, as AWS documents it, and brings it to
// a queue, late, twice, in the wrong order or not at all where a script wants it.
package events

// Sink takes what is delivered: a queue service.
type Sink interface {
	// Put puts a message into the queue of that name. An unknown queue is an error: the event is lost, as on AWS.
	Put(queue, body string) error
}
