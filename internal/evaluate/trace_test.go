package evaluate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/v1alpha1"
)

func TestParse(t *testing.T) {
	got, err := Parse("aws/2023/us-west-2a_v100_8.json", []byte(`{"metadata": {"gap_seconds": 34, "start": "x"}, "data": [0, 1, 16.0], "prices": [1]}`))
	require.NoError(t, err)
	require.Equal(t, Trace{
		Name: "aws/2023/us-west-2a_v100_8", Zone: "aws/2023/us-west-2a", Type: "v100.8",
		CapacityType: v1alpha1.Spot, Gap: 34 * time.Second, Counts: []int{0, 1, 16},
	}, got)
	require.Equal(t, 102*time.Second, got.Length())

	got, err = Parse("plain.json", []byte(`{"metadata": {"gap_seconds": 1.5, "capacity_type": "on-demand"}, "data": [3]}`))
	require.NoError(t, err)
	require.Equal(t, Trace{
		Name: "plain", Zone: "plain", Type: "machine",
		CapacityType: v1alpha1.OnDemand, Gap: 1500 * time.Millisecond, Counts: []int{3},
	}, got)
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"nothing", ``, "this is no recording"},
		{"no JSON", `gap 600`, "this is no recording"},
		{"a list", `[1, 2]`, "this is no recording"},
		{"words in data", `{"metadata": {"gap_seconds": 600}, "data": ["a"]}`, "data"},
		{"not a number", `{"metadata": {"gap_seconds": 600}, "data": [NaN]}`, "this is no recording"},
		{"no metadata", `{"data": [1]}`, "metadata.gap_seconds is missing"},
		{"no gap", `{"metadata": {}, "data": [1]}`, "metadata.gap_seconds is missing"},
		{"a gap of nothing", `{"metadata": {"gap_seconds": 0}, "data": [1]}`, "metadata.gap_seconds is 0"},
		{"a gap backwards", `{"metadata": {"gap_seconds": -600}, "data": [1]}`, "metadata.gap_seconds is -600"},
		{"a gap beyond reason", `{"metadata": {"gap_seconds": 1e300}, "data": [1]}`, "metadata.gap_seconds is 1e+300"},
		{"no data", `{"metadata": {"gap_seconds": 600}}`, "data is empty"},
		{"empty data", `{"metadata": {"gap_seconds": 600}, "data": []}`, "data is empty"},
		{"less than nothing", `{"metadata": {"gap_seconds": 600}, "data": [1, -1]}`, "data[1] is -1"},
		{"half a machine", `{"metadata": {"gap_seconds": 600}, "data": [0.5]}`, "data[0] is 0.5"},
		{"no number", `{"metadata": {"gap_seconds": 600}, "data": [1, 1, null]}`, "data[2] is null"},
		{"too many", `{"metadata": {"gap_seconds": 600}, "data": [1e9]}`, "data[0] is 1e+09"},
		{"another capacity type", `{"metadata": {"gap_seconds": 600, "capacity_type": "reserved"}, "data": [1]}`, `metadata.capacity_type is "reserved"`},
		{"two recordings", `{"metadata": {"gap_seconds": 600}, "data": [1]} {}`, "something follows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("some/file.json", []byte(c.text))
			require.ErrorContains(t, err, "some/file.json: ")
			require.ErrorContains(t, err, c.says)
		})
	}
}

// Whatever a file holds is refused or replayed.
func FuzzParse(f *testing.F) {
	f.Add("a/zone_type.json", []byte(`{"metadata": {"gap_seconds": 600}, "data": [0, 1, 2]}`))
	f.Add("_.json", []byte(`{"metadata": {"gap_seconds": 604800, "capacity_type": "on-demand"}, "data": [1000000]}`))
	f.Add("", []byte(`{"metadata": null, "data": [null]}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		trace, err := Parse(name, data)
		if err != nil {
			return
		}
		require.NotEmpty(t, trace.Counts)
		require.Positive(t, trace.Gap)
		o := DefaultOptions()
		o.For, o.Rounds = time.Hour, 1
		_, err = Replay([]Trace{trace}, Policies(), o)
		if trace.CapacityType == v1alpha1.Spot {
			require.NoError(t, err)
		}
	})
}
