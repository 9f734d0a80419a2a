package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"floe.dev/floe/starter/plan"
)

// planFiles are the files of `floe plan`; - is stdin, and no name no file.
type planFiles struct {
	pods, pools, catalog string
	zones                []string
}

// any reports whether a plan from files is asked for.
func (f planFiles) any() bool { return f.pods != "" || f.pools != "" || f.catalog != "" }

// planFiles makes a plan of an empty cluster from files.
func (a *app) planFiles(files planFiles, why string) (*plan.Report, error) {
	if files.pods == "" || files.pools == "" {
		return nil, usageError{errors.New("a plan from files wants both --pods and --pools; without any of them the plan is of the live cluster")}
	}
	stdin := 0
	for _, name := range []string{files.pods, files.pools, files.catalog} {
		if name == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return nil, usageError{errors.New("only one of --pods, --pools and --catalog can be stdin")}
	}
	in := plan.Inputs{Zones: files.zones}
	for _, f := range []struct {
		name string
		into *plan.File
	}{{files.pods, &in.Pods}, {files.pools, &in.Pools}, {files.catalog, &in.Catalog}} {
		if f.name == "" {
			continue
		}
		data, err := a.readFile(f.name)
		if err != nil {
			return nil, err
		}
		*f.into = plan.File{Name: f.name, Data: data}
	}
	snapshot, notes, err := plan.Read(in, time.Now())
	if err != nil {
		return nil, err
	}
	report := plan.Make(snapshot, why)
	report.Notes = notes
	return report, nil
}

// readFile reads a file, or stdin for -. What it returns is not nil.
func (a *app) readFile(name string) ([]byte, error) {
	if name != "-" {
		return os.ReadFile(name)
	}
	data, err := io.ReadAll(a.in)
	if err != nil {
		return nil, fmt.Errorf("stdin: %w", err)
	}
	return data, nil
}
