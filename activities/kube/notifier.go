package kube

import "sync"

// notifier tells whoever waits for a key that something about it changed. A signal that nobody takes is merged with
// the next.
type notifier struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]struct{}
}

// watch gives a channel that gets a value after each change of the key, until stop is called.
func (n *notifier) watch(key string) (changed <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting == nil {
		n.waiting = map[string]map[chan struct{}]struct{}{}
	}
	if n.waiting[key] == nil {
		n.waiting[key] = map[chan struct{}]struct{}{}
	}
	n.waiting[key][ch] = struct{}{}
	return ch, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.waiting[key], ch)
		if len(n.waiting[key]) == 0 {
			delete(n.waiting, key)
		}
	}
}

func (n *notifier) notify(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for ch := range n.waiting[key] {
		select {
		case ch <- struct{}{}:
		default: // one is waiting to be taken already
		}
	}
}
