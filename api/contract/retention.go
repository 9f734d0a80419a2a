package contract

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// WorkflowRetention deletes from the store what has become old. A Temporal Schedule starts it once a day.
const WorkflowRetention = "Retention"

// ActivityPrune deletes from one collection what has become old, and counts.
const ActivityPrune = "store.Prune"

// RetentionID is the workflow id of a retention started by hand, and the id of the Temporal Schedule that starts the
// others, whose workflows have their time behind it. There is one store, and so one of each.
const RetentionID = "retention"

// Retained are the collections that have an age, in the order in which they are gone through. A new one goes to the end: a
// Retention that an older worker began replays.
var Retained = []string{CollectionPlans, CollectionOfferings, CollectionEvents, CollectionHops, CollectionNodes, CollectionImages}

// MinRetention is the shortest age that a collection may be given: beyond any write that comes late.
const MinRetention = 24 * time.Hour

// MinRetentionOf is the shortest age that this collection may be given. Of offerings it is beyond what the offering memory
// still reads.
func MinRetentionOf(collection string) time.Duration {
	if collection == CollectionOfferings {
		return 36 * time.Hour
	}
	return MinRetention
}

// maxRetentionHours is what a time.Duration holds: some 292 years.
const maxRetentionHours = math.MaxInt64 / float64(time.Hour)

// RetentionInput starts a Retention.
type RetentionInput struct {
	// Hours is how old a document may become, by collection. One that is not named, or has 0, is only counted.
	Hours map[string]float64 `json:"hours,omitempty"`
}

// Validate checks what a person may have typed. The error names each wrong field and what would be right; nil where all
// is well.
func (in RetentionInput) Validate() error {
	var errs []error
	//workflowcheck:ignore the keys are sorted
	for _, collection := range slices.Sorted(maps.Keys(in.Hours)) {
		hours := in.Hours[collection]
		switch {
		case !slices.Contains(Retained, collection):
			errs = append(errs, fmt.Errorf("hours.%s: unknown collection; name some of %s", collection, strings.Join(Retained, ", ")))
		case hours == 0:
		case !(hours >= MinRetentionOf(collection).Hours() && hours < maxRetentionHours):
			errs = append(errs, fmt.Errorf("hours.%s: %v is out of range; give at least %v, or 0 to delete nothing", collection, hours, MinRetentionOf(collection).Hours()))
		}
	}
	return errors.Join(errs...)
}

// Age is how old a document of the collection may become; zero means any age.
func (in RetentionInput) Age(collection string) time.Duration {
	return time.Duration(in.Hours[collection] * float64(time.Hour))
}

// RetentionResult says what a Retention did.
type RetentionResult struct {
	Collections []PruneResult `json:"collections"`
}

// PruneInput asks to delete what is older.
type PruneInput struct {
	Collection string `json:"collection"`
	// Before is the time from which on everything is kept. Zero means that nothing is deleted, only counted.
	Before time.Time `json:"before,omitzero"`
}

// PruneResult says what has gone from a collection, and what stays.
type PruneResult struct {
	PruneInput
	// Gone counts the documents that were deleted, and Left those that are there now, by the server's own statistics.
	Gone int64 `json:"gone"`
	Left int64 `json:"left"`
}
