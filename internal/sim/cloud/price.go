package cloud

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"floe.dev/floe/api/contract"
)

const (
	// meanSpotDiscount is about what the Spot Instance Advisor shows as the saving against on-demand for general
	// families in large regions (aws.amazon.com/ec2/spot/instance-advisor); spotSpread is how far offerings differ.
	meanSpotDiscount = 0.65
	spotSpread       = 0.10
)

// spotPrice is the type's on-demand price less a discount that depends on seed, type and zone alone, in the four digits
// after the point that AWS gives.
func spotPrice(seed int64, t contract.InstanceType, z Zone) float64 {
	h := fnv.New64a()
	h.Write([]byte(t.Name + "/" + z.ID)) // a hash never fails
	// FNV alone hardly tells names apart that differ in their last character, as zones do.
	part := rand.New(rand.NewPCG(uint64(seed), h.Sum64())).Float64()
	discount := meanSpotDiscount + spotSpread*(2*part-1)
	return max(0.0001, math.Round(t.OnDemandUSD*(1-discount)*1e4)/1e4)
}
