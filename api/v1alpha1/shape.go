package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// shape says where an object, as JSON has it, does not have the shape of a NodePool. encoding/json would tell the first
// fault only, and of a quantity not even where it is.
func shape(object map[string]any) []error {
	return shapeOf(reflect.TypeFor[NodePool](), object, nil)
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func shapeOf(t reflect.Type, value any, path *field.Path) []error {
	if value == nil {
		return nil // as if it were left out
	}
	if t.Kind() == reflect.Pointer {
		return shapeOf(t.Elem(), value, path)
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return shapeOfText(t, value, path)
	}
	switch t.Kind() {
	case reflect.Struct:
		return shapeOfStruct(t, value, path)
	case reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			return wrong(value, path, "want an object")
		}
		var errs []error
		for _, key := range slices.Sorted(maps.Keys(object)) {
			errs = append(errs, shapeOf(t.Elem(), object[key], path.Key(key))...)
		}
		return errs
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			return wrong(value, path, "want a list")
		}
		var errs []error
		for i, item := range list {
			errs = append(errs, shapeOf(t.Elem(), item, path.Index(i))...)
		}
		return errs
	case reflect.String:
		if _, ok := value.(string); !ok {
			return wrong(value, path, "want a string; put it in quotes")
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			return wrong(value, path, "want true or false")
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, ok := value.(float64)
		if !ok || n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
			return wrong(value, path, "want a whole number")
		}
	}
	return nil
}

func shapeOfStruct(t reflect.Type, value any, path *field.Path) []error {
	object, ok := value.(map[string]any)
	if !ok {
		return wrong(value, path, "want an object")
	}
	known := fieldsOf(t)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := field.NewPath(name)
		if path != nil {
			at = path.Child(name)
		}
		f, ok := known[name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: unknown field; %s", at, suggestion(name, slices.Sorted(maps.Keys(known)))))
			continue
		}
		errs = append(errs, shapeOf(f, object[name], at)...)
	}
	return errs
}

// shapeOfText checks what reads itself from text: quantities, durations, times.
func shapeOfText(t reflect.Type, value any, path *field.Path) []error {
	hint := "it is not what this field holds"
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		hint = "want a quantity, such as 500m, 2 or 4Gi"
	case reflect.TypeFor[metav1.Duration]():
		hint = "want a duration, such as 90s, 15m or 2h"
	case reflect.TypeFor[metav1.Time]():
		hint = "want a time, such as 2026-07-01T00:00:00Z"
	}
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, reflect.New(t).Interface())
	}
	if err != nil {
		return wrong(value, path, hint)
	}
	return nil
}

// fieldsOf are a struct's fields by their JSON names, those of embedded structs included.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && f.Anonymous:
			maps.Copy(fields, fieldsOf(f.Type))
		case name != "":
			fields[name] = f.Type
		}
	}
	return fields
}

func wrong(value any, path *field.Path, hint string) []error {
	return []error{fmt.Errorf("%s: %s; %s", path, show(value), hint)}
}

// show is a value as an error tells it: its text where it is short, else its kind.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil || len(text) > 60 || value == nil {
		return kindOf(value)
	}
	return string(text)
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "true or false"
	}
	return "a number"
}
