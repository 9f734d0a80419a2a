package ec2

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPagesLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := make([]int, rapid.IntRange(0, 40).Draw(t, "items"))
		for n := range items {
			items[n] = n
		}
		p := paged{MaxResults: rapid.IntRange(0, 12).Draw(t, "size")}
		if p.MaxResults > 0 && p.MaxResults < 5 {
			_, _, err := pageOf(items, p, 5, 12)
			require.Error(t, err)
			return
		}
		var got []int
		for {
			page, next, err := pageOf(items, p, 5, 12)
			require.NoError(t, err)
			got = append(got, page...)
			if next == "" {
				break
			}
			require.NotEmpty(t, page)
			p.NextToken = next
		}
		require.Equal(t, len(items), len(got))
		for n := range got {
			require.Equal(t, n, got[n])
		}
	})
}
