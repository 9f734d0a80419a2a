package contract

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Answers sums a hop's outcomes up in words: "5 insufficient-capacity, 2 launched"; the most frequent first.
func Answers(h Hop) string {
	switch {
	case h.Error != "":
		return h.Error
	case h.Note != "":
		return h.Note
	case h.Ended.IsZero() && len(h.Outcomes) == 0:
		return "no answer yet"
	}
	type tally struct {
		answer string
		n      int
	}
	var tallies []tally
	for _, o := range h.Outcomes {
		answer, n := string(o.Answer), 1
		if o.Answer == AnswerLaunched {
			n = o.Count
		} else if o.Answer == AnswerRefused || o.Answer == AnswerQuota {
			answer += " (" + o.Code + ")"
		}
		if i := slices.IndexFunc(tallies, func(t tally) bool { return t.answer == answer }); i >= 0 {
			tallies[i].n += n
		} else {
			tallies = append(tallies, tally{answer, n})
		}
	}
	slices.SortFunc(tallies, func(a, b tally) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.answer, b.answer))
	})
	var words []string
	for _, t := range tallies {
		words = append(words, fmt.Sprintf("%d %s", t.n, t.answer))
	}
	return strings.Join(words, ", ")
}
