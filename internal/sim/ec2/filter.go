package ec2

import (
	"slices"
	"strings"

	"floe.dev/floe/internal/sim/glob"
	"floe.dev/floe/internal/sim/query"
)

// filter is one of a request's filters: an item passes where one of its values under the name matches one of these,
// with the wildcards * and ? (docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html).
type filter struct {
	Name  string   `query:",required"`
	Value []string `query:",required"`
}

// maxFilterValues is the most values of one filter (same page).
const maxFilterValues = 200

// lookups give an item's values by filter name. A name that ends in ":" takes the rest of the filter's name: "tag:".
type lookups[T any] map[string]func(item T, rest string) []string

// one is a lookup of a single value.
func one[T any](f func(T) string) func(T, string) []string {
	return func(item T, _ string) []string { return []string{f(item)} }
}

// tagLookups are the filters on tags.
func tagLookups[T any](into lookups[T], tags func(T) map[string]string) lookups[T] {
	into["tag:"] = func(item T, key string) []string {
		if value, ok := tags(item)[key]; ok {
			return []string{value}
		}
		return nil
	}
	into["tag-key"] = func(item T, _ string) []string {
		keys := make([]string, 0, len(tags(item)))
		for key := range tags(item) {
			keys = append(keys, key)
		}
		return keys
	}
	return into
}

// keep are the items that pass all filters.
func (l lookups[T]) keep(items []T, filters []filter) ([]T, error) {
	for _, f := range filters {
		if len(f.Value) > maxFilterValues {
			return nil, query.Errorf("FilterLimitExceeded", "The maximum number of filter values specified on a single call is %d", maxFilterValues)
		}
		lookup, rest := l[f.Name], ""
		if name, after, colon := strings.Cut(f.Name, ":"); lookup == nil && colon {
			lookup, rest = l[name+":"], after
		}
		if lookup == nil {
			return nil, query.Errorf("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
		kept := make([]T, 0, len(items))
		for _, item := range items {
			if slices.ContainsFunc(lookup(item, rest), f.matches) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	return items, nil
}

func (f filter) matches(value string) bool {
	return slices.ContainsFunc(f.Value, func(pattern string) bool { return glob.Match(pattern, value) })
}
