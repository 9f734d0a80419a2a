// Command planner runs Floe's planner and Karpenter's scheduler on the same pods, machine types and prices, and prints
// how fast each is and what it would buy. Karpenter is used as a library, and this is a module of its own so that
// Karpenter's libraries bend nobody else's versions.
//
//	go run . [-pods FILE] [-most N] [-run REGEXP]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"

	"floe.dev/floe/starter/plan"
)

func main() {
	file := flag.String("pods", "", "also plan the pods of this CSV file (columns name,cpu_milli,memory_mib)")
	most := flag.Int("most", 5000, "at most so many pods of the file; 0 for all")
	run := flag.String("run", ".", "only the cases whose name matches this regular expression")
	flag.Parse()
	if err := bench(*file, *most, *run); err != nil {
		fmt.Fprintln(os.Stderr, "bench-planner:", err)
		os.Exit(1)
	}
}

func bench(file string, most int, run string) error {
	name, err := regexp.Compile(run)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	cases := diverseCases()
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("-pods: %w", err)
		}
		pods, err := plan.PodsFromCSV(plan.File{Name: file, Data: data})
		if err != nil {
			return fmt.Errorf("-pods: %w", err)
		}
		cases = append(cases, traceCases(pods, most)...)
	}
	t := newTable(os.Stdout)
	for _, c := range cases {
		if !name.MatchString(c.name) {
			continue
		}
		ours, err := timed(func() (outcome, error) { return c.floe(), nil })
		if err != nil {
			return err
		}
		theirs, err := timed(func() (outcome, error) { return c.karpenter(context.Background()) })
		if err != nil {
			return fmt.Errorf("%s: Karpenter: %w", c.name, err)
		}
		t.add(&c, ours, theirs)
	}
	t.goals()
	if file == "" {
		fmt.Println("No trace was given: PODS=FILE adds one.")
	}
	return nil
}
