package v1alpha1

import "strings"

// suggestion is what to say of a name that is not among the known: the nearest one, or all of them where none is near.
func suggestion(name string, known []string) string {
	best, least := "", len(name)/3+2 // a slip or two, more in long names
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return "the fields here are " + strings.Join(known, ", ")
	}
	return "did you mean " + best + "?"
}

// distance is the number of single-byte edits between two names (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
