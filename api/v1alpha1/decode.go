package v1alpha1

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Decode reads NodePools from YAML or JSON, one or many documents; empty ones are left out. Unknown fields, repeated
// ones and values of the wrong kind are refused, all of them in one error, each with its document's number, its path
// and what would be right: `document 2: spec.fallbak: unknown field; did you mean fallback?`.
//
// Defaults are not set and nothing else is checked: SetDefaults and Validate come after.
func Decode(data []byte) ([]*NodePool, error) {
	var pools []*NodePool
	var errs []error
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		pool, problems := decodeOne(document)
		for _, p := range problems {
			errs = append(errs, fmt.Errorf("document %d: %w", n, p))
		}
		if pool != nil {
			pools = append(pools, pool)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(pools) == 0 {
		return nil, errors.New("no document: want one NodePool or more, in YAML or JSON")
	}
	return pools, nil
}

// decodeOne reads one document. pool is nil where it is empty or wrong.
func decodeOne(document []byte) (pool *NodePool, problems []error) {
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, []error{fmt.Errorf("not YAML: %w", err)}
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, []error{fmt.Errorf("not an object: %w", err)}
	}
	if value == nil {
		return nil, nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, []error{fmt.Errorf("%s, want an object with apiVersion: %s and kind: %s", kindOf(value), GroupVersion, Kind)}
	}
	for _, want := range []struct{ name, value string }{{"apiVersion", GroupVersion.String()}, {"kind", Kind}} {
		if object[want.name] != want.value {
			problems = append(problems, fmt.Errorf("%s: %s, want %s", want.name, show(object[want.name]), want.value))
		}
	}
	if len(problems) > 0 {
		return nil, problems // of another kind, whose fields are not ours to judge
	}
	if problems = shape(object); len(problems) > 0 {
		return nil, problems
	}
	pool = &NodePool{}
	if err := json.Unmarshal(text, pool); err != nil {
		return nil, []error{err}
	}
	return pool, nil
}
