package images

import "slices"

// Drift is how much a machine that was frozen with some images lacks of what would be prefetched today: a part (0 to 1) by
// size. Where nothing would be, it lacks nothing.
func Drift(has []string, today []Choice) float64 {
	var wanted, missing int64
	for _, c := range today {
		if !c.Prefetch {
			continue
		}
		wanted += c.Bytes
		if !slices.Contains(has, c.Image) {
			missing += c.Bytes
		}
	}
	if wanted == 0 {
		return 0
	}
	return float64(missing) / float64(wanted)
}
