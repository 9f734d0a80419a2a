package plan

import (
	"math"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
)

// offered is a machine type and its spot price, 0 where none is known.
type offered struct {
	contract.InstanceType
	spotUSD float64
}

// spotColumn may be in a catalog besides the columns of readCatalog.
const spotColumn = "spot_usd_per_hour"

// readCatalog reads machine types from CSV with the columns name, arch (amd64 or arm64), vcpu, memory_mib, enis,
// ipv4_per_eni and on_demand_usd_per_hour. bare_metal and hibernation (true or false) may be left out; so may
// spot_usd_per_hour, and be empty for types that spot does not sell. Other columns are ignored.
func readCatalog(f File) ([]offered, error) {
	if f.Data == nil {
		var types []offered
		for _, t := range catalog.Facts() {
			types = append(types, offered{InstanceType: t})
		}
		return types, nil
	}
	s, err := readSheet(f, "name", "arch", "vcpu", "memory_mib", "enis", "ipv4_per_eni", "on_demand_usd_per_hour")
	if err != nil {
		return nil, err
	}
	types := make([]offered, 0, len(s.rows))
	seen := map[string]bool{}
	for i := range s.rows {
		t := offered{InstanceType: contract.InstanceType{
			Name: s.text(i, "name"), Arch: s.oneOf(i, "arch", "amd64", "arm64"),
			VCPU: s.count(i, "vcpu", 1), MemoryMiB: s.count(i, "memory_mib", 1),
			ENIs: s.count(i, "enis", 0), IPv4PerENI: s.count(i, "ipv4_per_eni", 0),
			BareMetal: s.flag(i, "bare_metal"), Hibernation: s.flag(i, "hibernation"),
			OnDemandUSD: s.usd(i, "on_demand_usd_per_hour"),
		}}
		if s.text(i, spotColumn) != "" {
			t.spotUSD = s.usd(i, spotColumn)
		}
		if t.Name == "" || seen[t.Name] {
			s.wrong(i, "name", "a type's name that no other line has")
		}
		seen[t.Name] = true
		types = append(types, t)
	}
	if len(types) == 0 {
		return nil, errNoRows(f, "one machine type or more")
	}
	return types, s.err()
}

// count is a whole number that fits an int of any platform.
func (s *sheet) count(row int, column string, least int64) int {
	n := s.whole(row, column, least, "a number")
	if n > math.MaxInt32 {
		s.wrong(row, column, "a number below 2^31")
		return math.MaxInt32
	}
	return int(n)
}
