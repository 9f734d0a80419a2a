package ec2

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/internal/sim/query"
)

// TestPagesLeaveNothingOut: whatever the size of pages, following the tokens gives every item once and in order.
func TestPagesLeaveNothingOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := make([]int, rapid.IntRange(0, 60).Draw(t, "items"))
		for n := range items {
			items[n] = n
		}
		p := paged{MaxResults: rapid.SampledFrom([]int{0, 5, 7, 20}).Draw(t, "size")}
		var seen []int
		for {
			page, next, err := pageOf(items, p, 5, 20)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), 20)
			seen = append(seen, page...)
			if next == "" {
				break
			}
			require.NotEmpty(t, page)
			p.NextToken = next
		}
		require.Equal(t, len(items), len(seen))
		for n := range seen {
			require.Equal(t, n, seen[n])
		}
	})
}

func TestPagesAreRefused(t *testing.T) {
	for _, c := range []struct {
		paged
		code string
	}{
		{paged{MaxResults: 4}, "InvalidParameterValue"},
		{paged{MaxResults: -1}, "InvalidParameterValue"},
		{paged{MaxResults: 21}, "InvalidParameterValue"},
		{paged{NextToken: "nonsense"}, "InvalidNextToken"},
		{paged{NextToken: "LTE="}, "InvalidNextToken"},     // -1
		{paged{NextToken: "OTk5OTk="}, "InvalidNextToken"}, // 99999
	} {
		_, _, err := pageOf([]int{1, 2, 3}, c.paged, 5, 20)
		require.Error(t, err, "%+v", c.paged)
		require.Equal(t, c.code, query.AsError(err).Code, "%+v", c.paged)
	}
	require.NoError(t, paged{MaxResults: 5}.notWith("ids", nil))
	require.Equal(t, "InvalidParameterCombination", query.AsError(paged{MaxResults: 5}.notWith("ids", []string{"a"})).Code)
}
