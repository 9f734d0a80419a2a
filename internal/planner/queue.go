package planner

import "slices"

// queue is different items in the order in which they are packed.
type queue struct {
	items []*item
	// next is, for each item, where those end that ask for the same, and place where those of them end that may go to the
	// same places: what is too small or in the wrong place for one is so for all of them.
	next, place []int
}

// inOrder makes a queue. The buffers of q are used again.
func (q *queue) inOrder(items []*item) {
	q.items, q.next, q.place = items, slices.Grow(q.next[:0], len(items))[:len(items)], slices.Grow(q.place[:0], len(items))[:len(items)]
	for i := len(items) - 1; i >= 0; i-- {
		q.next[i], q.place[i] = i+1, i+1
		if i+1 == len(items) || !slices.Equal(items[i].class.req, items[i+1].class.req) {
			continue
		}
		q.next[i] = q.next[i+1]
		if items[i].samePlaces(items[i+1]) {
			q.place[i] = q.place[i+1]
		}
	}
}
