package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkFields refuses a file with a field that t, a struct with json tags, does not have: with the line it is on, and the
// fields that there are.
func checkFields(data []byte, t reflect.Type) error {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return err
	}
	for _, root := range document.Content { // none in an empty file
		if err := checkNode(root, t, ""); err != nil {
			return err
		}
	}
	return nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func checkNode(n *yaml.Node, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(unmarshaler):
		return nil // it checks itself
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for i, element := range n.Content {
			if err := checkNode(element, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		fields := map[string]reflect.Type{}
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				fields[name] = f.Type
			}
		}
		names := slices.Sorted(maps.Keys(fields))
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			field, known := fields[key.Value]
			where := strings.TrimPrefix(path+"."+key.Value, ".")
			if !known {
				return fmt.Errorf("line %d: %s is unknown: %s are possible", key.Line, where, strings.Join(names, ", "))
			}
			if err := checkNode(n.Content[i+1], field, where); err != nil {
				return err
			}
		}
	}
	return nil
}
