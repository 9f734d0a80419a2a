package catalog

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
)

func TestFacts(t *testing.T) {
	facts := Facts()
	require.Len(t, facts, 841)
	names := make([]string, len(facts))
	for i, f := range facts {
		names[i] = f.Name
		require.Containsf(t, []string{"amd64", "arm64"}, f.Arch, "%s", f.Name)
		require.Positivef(t, f.VCPU, "%s", f.Name)
		require.Positivef(t, f.MemoryMiB, "%s", f.Name)
		require.Positivef(t, f.ENIs*f.IPv4PerENI, "%s", f.Name)
		require.Positivef(t, f.OnDemandUSD, "%s", f.Name)
		require.Falsef(t, f.BareMetal && f.Hibernation, "%s: bare metal does not hibernate", f.Name)
	}
	require.True(t, slices.IsSorted(names))
	require.Len(t, slices.Compact(names), len(facts))

	i := slices.IndexFunc(facts, func(t contract.InstanceType) bool { return t.Name == "m5.large" })
	require.Equal(t, contract.InstanceType{
		Name: "m5.large", Arch: "amd64", VCPU: 2, MemoryMiB: 8192, ENIs: 3, IPv4PerENI: 10, Hibernation: true, OnDemandUSD: 0.096,
	}, facts[i])
}

func TestParseFactsSaysWhereTheFileIsWrong(t *testing.T) {
	row := "a.large,amd64,2,4096,3,10,nitro,false,false,0.05"
	_, err := parseFacts(factsColumns + "\n" + row + "\n")
	require.NoError(t, err)
	for _, c := range []struct{ from, to, says string }{
		{"4096", "4Gi", `line 3: column 4: "4Gi" is not a whole number`},
		{"false,false", "no,false", `line 3: column 8: "no"`},
		{"false,0", "maybe,0", `line 3: column 9: "maybe"`},
		{"0.05", "cheap", `line 3: column 10: "cheap"`},
		{",0.05", "", "wrong number of fields"},
	} {
		_, err := parseFacts(factsColumns + "\n" + row + "\n" + strings.Replace(row, c.from, c.to, 1) + "\n")
		require.ErrorContains(t, err, c.says)
	}
	_, err = parseFacts("name,arch\n")
	require.ErrorContains(t, err, "the first line is to be")
}

func TestFamilyAndSize(t *testing.T) {
	for name, want := range map[string][2]string{
		"m5.2xlarge":      {"m5", "2xlarge"},
		"u-6tb1.56xlarge": {"u-6tb1", "56xlarge"},
		"odd":             {"odd", ""},
	} {
		family, size := FamilyAndSize(name)
		require.Equal(t, want, [2]string{family, size})
	}
}
