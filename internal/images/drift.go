package images

import (
	"slices"

	"floe.dev/floe/api/contract"
)

// Drift is how much a machine lacks of what would be prefetched today: a part (0 to 1) by size. tried are keys
// (contract.ImageKey) of the images whose pull was tried before it was frozen: one that could not be pulled then is no reason
// for another machine, which would fare no better. Where nothing would be prefetched, it lacks nothing.
func Drift(tried []string, today []contract.ChosenImage) float64 {
	var wanted, missing int64
	for _, c := range today {
		wanted += c.Bytes
		if !slices.Contains(tried, contract.ImageKey(c.Image)) {
			missing += c.Bytes
		}
	}
	if wanted == 0 {
		return 0
	}
	return float64(missing) / float64(wanted)
}
