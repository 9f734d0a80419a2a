package fallback

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
)

func override(instanceType, zone string, usd float64) contract.Override {
	return contract.Override{
		Offering:   contract.Offering{Region: "r", ZoneID: zone, InstanceType: instanceType, CapacityType: "spot"},
		USDPerHour: usd,
	}
}

// price is the cost of an offering that has no risk.
func price(o contract.Override) float64 { return o.USDPerHour }

func TestRankTakesTurnsBetweenZonesAtOnePrice(t *testing.T) {
	var order []string
	for _, o := range Rank([]contract.Override{
		override("m", "a", 1), override("m", "b", 1), override("n", "a", 1), override("n", "b", 1),
		override("cheap", "a", 0.5), override("dear", "b", 2),
	}, price) {
		order = append(order, o.InstanceType+o.ZoneID)
	}
	require.Equal(t, []string{"cheapa", "mb", "ma", "nb", "na", "dearb"}, order)
}

// Where one zone is cheaper for everything, the others still get their share.
func TestRankKeepsEveryZone(t *testing.T) {
	var all []contract.Override
	for i := range 100 {
		name := fmt.Sprintf("t%03d", i)
		all = append(all, override(name, "a", 1+float64(i)/1000), override(name, "b", 10+float64(i)), override(name, "c", 20+float64(i)))
	}
	all = append(all, override("only", "d", 1000))
	zones := map[string]int{}
	for _, o := range Rank(all, price) {
		zones[o.ZoneID]++
	}
	require.Equal(t, map[string]int{"a": 29, "b": 15, "c": 15, "d": 1}, zones)
}

// An offering that is taken back again and again costs more than its price, and shows its price.
func TestRankCountsTheRisk(t *testing.T) {
	v := &catalog.View{Reclaims: map[contract.Offering]float64{override("cheap", "a", 0).Offering: 1}}
	ranked := Rank([]contract.Override{override("cheap", "a", 0.50), override("steady", "a", 0.60), override("dear", "a", 0.65)}, v.RiskedUSD)
	require.Equal(t, []string{"steady", "cheap", "dear"}, []string{ranked[0].InstanceType, ranked[1].InstanceType, ranked[2].InstanceType})
	require.Equal(t, 0.50, ranked[1].USDPerHour)
}

func TestRankProperties(t *testing.T) {
	offering := rapid.Custom(func(t *rapid.T) contract.Override {
		return override(
			fmt.Sprintf("t%d", rapid.IntRange(0, 99).Draw(t, "type")),
			rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "zone"),
			rapid.SampledFrom([]float64{0.1, 0.2, 0.5, 1}).Draw(t, "price"))
	})
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(offering, 1, 150, func(o contract.Override) string { return o.Key() }).Draw(t, "offerings")
		ranked := Rank(all, price)
		if len(ranked) != min(len(all), MaxOverrides) {
			t.Fatalf("%d of %d", len(ranked), len(all))
		}
		in, seen, kept := map[contract.Override]bool{}, map[contract.Override]bool{}, map[string]int{}
		have := map[string]int{}
		for _, o := range all {
			in[o] = true
			have[o.ZoneID]++
		}
		for i, o := range ranked {
			if !in[o] || seen[o] {
				t.Fatalf("%s was not given, or twice", o.Key())
			}
			seen[o] = true
			kept[o.ZoneID]++
			if i > 0 && o.USDPerHour < ranked[i-1].USDPerHour {
				t.Fatalf("%s is not in order", o.Key())
			}
		}
		for zone, n := range have {
			if share := MaxOverrides / len(have); kept[zone] < min(n, share) {
				t.Fatalf("zone %s keeps %d of %d, its share is %d", zone, kept[zone], n, share)
			}
		}
		require.Equal(t, ranked, Rank(rapid.Permutation(all).Draw(t, "shuffled"), price), "the order given does not matter")
	})
}
