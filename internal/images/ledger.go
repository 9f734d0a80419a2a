// Package images decides which container images are worth pulling onto a machine before it is frozen: a ledger of what the
// pods of a pool used, when and on how many machines, and a prediction of what the next ones will. It is pure: the time is
// handed in, and every choice says in words why.
package images

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	// Window is the grain of the ledger: uses are counted in windows of this length, which begin at whole multiples of it.
	Window = 10 * time.Minute
	// Memory is how far back the ledger looks. Nothing older need be read from the store.
	Memory = 4 * 7 * 24 * time.Hour
)

// Use is that pods of a pool began to run with an image within one window.
type Use struct {
	// Image as it can be pulled: by digest (registry.example/web@sha256:…) wherever the runtime told it.
	Image string `json:"image"`
	// Bytes is its size on a machine's disk, as a kubelet told it; 0 where none has.
	Bytes int64 `json:"bytes,omitempty"`
	// At is when the window began.
	At time.Time `json:"at"`
	// Pods that began to run with it, and Nodes on which they did.
	Pods  int `json:"pods"`
	Nodes int `json:"nodes"`
}

// Ledger is what the pods of one pool used. It is not safe for use by several goroutines.
type Ledger struct {
	images map[string]*image
	lines  []*line // empty: to be worked out anew
}

// image is the uses of one image.
type image struct {
	name        string
	bytes       int64
	uses        []Use // the earliest first
	pods, nodes int
}

func (i *image) first() time.Time { return i.uses[0].At }
func (i *image) last() time.Time  { return i.uses[len(i.uses)-1].At }

// index of the first use that is not before a time.
func (i *image) index(t time.Time) int {
	n, _ := slices.BinarySearchFunc(i.uses, t, func(u Use, t time.Time) int { return u.At.Compare(t) })
	return n
}

// NewLedger is a ledger of these uses.
func NewLedger(uses []Use) *Ledger {
	l := &Ledger{images: map[string]*image{}}
	l.Learn(uses...)
	return l
}

// Learn takes uses in, in any order. One of an image and a window that is known already changes nothing: it is the same,
// told by another watcher.
func (l *Ledger) Learn(uses ...Use) {
	l.lines = nil
	for _, u := range uses {
		if u.Image == "" || u.Nodes <= 0 {
			continue
		}
		i := l.images[u.Image]
		if i == nil {
			i = &image{name: u.Image}
			l.images[u.Image] = i
		}
		at := i.index(u.At)
		if at < len(i.uses) && i.uses[at].At.Equal(u.At) {
			continue
		}
		i.uses = slices.Insert(i.uses, at, u)
		i.pods += u.Pods
		i.nodes += u.Nodes
		if u.Bytes > 0 && (i.bytes == 0 || at == len(i.uses)-1) {
			i.bytes = u.Bytes
		}
	}
}

// Forget drops what was used before a time.
func (l *Ledger) Forget(before time.Time) {
	l.lines = nil
	for name, i := range l.images {
		n := i.index(before)
		for _, u := range i.uses[:n] {
			i.pods -= u.Pods
			i.nodes -= u.Nodes
		}
		if i.uses = i.uses[n:]; len(i.uses) == 0 {
			delete(l.images, name)
		}
	}
}

// sorted are the images by name, so that no answer depends on the order of a map.
func (l *Ledger) sorted() []*image {
	all := make([]*image, 0, len(l.images))
	for _, i := range l.images {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *image) int { return cmp.Compare(a.name, b.name) })
	return all
}

// Repository is an image's name without tag and digest.
func Repository(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if slash, colon := strings.LastIndex(name, "/"), strings.LastIndex(name, ":"); colon > slash {
		name = name[:colon]
	}
	return name
}
