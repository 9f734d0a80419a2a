package evaluate

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"floe.dev/floe/internal/evaluate/day"
)

// LoadDay reads a scenario. Unknown fields are refused; the error names the file, the fields, and what would be right.
func LoadDay(file string) (*day.Scenario, error) {
	data, err := read(file)
	if err != nil {
		return nil, err
	}
	s := &day.Scenario{}
	if err := yaml.UnmarshalStrict(data, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s.Defaults()
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}
