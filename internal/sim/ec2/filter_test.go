package ec2

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"m5.*", "m5.large", true},
		{"m5.*", "m5a.large", false},
		{"*a*b", "xaxbxb", true},
		{"*a*b", "xaxbx", false},
		{"?", "a", true},
		{"?", "", false},
		{"a?c", "abc", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`a\?`, "a?", true},
		{`a\`, `a\`, true},
		{"[a]", "a", false},
	} {
		require.Equal(t, c.want, wildcard(c.pattern, c.s), "%q on %q", c.pattern, c.s)
	}
}

func TestWildcardIsWhatARegularExpressionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?")), 0, 8, -1).Draw(t, "pattern")
		s := rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 8, -1).Draw(t, "s")
		form := strings.NewReplacer("*", ".*", "?", ".").Replace(pattern)
		require.Equal(t, regexp.MustCompile("^"+form+"$").MatchString(s), wildcard(pattern, s))
	})
}

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
