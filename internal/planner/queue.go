package planner

import "slices"

// queue is different items in the order in which they are packed.
type queue struct {
	items []*item
	// next is, for each item, where those end that ask for the same: what is too small for one is so for all of them.
	next []int
}

// inOrder makes a queue. The buffer of q is used again.
func (q *queue) inOrder(items []*item) {
	q.items, q.next = items, slices.Grow(q.next[:0], len(items))[:len(items)]
	for i := len(items) - 1; i >= 0; i-- {
		q.next[i] = i + 1
		if i+1 < len(items) && slices.Equal(items[i].class.req, items[i+1].class.req) {
			q.next[i] = q.next[i+1]
		}
	}
}
