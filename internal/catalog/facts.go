// Package catalog knows what machines there are: types, places, prices, what Kubernetes sees of each, and which of them
// a NodePool may buy. It is pure: what is known of an account comes in as a View.
package catalog

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"floe.dev/floe/api/contract"
)

//go:embed instance-types.csv
var factsCSV string

// factsColumns are the columns of instance-types.csv, in order.
const factsColumns = "name,arch,vcpu,memory_mib,enis,ipv4_per_eni,hypervisor,bare_metal,hibernation,on_demand_usd_per_hour"

// Facts are the EC2 types of instance-types.csv, sorted by name: what can be said of machines without asking AWS, for
// the simulator, for tests, and for checking a pool before there is an account. Prices are Linux on-demand in us-east-1
// in US dollars an hour. Source: the instance data that Karpenter publishes (karpenter.sh, "Instance Types"; its
// repository's generated pricing and ENI tables), July 2026. Hibernation is by family and RAM below 150 GiB there;
// DescribeInstanceTypes is the truth.
func Facts() []contract.InstanceType {
	types, err := parseFacts(factsCSV)
	if err != nil {
		// The file is compiled in and a test reads it: this cannot be reached by anything a user does.
		panic(err)
	}
	return types
}

func parseFacts(text string) ([]contract.InstanceType, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("instance types: %w", err)
	}
	if len(rows) == 0 || strings.Join(rows[0], ",") != factsColumns {
		return nil, fmt.Errorf("instance types: the first line is to be %q", factsColumns)
	}
	types := make([]contract.InstanceType, 0, len(rows)-1)
	for i, row := range rows[1:] {
		t, err := parseFact(row)
		if err != nil {
			return nil, fmt.Errorf("instance types: line %d: %w", i+2, err)
		}
		types = append(types, t)
	}
	return types, nil
}

func parseFact(row []string) (contract.InstanceType, error) {
	t := contract.InstanceType{Name: row[0], Arch: row[1]}
	for _, f := range []struct {
		column int
		into   *int
	}{{2, &t.VCPU}, {3, &t.MemoryMiB}, {4, &t.ENIs}, {5, &t.IPv4PerENI}} {
		n, err := strconv.Atoi(row[f.column])
		if err != nil {
			return t, fmt.Errorf("column %d: %q is not a whole number", f.column+1, row[f.column])
		}
		*f.into = n
	}
	var err error
	if t.BareMetal, err = strconv.ParseBool(row[7]); err != nil {
		return t, fmt.Errorf("column 8: %q is neither true nor false", row[7])
	}
	if t.Hibernation, err = strconv.ParseBool(row[8]); err != nil {
		return t, fmt.Errorf("column 9: %q is neither true nor false", row[8])
	}
	if t.OnDemandUSD, err = strconv.ParseFloat(row[9], 64); err != nil {
		return t, fmt.Errorf("column 10: %q is not a price", row[9])
	}
	return t, nil
}

// FamilyAndSize splits a type's name: m5.2xlarge is m5 and 2xlarge. size is empty where the name has no dot.
func FamilyAndSize(instanceType string) (family, size string) {
	family, size, _ = strings.Cut(instanceType, ".")
	return family, size
}
