// Package query speaks the AWS query protocol as EC2 and STS do: form parameters in, XML out, and the errors in
// between (docs.aws.amazon.com/AWSEC2/latest/APIReference, "Query Requests").
package query

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxListIndex bounds the index of a list's element. No list of EC2's that we know takes more than 1,000 elements.
const maxListIndex = 10000

// common are the parameters that every action takes.
var common = []string{"Action", "Version", "DryRun"}

// Decode fills the struct that into points to from form parameters.
//
// A field takes the parameter of its own name or of the name in its tag `query:"Name"`; `query:"Name,required"` refuses
// its absence. Strings, bools, integers, floats, times (RFC 3339), pointers to them, structs (Name.Field) and slices
// (Name.1, Name.2.Field) are understood. Parameters that no field takes are refused, as EC2 does: the answer is always
// an *Error with EC2's code.
func Decode(form url.Values, into any) error {
	d := decoder{form: form, used: map[string]bool{}, prefixes: prefixesOf(form)}
	if err := d.object("", reflect.ValueOf(into).Elem()); err != nil {
		return err
	}
	unknown := make([]string, 0)
	for name := range form {
		if !d.used[name] && !slices.Contains(common, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return Errorf("UnknownParameter", "The parameter %s is not recognized", slices.Min(unknown))
}

// prefixesOf are all dotted prefixes of the parameters' names, and the list indexes under each.
func prefixesOf(form url.Values) map[string][]int {
	prefixes := map[string][]int{}
	for name := range form {
		for i := 0; i < len(name); i++ {
			if name[i] != '.' {
				continue
			}
			prefix, rest := name[:i], name[i+1:]
			word, _, _ := strings.Cut(rest, ".")
			indexes := prefixes[prefix]
			// Only the plain form of a number is an index: "01" must not stand for "1".
			if n, err := strconv.Atoi(word); err == nil && n > 0 && strconv.Itoa(n) == word && !slices.Contains(indexes, n) {
				indexes = append(indexes, n)
			}
			prefixes[prefix] = indexes
		}
	}
	for _, indexes := range prefixes {
		slices.Sort(indexes)
	}
	return prefixes
}

type decoder struct {
	form     url.Values
	used     map[string]bool
	prefixes map[string][]int
}

// object fills a struct from the parameters under prefix ("" or "Name.").
func (d *decoder) object(prefix string, v reflect.Value) error {
	for _, f := range fieldsOf(v.Type()) {
		path := prefix + f.name
		present, err := d.value(path, v.FieldByIndex(f.index))
		if err != nil {
			return err
		}
		if f.required && !present {
			return Errorf("MissingParameter", "The request must contain the parameter %s", path)
		}
	}
	return nil
}

// value fills one field; present says whether the request has anything of it.
func (d *decoder) value(path string, v reflect.Value) (present bool, err error) {
	t := v.Type()
	switch {
	case t == reflect.TypeFor[time.Time]():
		return d.scalar(path, v)
	case t.Kind() == reflect.Pointer:
		if _, scalar := d.form[path]; !scalar {
			if _, nested := d.prefixes[path]; !nested {
				return false, nil
			}
		}
		v.Set(reflect.New(t.Elem()))
		return d.value(path, v.Elem())
	case t.Kind() == reflect.Struct:
		if _, nested := d.prefixes[path]; !nested {
			return false, nil
		}
		return true, d.object(path+".", v)
	case t.Kind() == reflect.Slice:
		return d.list(path, v)
	default:
		return d.scalar(path, v)
	}
}

func (d *decoder) list(path string, v reflect.Value) (present bool, err error) {
	for _, n := range d.prefixes[path] {
		if n > maxListIndex {
			return false, Errorf("InvalidParameterValue", "The list %s has an element %d; %d is the most", path, n, maxListIndex)
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if _, err := d.value(path+"."+strconv.Itoa(n), element); err != nil {
			return false, err
		}
		v.Set(reflect.Append(v, element))
	}
	return v.Len() > 0, nil
}

func (d *decoder) scalar(path string, v reflect.Value) (present bool, err error) {
	values, ok := d.form[path]
	if !ok {
		return false, nil
	}
	d.used[path] = true
	if len(values) > 1 {
		return false, Errorf("InvalidParameterCombination", "The parameter %s is given more than once", path)
	}
	text := values[0]
	wrong := func(want string) error {
		return Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Expected %s.", text, path, want)
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return false, wrong("true or false")
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return false, wrong("an integer")
		}
		v.SetInt(n)
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return false, wrong("a number")
		}
		v.SetFloat(n)
	case reflect.Struct:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return false, wrong("a time such as 2026-07-31T12:00:00Z")
		}
		v.Set(reflect.ValueOf(at))
	default:
		return false, Errorf("InternalError", "The simulator cannot hold parameter %s in a %s", path, v.Kind())
	}
	return true, nil
}

type field struct {
	name     string
	index    []int
	required bool
}

var fieldCache sync.Map // reflect.Type -> []field

// fieldsOf are the parameters of a struct; those of embedded structs count as its own.
func fieldsOf(t reflect.Type) []field {
	if known, ok := fieldCache.Load(t); ok {
		return known.([]field)
	}
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("query"), ",")
		if name == "" {
			name = f.Name
		}
		fields = append(fields, field{name: name, index: f.Index, required: option == "required"})
	}
	fieldCache.Store(t, fields)
	return fields
}
