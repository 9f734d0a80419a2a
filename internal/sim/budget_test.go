package sim

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestABucketNeverGivesMoreThanItHolds: in any stretch of time, what was taken is at most the bucket's size and what
// flowed in meanwhile; and a bucket that refuses would have been overdrawn.
func TestABucketNeverGivesMoreThanItHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rate{size: float64(rapid.IntRange(1, 50).Draw(t, "size")), refill: float64(rapid.IntRange(1, 20).Draw(t, "refill"))}
		start := time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC)
		b := &bucket{rate: r, tokens: r.size, at: start}
		type taken struct {
			at time.Time
			n  float64
		}
		var log []taken
		now := start
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			n := float64(rapid.IntRange(1, 5).Draw(t, "n"))
			before := *b
			if b.take(n, now) {
				log = append(log, taken{now, n})
				continue
			}
			require.Less(t, min(r.size, before.tokens+r.refill*now.Sub(before.at).Seconds()), n)
		}
		for from := range log {
			sum := 0.0
			for _, l := range log[from:] {
				sum += l.n
				require.LessOrEqual(t, sum, r.size+r.refill*l.at.Sub(log[from].at).Seconds()+1e-6)
			}
		}
	})
}

func TestCostOf(t *testing.T) {
	for _, c := range []struct {
		form      string
		name      string
		resources int
	}{
		{"Action=DescribeInstances", "DescribeInstances (all)", 0},
		{"Action=DescribeVolumes", "DescribeVolumes (all)", 0},
		{"Action=DescribeVolumes&VolumeId.1=x", "DescribeVolumes", 0},
		{"Action=DescribeSubnets", "DescribeSubnets", 0},
		{"Action=DescribeInstances&MaxResults=5", "DescribeInstances", 0},
		{"Action=DescribeInstances&Filter.1.Name=x", "DescribeInstances", 0},
		{"Action=DescribeInstances&InstanceId.1=x", "DescribeInstances", 1},
		{"Action=RunInstances&MinCount=1&MaxCount=7", "RunInstances", 7},
		{"Action=RunInstances&MaxCount=many", "RunInstances", 0},
		{"Action=TerminateInstances&InstanceId.1=a&InstanceId.2=b", "TerminateInstances", 2},
	} {
		form, err := url.ParseQuery(c.form)
		require.NoError(t, err)
		name, resources := costOf(form)
		require.Equal(t, c.name, name, c.form)
		require.Equal(t, c.resources, resources, c.form)
	}
	require.Equal(t, reading, budgetOf("DescribeSubnets"))
	require.Equal(t, describingAll, budgetOf("DescribeVolumes (all)"))
	require.Equal(t, mutating, budgetOf("CreateFleet"))
}
