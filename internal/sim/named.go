package sim

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// named are the scenarios that come with the simulator.
//
//go:embed scenarios/*.yaml
var named embed.FS

// NamedScenario is a scenario that comes with the simulator.
type NamedScenario struct{ Name, Description string }

// Scenarios are those that come with the simulator, by name.
func Scenarios() ([]NamedScenario, error) {
	files, err := fs.Glob(named, "scenarios/*.yaml")
	if err != nil {
		return nil, err
	}
	list := make([]NamedScenario, 0, len(files))
	for _, file := range files {
		data, err := named.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var f scenarioFile
		if err := yaml.Unmarshal(data, &f); err != nil {
			return nil, fmt.Errorf("scenario %s: %w", file, err)
		}
		list = append(list, NamedScenario{scenarioName(file), f.Description})
	}
	return list, nil
}

func scenarioName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".yaml") }

// readScenario reads a file, or a scenario that comes with the simulator: a name without a folder and an ending is one.
func readScenario(name string) ([]byte, error) {
	if name != scenarioName(name) {
		return os.ReadFile(name)
	}
	data, err := named.ReadFile("scenarios/" + name + ".yaml")
	if err == nil {
		return data, nil
	}
	if data, err = os.ReadFile(name); err == nil {
		return data, nil
	}
	all, err := Scenarios()
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all))
	for _, s := range all {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("there is no such file, nor a scenario of that name; there are %s", strings.Join(names, ", "))
}
