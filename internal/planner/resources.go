package planner

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// vec is an amount of each resource of a plan, in the order of dims. CPU is in thousandths, everything else in its unit,
// as the scheduler counts them (NodeResourcesFit).
type vec []int64

// plenty is more than any pod asks for.
const plenty = math.MaxInt64 / 4

// dims are the resources that a plan reckons with: cpu, memory, pods, and whatever else some pod asks for.
type dims struct {
	names []corev1.ResourceName
	index map[corev1.ResourceName]int
}

const (
	dimCPU = iota
	dimMemory
	dimPods
)

func newDims(asked map[corev1.ResourceName]bool) *dims {
	d := &dims{names: []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods}}
	var others []corev1.ResourceName
	for name := range asked {
		if !slices.Contains(d.names, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	d.names = append(d.names, others...)
	d.index = make(map[corev1.ResourceName]int, len(d.names))
	for i, name := range d.names {
		d.index[name] = i
	}
	return d
}

// vec of a list; resources that no pod asks for are left out, and those that the list lacks are 0.
func (d *dims) vec(list corev1.ResourceList) vec {
	v := make(vec, len(d.names))
	for name, q := range list {
		if i, ok := d.index[name]; ok {
			v[i] = amount(name, q)
		}
	}
	return v
}

// list is the inverse of vec; zeros are left out, and so are volumes, which no machine has among its allocatable.
func (d *dims) list(v vec) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i, name := range d.names {
		if v[i] != 0 && !strings.HasPrefix(string(name), attachPrefix) {
			list[name] = d.quantity(i, v[i])
		}
	}
	return list
}

func (d *dims) quantity(dim int, n int64) resource.Quantity {
	switch d.names[dim] {
	case corev1.ResourceCPU:
		return *resource.NewMilliQuantity(n, resource.DecimalSI)
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return *resource.NewQuantity(n, resource.BinarySI)
	}
	return *resource.NewQuantity(n, resource.DecimalSI)
}

func amount(name corev1.ResourceName, q resource.Quantity) int64 {
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

func (v vec) add(o vec, times int64) {
	for i := range v {
		v[i] += o[i] * times
	}
}

// times is how often req fits into what is left of room after used: 0 or more. What a request does not ask for does not
// count, even where there is less than nothing of it: the scheduler looks at it in the same way.
func times(room, used, req vec) int {
	n := int64(math.MaxInt32)
	for i, r := range req {
		if r <= 0 {
			continue
		}
		left := room[i]
		if used != nil {
			left -= used[i]
		}
		if left < r {
			return 0
		}
		n = min(n, left/r)
	}
	return int(n)
}

// fits is times > 0.
func fits(room, used, req vec) bool {
	for i, r := range req {
		if r <= 0 {
			continue
		}
		left := room[i]
		if used != nil {
			left -= used[i]
		}
		if left < r {
			return false
		}
	}
	return true
}

// maxOf puts the larger of each into v.
func (v vec) maxOf(o vec) {
	for i := range v {
		v[i] = max(v[i], o[i])
	}
}
