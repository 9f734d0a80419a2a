package imports

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
)

// object is one object of a source. It keeps a tally of its fields: rest tells of those that nobody asked for.
type object struct {
	file, apiVersion, kind, name string
	content                      map[string]any

	used    bool            // a pool was made of it
	told    map[string]bool // paths that are carried or lost, with all below them
	lost    []NotCarried
	carried []Carried
}

// source names the object in what is told of it.
func (o *object) source() string { return fmt.Sprintf("%s %s (%s)", o.kind, o.name, o.file) }

func (o *object) root() node { return node{o: o, value: o.content} }

// loseAll tells that no part of the object is used.
func (o *object) loseAll(why, do string) {
	for _, entry := range o.root().entries() {
		entry.lose(why, do)
	}
}

// rest tells of every field that was neither carried nor lost.
func (o *object) rest() { o.root().rest() }

func (n node) rest() {
	if n.o.told[n.path] || n.value == nil {
		return
	}
	switch n.value.(type) {
	case map[string]any:
		for _, entry := range n.entries() {
			entry.rest()
		}
	case []any:
		for _, item := range n.items() {
			item.rest()
		}
	default:
		n.lose("the import does not know this field, or not this value of it", "look whether the pool needs it")
	}
}

// node is a place in an object, and what stands there: nil where nothing does.
type node struct {
	o         *object
	path, key string
	value     any
}

// simple are the keys that a path names without brackets.
var simple = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// get walks down by keys.
func (n node) get(keys ...string) node {
	for _, key := range keys {
		path := n.path + "[" + key + "]"
		if simple.MatchString(key) {
			path = n.path + "." + key
			if n.path == "" {
				path = key
			}
		}
		m, _ := n.value.(map[string]any)
		n = node{o: n.o, path: path, key: key, value: m[key]}
	}
	return n
}

// entries are an object's fields, sorted by name.
func (n node) entries() []node {
	m, _ := n.value.(map[string]any)
	all := make([]node, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, n.get(key))
	}
	return all
}

// items are a list's.
func (n node) items() []node {
	list, _ := n.value.([]any)
	all := make([]node, len(list))
	for i, value := range list {
		all[i] = node{o: n.o, path: fmt.Sprintf("%s[%d]", n.path, i), value: value}
	}
	return all
}

func (n node) exists() bool { return n.value != nil }

// text is what a single value says, whichever way it was written; empty for an object, a list and nothing.
func (n node) text() string {
	switch v := n.value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// texts are the single values of a list.
func (n node) texts() (all []string) {
	for _, item := range n.items() {
		if text := item.text(); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// integer is a whole number, however it was written.
func (n node) integer() (int64, bool) {
	i, err := strconv.ParseInt(n.text(), 10, 32)
	return i, err == nil
}

// quantity is an amount of a resource, zero or more.
func (n node) quantity() (resource.Quantity, bool) {
	q, err := resource.ParseQuantity(n.text())
	return q, err == nil && q.Sign() >= 0
}

// carry notes that a pool's field into says what stands here and below.
func (n node) carry(into string) {
	if n.exists() && !n.o.told[n.path] {
		n.o.told[n.path] = true
		n.o.carried = append(n.o.carried, Carried{Source: n.o.source(), Field: n.path, Into: into})
	}
}

// lose tells that no pool says what stands here and below.
func (n node) lose(why, do string) {
	if !n.exists() || n.o.told[n.path] {
		return
	}
	n.o.told[n.path] = true
	for i := range n.o.lost {
		if l := &n.o.lost[i]; l.Why == why && l.Do == do {
			l.Fields = append(l.Fields, n.path)
			return
		}
	}
	n.o.lost = append(n.o.lost, NotCarried{Source: n.o.source(), Fields: []string{n.path}, Why: why, Do: do})
}

// idle tells of a field that asks for nothing.
func (n node) idle() {
	n.lose("it is what others noted down, and asks for nothing", "nothing")
}

// told is a field that is lost for a known reason.
type told struct{ field, why, do string }

// loseEach tells of all these fields that there are below n.
func (n node) loseEach(fields []told) {
	for _, f := range fields {
		n.get(f.field).lose(f.why, f.do)
	}
}
