// Package ledger keeps a Provisioner's launches in flight, so that no plan buys twice what is already on its way. It is
// pure: every function takes the state and changes it; times are passed in.
package ledger

import (
	"slices"
	"time"

	"floe.dev/floe/api/contract"
)

// MaxSeen bounds the event keys that are remembered. A watcher or a ScaleUp repeats an event within seconds, and a
// Provisioner takes at most some hundred events in that time.
const MaxSeen = 512

// Lost is how long a launch may stay open without a word from its ScaleUp. A chain is walked in minutes; a ScaleUp that
// was terminated by hand never speaks again.
const Lost = time.Hour

// FirstSight reports whether an event key is new, and remembers it. The empty key is always new.
func FirstSight(seen *[]string, key string) bool {
	if key == "" {
		return true
	}
	if slices.Contains(*seen, key) {
		return false
	}
	*seen = append(*seen, key)
	if extra := len(*seen) - MaxSeen; extra > 0 {
		*seen = slices.Delete(*seen, 0, extra)
	}
	return true
}

// Open enters a launch that was opened at now. A launch that is already entered is left as it is.
func Open(s *contract.ProvisionerState, e contract.LedgerEntry, now time.Time) {
	if find(s, e.ScaleUp) >= 0 {
		return
	}
	e.Opened = now
	s.Ledger = append(s.Ledger, e)
}

// Filled notes what a launch has brought. A launch that is not entered (opened by hand while the Provisioner was not
// there) is entered.
func Filled(s *contract.ProvisionerState, ev contract.LaunchEvent, now time.Time) {
	i := find(s, ev.ScaleUp)
	if i < 0 {
		Open(s, FromEvent(ev), now)
		i = len(s.Ledger) - 1
	}
	e := &s.Ledger[i]
	e.Open = ev.Open
	for _, instance := range ev.Instances {
		if !slices.ContainsFunc(e.Instances, func(have contract.Instance) bool { return have.ID == instance.ID }) {
			e.Instances = append(e.Instances, slim(instance))
		}
	}
	compact(s)
}

// Exhausted notes that a launch brings nothing more.
func Exhausted(s *contract.ProvisionerState, scaleUp string) {
	if i := find(s, scaleUp); i >= 0 {
		s.Ledger[i].Open = 0
	}
	compact(s)
}

// Drop takes instances out: their Node was seen by a plan, or they are gone. It reports whether any was there.
func Drop(s *contract.ProvisionerState, instances ...string) bool {
	dropped := false
	for i := range s.Ledger {
		e := &s.Ledger[i]
		before := len(e.Instances)
		e.Instances = slices.DeleteFunc(e.Instances, func(in contract.Instance) bool {
			return slices.Contains(instances, in.ID)
		})
		dropped = dropped || len(e.Instances) < before
	}
	compact(s)
	return dropped
}

// Expire closes launches that have been open since before now − Lost, and returns the ids of their ScaleUps.
func Expire(s *contract.ProvisionerState, now time.Time) []string {
	var lost []string
	for i := range s.Ledger {
		if e := &s.Ledger[i]; e.Open > 0 && now.Sub(e.Opened) > Lost {
			e.Open = 0
			lost = append(lost, e.ScaleUp)
		}
	}
	compact(s)
	return lost
}

// FromEvent is the entry of a launch as its ScaleUp describes it.
func FromEvent(ev contract.LaunchEvent) contract.LedgerEntry {
	return contract.LedgerEntry{
		ScaleUp: ev.ScaleUp, Pool: ev.Pool, Purpose: ev.Purpose, Open: ev.Open,
		Requests: ev.Requests, InstanceTypes: ev.InstanceTypes, Zones: ev.Zones, CapacityTypes: ev.CapacityTypes,
	}
}

// FromPlan is the entry of a plan's launch.
func FromPlan(scaleUp string, l contract.PlannedLaunch) contract.LedgerEntry {
	return contract.LedgerEntry{
		ScaleUp: scaleUp, Pool: l.Pool, Purpose: contract.PurposeDemand, Open: l.Count, PodCount: l.PodCount,
		Count: l.Count, Classes: l.Classes, Requests: l.Requests, InstanceTypes: l.InstanceTypes, Zones: l.Zones, CapacityTypes: l.CapacityTypes,
	}
}

// Merge is the demand that stands for both: first sight of the older, watermark of the newer, and the older's trace, so
// that the trace covers the whole wait. either may be nil.
func Merge(a *contract.Demand, b contract.Demand) *contract.Demand {
	if a == nil {
		return &b
	}
	m := *a
	if b.At.Before(m.At) {
		m.At, m.Trace = b.At, b.Trace
	}
	if b.Sent.After(m.Sent) {
		m.Sent = b.Sent
	}
	m.Pods += b.Pods
	if newer(b.Watermark, m.Watermark) {
		m.Watermark = b.Watermark
	}
	if m.Trace == "" {
		m.Trace = b.Trace
	}
	return &m
}

// newer compares resource versions: decimal numbers without leading zeros, which Kubernetes has promised to be
// comparable since 1.35 (KEP-5504).
func newer(a, b string) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// slim keeps of an instance what a plan needs: the ledger is carried through every continue-as-new.
func slim(i contract.Instance) contract.Instance {
	return contract.Instance{
		ID: i.ID, InstanceType: i.InstanceType, Zone: i.Zone, ZoneID: i.ZoneID,
		CapacityType: i.CapacityType, USDPerHour: i.USDPerHour, State: i.State, LaunchTime: i.LaunchTime,
	}
}

func find(s *contract.ProvisionerState, scaleUp string) int {
	return slices.IndexFunc(s.Ledger, func(e contract.LedgerEntry) bool { return e.ScaleUp == scaleUp })
}

// compact forgets launches with nothing left to wait for.
func compact(s *contract.ProvisionerState) {
	s.Ledger = slices.DeleteFunc(s.Ledger, func(e contract.LedgerEntry) bool { return e.Open <= 0 && len(e.Instances) == 0 })
}
