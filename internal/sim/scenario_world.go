package sim

import (
	"fmt"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/machine"
	"floe.dev/floe/internal/sim/script"
)

type hibernationFile struct {
	MinUptime *metav1.Duration `json:"minUptime"`
	Quiet     *metav1.Duration `json:"quiet"`
	Kept      *metav1.Duration `json:"kept"`
	Image     *float64         `json:"image"`
	Fallback  float64          `json:"fallback"`
}

// whereFile is a set of offerings; what it leaves out is any.
type whereFile struct {
	Types        string `json:"types"`
	Zone         string `json:"zone"`
	CapacityType string `json:"capacityType"`
}

func (f whereFile) where() (script.Where, error) {
	w := script.Where{Type: f.Types, Zone: f.Zone, CapacityType: v1alpha1.CapacityType(f.CapacityType)}
	setDefault(&w.Type, "*")
	setDefault(&w.Zone, "*")
	switch w.CapacityType {
	case "", v1alpha1.Spot, v1alpha1.OnDemand:
		return w, nil
	default:
		return w, fmt.Errorf("capacityType: %q is unknown: %s and %s are possible, and nothing is both", f.CapacityType, v1alpha1.Spot, v1alpha1.OnDemand)
	}
}

type capacityFile struct {
	Models []struct {
		whereFile
		Mean     float64         `json:"mean"`
		Spread   float64         `json:"spread"`
		HalfLife metav1.Duration `json:"halfLife"`
		Every    metav1.Duration `json:"every"`
	} `json:"models"`
	Traces []struct {
		whereFile
		File string `json:"file"`
		Kind string `json:"kind"`
	} `json:"traces"`
}

type imagesFile struct {
	MiBPerSecond float64 `json:"mibPerSecond"`
	MiB          float64 `json:"mib"`
	Sizes        []struct {
		Image string  `json:"image"`
		MiB   float64 `json:"mib"`
	} `json:"sizes"`
}

// world reads what the world is like into o.
func (f scenarioFile) world(o *Options, dir string) error {
	into(&o.TagLag, f.TagLag)
	into(&o.Notice, f.Notice)
	if f.Notice != nil && f.Notice.Duration == 0 {
		return fmt.Errorf("notice: 0s is not possible: EC2 gives two minutes; 1ms is as good as none")
	}
	o.Queue, o.BringQueue = f.Events.Queue, f.Events.Bring
	rules := DefaultHibernation()
	into(&rules.MinUptime, f.Hibernation.MinUptime)
	into(&rules.Quiet, f.Hibernation.Quiet)
	into(&rules.Kept, f.Hibernation.Kept)
	rules.Fallback = f.Hibernation.Fallback
	if f.Hibernation.Image != nil {
		rules.Image = *f.Hibernation.Image
	}
	o.Hibernation = &rules
	if i := f.Images; i != nil {
		o.Images = &machine.Images{MiBs: i.MiBPerSecond, MiB: i.MiB}
		for _, s := range i.Sizes {
			o.Images.Sizes = append(o.Images.Sizes, machine.ImageSize{Image: s.Image, MiB: s.MiB})
		}
	}
	return f.Capacity.into(o, dir)
}

// into sets a duration that the file gives.
func into(to *time.Duration, from *metav1.Duration) {
	if from != nil {
		*to = from.Duration
	}
}

func (f capacityFile) into(o *Options, dir string) error {
	for n, m := range f.Models {
		where, err := m.where()
		if err != nil {
			return fmt.Errorf("capacity.models[%d].%w", n, err)
		}
		o.Models = append(o.Models, capacity.Model{
			Where: where, Mean: m.Mean, Spread: m.Spread, HalfLife: m.HalfLife.Duration, Every: m.Every.Duration,
		})
	}
	for n, t := range f.Traces {
		where, err := t.where()
		if err != nil {
			return fmt.Errorf("capacity.traces[%d].%w", n, err)
		}
		if t.File == "" {
			return fmt.Errorf("capacity.traces[%d].file: a trace's file is needed, relative to the scenario's folder", n)
		}
		file := t.File
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		gap, data, err := capacity.ReadTrace(file)
		if err != nil {
			return fmt.Errorf("capacity.traces[%d]: %w", n, err)
		}
		o.Traces = append(o.Traces, capacity.Trace{Kind: capacity.TraceKind(t.Kind), Where: where, Gap: gap, Data: data})
	}
	return nil
}
