package plan

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// plenty of addresses: no file says how many a subnet has left.
const plenty = 1 << 20

// decodePools reads NodePools and fills in their defaults.
func decodePools(f File) ([]*v1alpha1.NodePool, error) {
	pools, err := v1alpha1.Decode(f.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	seen := map[string]bool{}
	var errs []error
	for _, pool := range pools {
		v1alpha1.SetDefaults(pool)
		if seen[pool.Name] {
			errs = append(errs, fmt.Errorf("%s: pool %s: metadata.name: there twice: want each once", f.Name, pool.Name))
		}
		seen[pool.Name] = true
		errs = append(errs, told(f, pool, v1alpha1.Validate(pool))...)
	}
	return pools, errors.Join(errs...)
}

// checkPools says what of the pools no type of the catalog can serve.
func checkPools(f File, pools []*v1alpha1.NodePool, types []offered) error {
	known := make([]contract.InstanceType, len(types))
	for i, t := range types {
		known[i] = t.InstanceType
	}
	var errs []error
	for _, pool := range pools {
		errs = append(errs, told(f, pool, catalog.CheckPool(pool, known))...)
	}
	return errors.Join(errs...)
}

func told(f File, pool *v1alpha1.NodePool, found field.ErrorList) (errs []error) {
	for _, e := range found {
		errs = append(errs, fmt.Errorf("%s: pool %s: %w", f.Name, pool.Name, e))
	}
	return errs
}

// newView makes an account of the types: each is offered in each zone, and the pools' subnets lie in them in turn. A
// zone's ID is its name here, for no file says how an account names its zones.
func newView(types []offered, pools []*v1alpha1.NodePool, zones []string) (*catalog.View, error) {
	if len(zones) == 0 {
		return nil, errors.New("zones: none: want one or more, such as us-east-1a")
	}
	region := ""
	for _, zone := range zones {
		if len(zone) < 2 {
			return nil, fmt.Errorf("zones: %q: want a zone's name, such as us-east-1a", zone)
		}
		of := zone[:len(zone)-1]
		if region != "" && of != region {
			return nil, fmt.Errorf("zones: %q is not in region %s, as the first is: want zones of one region", zone, region)
		}
		region = of
	}
	v := &catalog.View{
		Account: "of the files", Region: region, Types: map[string]contract.InstanceType{},
		Subnets: map[string]catalog.Subnet{}, Offered: map[catalog.OfferedKey]bool{}, SpotUSD: map[catalog.OfferedKey]float64{},
	}
	for _, t := range types {
		v.Types[t.Name] = t.InstanceType
		for _, zone := range zones {
			key := catalog.OfferedKey{InstanceType: t.Name, ZoneID: zone}
			v.Offered[key] = true
			if t.spotUSD > 0 {
				v.SpotUSD[key] = t.spotUSD
			}
		}
	}
	for _, pool := range pools {
		for _, subnet := range pool.Spec.Subnets {
			if _, known := v.Subnets[subnet]; !known {
				zone := zones[len(v.Subnets)%len(zones)]
				v.Subnets[subnet] = catalog.Subnet{ID: subnet, Zone: zone, ZoneID: zone, FreeAddresses: plenty}
			}
		}
	}
	return v, nil
}

// spotNote says so where a pool would buy spot and the catalog knows no spot price.
func spotNote(pool *v1alpha1.NodePool, v *catalog.View) string {
	step := slices.IndexFunc(pool.Spec.Fallback, func(s v1alpha1.FallbackStep) bool { return s.CapacityType == v1alpha1.Spot })
	if step < 0 || len(v.SpotUSD) > 0 {
		return ""
	}
	return fmt.Sprintf("pool %s: step %d (spot) is left out: the catalog has no spot prices, which would be in its column %s",
		pool.Name, step+1, spotColumn)
}
