package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// ActivityPrefetch pulls the images that a pool's pods are likely to need onto a machine before it is frozen.
// ActivityChooseImages says which they are today.
const (
	ActivityPrefetch     = "kube.Prefetch"
	ActivityChooseImages = "kube.ChooseImages"
)

// ImageRecord is what pods of a pool began to run with in one window of time: an immutable insert, by the watcher.
type ImageRecord struct {
	ID      string     `json:"id" bson:"_id"` // ImageRecordID
	At      time.Time  `json:"at" bson:"at"`  // when the window began
	Cluster string     `json:"cluster" bson:"cluster"`
	Pool    string     `json:"pool" bson:"pool"`
	Images  []ImageUse `json:"images" bson:"images"`
}

// ImageUse is one image of an ImageRecord.
type ImageUse struct {
	// Image as it can be pulled: by digest wherever the runtime told it.
	Image string `json:"image" bson:"image"`
	// Bytes is its size on a machine's disk, as a kubelet told it; 0 where none has.
	Bytes int64 `json:"bytes,omitempty" bson:"bytes,omitempty"`
	// Pods that began to run with it, and Nodes on which they did.
	Pods  int `json:"pods" bson:"pods"`
	Nodes int `json:"nodes" bson:"nodes"`
}

// ImageRecordID is the id of a pool's record of a window: the same for every watcher.
func ImageRecordID(cluster, pool string, window time.Time) string {
	return cluster + "/" + pool + "/" + window.UTC().Format(time.RFC3339)
}

// PrefetchInput asks to pull images onto a Node, which no pod of a workload is on yet.
type PrefetchInput struct {
	Cluster string `json:"cluster"`
	Pool    string `json:"pool"`
	Node    string `json:"node"`
	UID     string `json:"uid,omitempty"`
	// Images to pull. Empty: those that the pool's ledger foretells, within spec.standby.prefetch.disk.
	Images []string `json:"images,omitempty"`
	// Within is how long it may take in all; 0 is ten minutes. What is not there by then is left out.
	Within time.Duration `json:"within,omitempty"`
}

// PrefetchResult says what is on the Node now. Nothing of it failing is a reason not to freeze the machine.
type PrefetchResult struct {
	// Images that are on the Node, in the order in which they were chosen, and their sizes together.
	Images []string `json:"images,omitempty"`
	Bytes  int64    `json:"bytes,omitempty"`
	// Failed are those that are not, each with what its pull said last.
	Failed []PrefetchFailure `json:"failed,omitempty"`
	Took   time.Duration     `json:"took"`
	// Note says in words why nothing was to be pulled, or that the choice could not be made.
	Note string `json:"note,omitempty"`
}

// Prefetched is what was pulled onto a machine before a freeze, and what the machine has of it after its wake.
type Prefetched struct {
	PrefetchResult
	// At is when the pulls were done, by the workflow's clock.
	At time.Time `json:"at"`
	// Lost are images that were on the machine when it was frozen, and were not when it woke.
	Lost []string `json:"lost,omitempty"`
}

// Tried are keys (ImageKey) of the images whose pull was tried, whatever came of it. A nil Prefetched has none.
func (p *Prefetched) Tried() []string {
	if p == nil {
		return nil
	}
	keys := make([]string, 0, len(p.Images)+len(p.Failed))
	for _, image := range p.Images {
		keys = append(keys, ImageKey(image))
	}
	for _, f := range p.Failed {
		keys = append(keys, ImageKey(f.Image))
	}
	return keys
}

// ImageKey is a short name for an image, as good as certainly no other's: twelve hex digits of its digest, or of the
// SHA-256 of a name that has none. A standby of hundreds of machines is told by it what each has.
func ImageKey(image string) string {
	const digits = 12
	if _, digest, ok := strings.Cut(image, "@sha256:"); ok && len(digest) >= digits {
		return digest[:digits]
	}
	sum := sha256.Sum256([]byte(image))
	return hex.EncodeToString(sum[:digits/2])
}

// PrefetchFailure is an image that could not be pulled.
type PrefetchFailure struct {
	Image  string `json:"image"`
	Reason string `json:"reason"`
}

// ChooseImagesInput asks what would be prefetched onto a machine of a pool now.
type ChooseImagesInput struct {
	Cluster string `json:"cluster"`
	Pool    string `json:"pool"`
}

// ChooseImagesResult is what would be: images and their sizes, the best first.
type ChooseImagesResult struct {
	Images []ChosenImage `json:"images,omitempty"`
}

// ChosenImage is one of them.
type ChosenImage struct {
	Image string `json:"image"`
	Bytes int64  `json:"bytes"`
}
