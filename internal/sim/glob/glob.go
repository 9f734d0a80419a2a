// Package glob matches the wildcards that AWS's APIs know: * for any number of characters, ? for one. Unlike path.Match's,
// its * goes across slashes, and there are no classes.
package glob

import (
	"strings"
	"unicode/utf8"
)

// Match says whether all of s is what the pattern says; a backslash in the pattern takes the next character as it is
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html).
func Match(pattern, s string) bool {
	// star is where to go on after the last *, and mark what it has swallowed so far.
	star, mark, p, n := -1, 0, 0, 0
	for n < len(s) {
		var width, taken int // of the pattern and of s, where they match
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == '*':
				star, mark = p, n
				p++
				continue
			case c == '?':
				width, taken = 1, characterAt(s, n)
			case c == '\\' && p+1 < len(pattern):
				if pattern[p+1] == s[n] {
					width, taken = 2, 1
				}
			case c == s[n]:
				width, taken = 1, 1
			}
		}
		switch {
		case width > 0:
			p, n = p+width, n+taken
		case star >= 0:
			mark += characterAt(s, mark)
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// characterAt is how many bytes the character has that begins there.
func characterAt(s string, n int) int {
	_, size := utf8.DecodeRuneInString(s[n:])
	return size
}
