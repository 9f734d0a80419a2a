package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/images"
)

// ImageLedger tells what pods of a pool ran with.
type ImageLedger interface {
	Images(ctx context.Context, cluster, pool string, since time.Time) (map[string][]images.Use, error)
}

const (
	// choiceAge is how long a choice of images holds: many machines are frozen at the same time.
	choiceAge = time.Minute
	// failureAge is how long a ledger that could not be read is not asked again: every look at a standby asks.
	failureAge = 10 * time.Second
	// ledgerTimeout bounds the read of a ledger.
	ledgerTimeout = 5 * time.Second
	// mostChosen is the most images that are prefetched, however small: their names are carried in histories.
	mostChosen = 100
)

// choices are what was chosen last, by cluster and pool.
type choices struct {
	mu   sync.Mutex
	last map[string]choice
}

type choice struct {
	at     time.Time
	disk   int64
	images []contract.ChosenImage
	err    error // why there are none
}

func (c choice) holds(disk int64, now time.Time) bool {
	age := choiceAge
	if c.err != nil {
		age = failureAge
	}
	return c.disk == disk && now.Sub(c.at) < age
}

// WithImages has the activities choose the images that they prefetch by a ledger, and returns them. Without it they prefetch
// only what they are told.
func (a *Activities) WithImages(ledger ImageLedger) *Activities {
	a.ledger = ledger
	return a
}

// ChooseImages says which images would be prefetched onto a machine of a pool now, the best first: what a frozen machine's
// drift is judged by. It may be up to a minute old.
//
// Errors: ErrUnavailable where the ledger cannot be read.
func (a *Activities) ChooseImages(ctx context.Context, in contract.ChooseImagesInput) (contract.ChooseImagesResult, error) {
	c, err := a.cluster(in.Cluster)
	if err != nil {
		return contract.ChooseImagesResult{}, err
	}
	how := prefetchOf(c, in.Pool)
	chosen, err := a.chosen(ctx, c, in.Pool, how.Disk.Value())
	return contract.ChooseImagesResult{Images: chosen}, err
}

// choose is what is to be prefetched, or why nothing is.
func (a *Activities) choose(ctx context.Context, c *Cluster, pool string, disk int64) (found []contract.ChosenImage, problem string) {
	switch {
	case disk <= 0:
		return nil, "the pool's spec.standby.prefetch gives no disk: nothing is prefetched"
	case a.ledger == nil:
		return nil, "this worker keeps no ledger of images: nothing is prefetched"
	}
	found, err := a.chosen(ctx, c, pool, disk)
	switch {
	case err != nil:
		return nil, fmt.Sprintf("the ledger of images cannot be read: %v", err)
	case len(found) == 0:
		return nil, "nothing is known of the pool's images that would be worth its room: nothing is prefetched"
	}
	return found, ""
}

func (a *Activities) chosen(ctx context.Context, c *Cluster, pool string, disk int64) ([]contract.ChosenImage, error) {
	if a.ledger == nil || disk <= 0 {
		return nil, nil
	}
	key, now := c.name+"/"+pool, a.now()
	a.choices.mu.Lock()
	last, known := a.choices.last[key]
	a.choices.mu.Unlock()
	if known && last.holds(disk, now) {
		return last.images, last.err
	}
	fresh := choice{at: now, disk: disk}
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	var used map[string][]images.Use
	if used, fresh.err = a.ledger.Images(ctx, c.name, pool, now.Add(-images.Memory)); fresh.err == nil {
		for _, i := range images.NewLedger(used[pool]).Choose(images.Scored, now, disk) {
			if i.Prefetch && len(fresh.images) < mostChosen {
				fresh.images = append(fresh.images, contract.ChosenImage{Image: i.Image, Bytes: i.Bytes})
			}
		}
	}
	a.choices.mu.Lock()
	defer a.choices.mu.Unlock()
	if a.choices.last == nil {
		a.choices.last = map[string]choice{}
	}
	a.choices.last[key] = fresh
	return fresh.images, fresh.err
}
