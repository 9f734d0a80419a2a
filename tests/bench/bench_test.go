package main

import "testing"

// One short case, so that the bench is known to run; its figures say nothing beside other tests.
func TestBenchRuns(t *testing.T) {
	if err := bench(t.Context(), "hops|signal|calls|simulated-aws|fallback|resume$|storm$", "", true); err != nil {
		t.Fatal(err)
	}
}
