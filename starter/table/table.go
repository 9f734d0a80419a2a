// Package table writes what people read in columns.
package table

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Write writes rows in aligned columns under a heading. Empty cells show as "-". Nothing is written without rows.
func Write(w io.Writer, heading []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, strings.Join(heading, "\t"))
	for _, row := range rows {
		cells := slices.Clone(row)
		for i, cell := range cells {
			if cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
}

// Age is how long before now something was, as kubectl shows it.
func Age(now, then time.Time) string {
	if then.IsZero() {
		return ""
	}
	return duration.HumanDuration(now.Sub(then))
}

// USD is a price per hour; a price that is not known is empty.
func USD(perHour float64) string {
	if perHour == 0 {
		return ""
	}
	return fmt.Sprintf("%.4f", perHour)
}
