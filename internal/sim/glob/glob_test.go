package glob

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
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
		{"a?c", "aüc", true},
		{"??", "ü", false},
		{"*?", "ü", true},
		{"*??", "ü", false},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`*\*`, "a*", true},
		{`*\*`, "a", false},
		{`\\`, `\`, true},
		{`\ab`, "ab", true},
		{`a\?`, "a?", true},
		{`a\?`, "ab", false},
		{`a\`, `a\`, true},
		{`a\`, "a", false},
		{"a*", "a", true},
		{`a\*`, "a", false},
		{"[a]", "a", false},
	} {
		require.Equal(t, c.want, Match(c.pattern, c.s), "%q on %q", c.pattern, c.s)
	}
}

// TestMatchIsWhatARegularExpressionSays: so that no shape of pattern is left out.
func TestMatchIsWhatARegularExpressionSays(t *testing.T) {
	characters := []string{"a", "b", "ü", "*", "?", `\`}
	rapid.Check(t, func(t *rapid.T) {
		var pattern, form strings.Builder
		for range rapid.IntRange(0, 8).Draw(t, "length") {
			switch c := rapid.SampledFrom(characters).Draw(t, "character"); {
			case c == "*":
				pattern.WriteString(c)
				form.WriteString(".*")
			case c == "?":
				pattern.WriteString(c)
				form.WriteString(".")
			case c == `\`:
				literal := rapid.SampledFrom(characters).Draw(t, "literal")
				pattern.WriteString(c + literal)
				form.WriteString(regexp.QuoteMeta(literal))
			default:
				pattern.WriteString(c)
				form.WriteString(regexp.QuoteMeta(c))
			}
		}
		s := rapid.StringOfN(rapid.SampledFrom([]rune(strings.Join(characters, ""))), 0, 8, -1).Draw(t, "s")
		require.Equal(t, regexp.MustCompile("(?s)^(?:"+form.String()+")$").MatchString(s), Match(pattern.String(), s), "%q on %q", &pattern, s)
	})
}
