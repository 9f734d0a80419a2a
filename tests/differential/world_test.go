package differential

import (
	"fmt"
	"slices"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
)

// zones that machines can be bought in.
var zones = []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"}

// instanceTypes that machines can be bought of: two families of one architecture, one of another, up to 4 CPUs and a large one.
var instanceTypes = []string{"m5.large", "m5.xlarge", "m5.4xlarge", "c6i.large", "c6i.xlarge", "r6g.large", "r6g.2xlarge"}

// view has all types in all zones but c6i.large, which is offered in the first alone. Spot costs a third.
var view = func() *catalog.View {
	v := &catalog.View{
		Account: "main", Region: "eu-west-1", Types: map[string]contract.InstanceType{},
		Subnets: map[string]catalog.Subnet{}, Offered: map[catalog.OfferedKey]bool{}, SpotUSD: map[catalog.OfferedKey]float64{},
	}
	for i, zone := range zones {
		id := fmt.Sprintf("euw1-az%d", i+1)
		v.Subnets["subnet-"+zone] = catalog.Subnet{ID: "subnet-" + zone, Zone: zone, ZoneID: id, FreeAddresses: 4000}
		for _, t := range catalog.Facts() {
			if !slices.Contains(instanceTypes, t.Name) || t.Name == "c6i.large" && i > 0 {
				continue
			}
			v.Types[t.Name] = t
			key := catalog.OfferedKey{InstanceType: t.Name, ZoneID: id}
			v.Offered[key] = true
			v.SpotUSD[key] = t.OnDemandUSD * (0.33 + 0.01*float64(i))
		}
	}
	return v
}()
