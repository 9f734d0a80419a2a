// Package plan makes plans from files, without a cluster or AWS, and says what of any plan users see.
package plan

import (
	"errors"
	"time"

	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/planner"
)

// File is what of a file is read: its name is for messages.
type File struct {
	Name string
	Data []byte
}

// Inputs are the files that a plan is made from.
type Inputs struct {
	// Pods that need room: Kubernetes YAML or CSV, see readPods.
	Pods File
	// Pools are NodePools, YAML or JSON.
	Pools File
	// Catalog is the machine types that can be bought, as CSV: see readCatalog. Without Data it is catalog.Facts.
	Catalog File
	// Zones are where the pools' subnets lie, which no file says: the first subnet that any pool names in the first
	// zone, the second in the second, and beyond the last from the first again. A zone may be named twice.
	Zones []string
}

// Read makes of the files what the planner looks at, at the moment now. notes are things of the input that bend the plan
// without being wrong, in words. An error names the file, the line or document, the field, and what would be right; it
// holds the mistakes of all files.
func Read(in Inputs, now time.Time) (s planner.Snapshot, notes []string, err error) {
	demand, podsErr := readPods(in.Pods)
	types, catalogErr := readCatalog(in.Catalog)
	pools, poolsErr := decodePools(in.Pools)
	if err := errors.Join(podsErr, catalogErr, poolsErr); err != nil {
		return s, nil, err
	}
	view, err := newView(types, pools, in.Zones)
	if err != nil {
		return s, nil, err
	}
	if err := checkPools(in.Pools, pools, types); err != nil {
		return s, nil, err
	}
	s = planner.Snapshot{Pods: demand.pods, DaemonSets: demand.daemonSets, Namespaces: demand.namespaces, Now: now}
	for _, pool := range pools {
		p := planner.Pool{NodePool: pool}
		p.Candidates, p.Rejected, p.Problem = catalog.Candidates(pool, view)
		s.Pools = append(s.Pools, p)
		if note := spotNote(pool, view); note != "" {
			notes = append(notes, note)
		}
	}
	return s, notes, nil
}

// Make plans. why names a pod to explain, by namespace/name or by a name that no other pod has; empty for none. The
// report's Why is nil where no such pod is planned for.
func Make(s planner.Snapshot, why string) *Report {
	begin := time.Now()
	if why == "" {
		result := planner.Plan(s)
		return ofResult(&s, &result, time.Since(begin))
	}
	result, explanation := planner.Explain(s, why)
	r := ofResult(&s, &result, time.Since(begin))
	r.Why = explanation
	return r
}
