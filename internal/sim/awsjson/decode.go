// Package awsjson speaks AWS's JSON protocols, 1.0 and 1.1, as SQS, SSM and the price list do: a JSON object in, one out,
// the action in the header X-Amz-Target (smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html).
package awsjson

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strconv"
	"strings"

	"floe.dev/floe/internal/sim/query"
)

// Decode fills the struct that into points to from a request's body.
//
// A member that no field takes is refused: AWS passes over some of them, but a client that sends what nobody reads is
// wrong about something. Names must be spelled as the fields or their json tags are, capitals
// included. The answer is always a
// *query.Error with the code SerializationException.
func Decode(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var members any
	if err := decoder.Decode(&members); err != nil {
		return malformed("the body is no JSON: %s", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return malformed("there is more than one JSON value in the body")
	}
	if _, object := members.(map[string]any); !object {
		return malformed("the body is no JSON object")
	}
	if err := check("", members, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return malformed("the body is not what the action takes: %s", err)
	}
	return nil
}

func malformed(format string, args ...any) *query.Error {
	return query.Errorf("SerializationException", format, args...)
}

// check compares the names of an object's members with those of a struct's fields: encoding/json would take the name in
// any mixture of capitals.
func check(path string, value any, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := value.(type) {
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return nil // a map's keys are free; json.Unmarshal refuses all else
		}
		fields := fieldsOf(t)
		for name, member := range v {
			field, known := fields[name]
			if !known {
				return malformed("there is no member %s", strings.TrimPrefix(path+"."+name, "."))
			}
			if err := check(path+"."+name, member, field); err != nil {
				return err
			}
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for n, element := range v {
			if err := check(path+"."+strconv.Itoa(n), element, t.Elem()); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldsOf are the types of a struct's fields by the names that encoding/json knows them by.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[name] = f.Type
	}
	return fields
}
