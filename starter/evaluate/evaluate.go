// Package evaluate reads recordings of spot markets, and reports how ways of falling back would have done on them.
package evaluate

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"floe.dev/floe/internal/evaluate"
)

// maxFile is the largest recording that is read: a year of one-second ticks.
const maxFile = 256 << 20

// Request is what to evaluate.
type Request struct {
	// Folders that hold recordings, one a file (*.json), at any depth.
	Folders  []string
	Policies []string
	Options  evaluate.Options
	// Folds of the cross-validation; 0 is none.
	Folds int
	// Curve asks for Floe's figures over the length of its waits.
	Curve bool
}

// Report is what came out.
type Report struct {
	Recordings []Recording        `json:"recordings"`
	Figures    []evaluate.Figures `json:"figures"`
	// Goals are there where all policies were asked for.
	Goals *evaluate.Goals  `json:"goals,omitempty"`
	Folds []evaluate.Fold  `json:"folds,omitempty"`
	Curve []evaluate.Point `json:"curve,omitempty"`
}

// Recording is one file that was read.
type Recording struct {
	Name         string  `json:"name"`
	Zone         string  `json:"zone"`
	Type         string  `json:"type"`
	CapacityType string  `json:"capacityType"`
	Days         float64 `json:"days"`
	GapSeconds   float64 `json:"gapSeconds"`
	// Most instances that could be had at one time, and the share of ticks at which any could.
	Most      int     `json:"most"`
	Available float64 `json:"availableShare"`
}

// Fallback evaluates ways of falling back.
func Fallback(r Request) (*Report, error) {
	traces, err := Load(r.Folders)
	if err != nil {
		return nil, err
	}
	report := &Report{}
	for _, t := range traces {
		report.Recordings = append(report.Recordings, recording(t))
	}
	if report.Figures, err = evaluate.Replay(traces, r.Policies, r.Options); err != nil {
		return nil, err
	}
	if goals, ok := evaluate.Judge(report.Figures); ok {
		report.Goals = &goals
	}
	if r.Folds != 0 {
		if report.Folds, err = evaluate.CrossValidate(traces, r.Folds, r.Options); err != nil {
			return nil, err
		}
	}
	if r.Curve {
		if report.Curve, err = evaluate.Curve(traces, r.Options); err != nil {
			return nil, err
		}
	}
	return report, nil
}

func recording(t evaluate.Trace) Recording {
	r := Recording{
		Name: t.Name, Zone: t.Zone, Type: t.Type, CapacityType: string(t.CapacityType),
		Days: t.Length().Hours() / 24, GapSeconds: t.Gap.Seconds(), Most: slices.Max(t.Counts),
	}
	for _, n := range t.Counts {
		if n > 0 {
			r.Available += 1 / float64(len(t.Counts))
		}
	}
	return r
}

// Load reads all recordings under folders, in the order of their names. A file that is no recording is an error that names
// it and the field.
func Load(folders []string) ([]evaluate.Trace, error) {
	var traces []evaluate.Trace
	seen := map[string]bool{}
	for _, folder := range folders {
		before := len(traces)
		err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(file) != ".json" {
				return err
			}
			name, err := filepath.Rel(folder, file)
			if err != nil {
				return err
			}
			if len(folders) > 1 {
				name = filepath.Join(filepath.Base(folder), name)
			}
			if name = filepath.ToSlash(name); seen[name] {
				return fmt.Errorf("%s: a recording of this name was read already: name each folder once, and let folders differ in their last part", file)
			}
			seen[name] = true
			data, err := read(file)
			if err != nil {
				return err
			}
			t, err := evaluate.Parse(name, data)
			if err != nil {
				return err
			}
			traces = append(traces, t)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("--traces %s: %w", folder, err)
		}
		if len(traces) == before {
			return nil, fmt.Errorf("--traces %s: no file there ends in .json: name a folder of recordings", folder)
		}
	}
	return traces, nil
}

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read from
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB: part it into shorter recordings", file, maxFile>>20)
	}
	return data, err
}
