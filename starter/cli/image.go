package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/images"
	"floe.dev/floe/starter/table"
)

// PoolImages is what is known of one pool's images, of `floe image list`.
type PoolImages struct {
	Pool string `json:"pool"`
	// Disk that prefetching may take of a machine, in bytes.
	Disk int64 `json:"disk"`
	// Images, the best to prefetch first.
	Images []images.Choice `json:"images"`
}

func imageCommand(a *app) *cobra.Command {
	return group("image", "See which images the pods of a pool ran with, and which are prefetched onto standby machines",
		"  floe image list\n  floe image list --pool general --why", imageListCommand(a))
}

func imageListCommand(a *app) *cobra.Command {
	var (
		pool, disk, policy string
		why                bool
	)
	cmd := a.printsData(&cobra.Command{
		Use:   "list",
		Short: "List images by pool, those to prefetch first, and why",
		Long: `List the images that pods of each pool began to run with in the last four weeks, as the store has them from floe watch, and
say which of them would be pulled onto a machine that is frozen now: within spec.standby.prefetch.disk of the pool, or --disk.

SCORE is how likely a machine that wakes in the next day needs the image. --policy lru or lfu shows what would be chosen by
recency or by frequency alone.`,
		Example: "  floe image list\n  floe image list --pool general --why\n  floe image list --disk 20Gi -o json",
		Args:    args(cobra.NoArgs),
	})
	flags := cmd.Flags()
	flags.StringVar(&pool, "pool", "", "only this pool")
	flags.BoolVar(&why, "why", false, "say of each image why it is prefetched or not")
	flags.StringVar(&disk, "disk", "", "disk that prefetching may take, such as 20Gi, in place of each pool's own")
	flags.StringVar(&policy, "policy", string(images.Scored), "how images are chosen: scored (as Floe does), lru or lfu")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		by := images.Policy(policy)
		if !slices.Contains([]images.Policy{images.Scored, images.LRU, images.LFU}, by) {
			return usageError{fmt.Errorf("--policy %q: use one of scored, lru, lfu", policy)}
		}
		var room *resource.Quantity
		if disk != "" {
			q, err := resource.ParseQuantity(disk)
			if err != nil || q.Sign() < 0 {
				return usageError{fmt.Errorf("--disk %q: give a size, such as 20Gi", disk)}
			}
			room = &q
		}
		found, err := a.images(cmd.Context(), pool, room, by, time.Now())
		if err != nil {
			return err
		}
		return a.print(found, func(w io.Writer) { printImages(w, found, why, time.Now()) })
	}
	return cmd
}

// images reads the ledger of a pool, or of all, and chooses.
func (a *app) images(ctx context.Context, pool string, room *resource.Quantity, by images.Policy, now time.Time) ([]PoolImages, error) {
	cfg, cluster, err := a.config()
	if err != nil {
		return nil, err
	}
	if cfg.Store.URI == "" {
		return nil, errors.New("store.uri: is not set: without a store nobody keeps what pods ran with")
	}
	var disks map[string]int64
	if room == nil {
		if disks, err = a.prefetchDisks(ctx, cluster); err != nil {
			return nil, err
		}
	}
	kept, err := store.New(cfg.Store, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = kept.Close(context.WithoutCancel(ctx)) }()
	used, err := kept.Images(ctx, cluster.Name, pool, now.Add(-images.Memory))
	if err != nil {
		return nil, explainTemporal(err, "read images") // the store's activities speak Temporal's errors
	}
	found := []PoolImages{}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		p := PoolImages{Pool: name, Disk: disks[name]}
		if room != nil {
			p.Disk = room.Value()
		}
		p.Images = images.NewLedger(used[name]).Choose(by, now, p.Disk)
		found = append(found, p)
	}
	return found, nil
}

// prefetchDisks are what the pools of a cluster give prefetching.
func (a *app) prefetchDisks(ctx context.Context, cluster config.Cluster) (map[string]int64, error) {
	client, pools, err := a.kubernetes(cluster)
	if err != nil {
		return nil, err
	}
	rows, err := listPools(ctx, client, pools, cluster.Name)
	if err != nil {
		return nil, fmt.Errorf("%w; --disk does without the pools", err)
	}
	disks := map[string]int64{}
	for _, r := range rows {
		if s := r.Pool.Spec.Standby; s != nil && s.Prefetch != nil {
			disks[r.Pool.Name] = s.Prefetch.Disk.Value()
		}
	}
	return disks, nil
}

func printImages(w io.Writer, found []PoolImages, why bool, now time.Time) {
	if len(found) == 0 {
		fmt.Fprintln(w, "no images yet: floe watch stores them some 15 minutes after their pods began to run")
		return
	}
	heading := []string{"POOL", "IMAGE", "SIZE", "MACHINES", "PODS", "LAST", "SCORE", "PREFETCH"}
	if why {
		heading = append(heading, "WHY")
	}
	var rows [][]string
	var notes []string
	for _, p := range found {
		for _, c := range p.Images {
			row := []string{
				p.Pool, c.Image, sizeOf(c), strconv.Itoa(c.Nodes), strconv.Itoa(c.Pods), table.Age(now, c.Last),
				strconv.FormatFloat(c.Score, 'f', 2, 64), yesNo(c.Prefetch),
			}
			if why {
				row = append(row, c.Reason)
			}
			rows = append(rows, row)
		}
		if p.Disk == 0 {
			notes = append(notes, fmt.Sprintf("pool %s gives prefetching no disk: set spec.standby.prefetch.disk; --disk 20Gi shows what it would do", p.Pool))
		}
	}
	table.Write(w, heading, rows)
	for _, note := range notes {
		fmt.Fprintln(w, "\n"+note)
	}
}

// sizeOf is an image's size; one that no kubelet has told is marked as guessed.
func sizeOf(c images.Choice) string {
	size := fmt.Sprintf("%dMi", c.Bytes>>20)
	if c.Guessed {
		return "~" + size
	}
	return size
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
