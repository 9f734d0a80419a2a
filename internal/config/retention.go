package config

import (
	"strconv"
	"time"

	"floe.dev/floe/api/contract"
)

// Retention is how old what is in the store may become, by collection. 0 keeps for ever.
type Retention struct {
	// Nodes are the records of nodes that have left: 26280h (three years) unless given. Those of nodes that have not
	// left stay in any case.
	Nodes time.Duration `koanf:"nodes"`
	// Plans are whole plans, the largest documents by far: 720h (thirty days) unless given.
	Plans time.Duration `koanf:"plans"`
	// Hops are what every launch asked for and was answered: 26280h unless given.
	Hops time.Duration `koanf:"hops"`
	// Offerings are what hops learned, as the offering memory reads it: 48h unless given. It is all in the hops too.
	Offerings time.Duration `koanf:"offerings"`
	// Events are the repairs of the sweep: 26280h unless given.
	Events time.Duration `koanf:"events"`
	// Images are what pods ran with, in windows of ten minutes: 720h unless given. Prefetching looks back four weeks.
	Images time.Duration `koanf:"images"`
}

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// retentionDefaults hold for what the file does not name.
var retentionDefaults = Retention{Nodes: 3 * year, Plans: 30 * day, Hops: 3 * year, Offerings: 2 * day, Events: 3 * year, Images: 30 * day}

// Input is what the workflow Retention is started with.
func (r Retention) Input() contract.RetentionInput {
	in := contract.RetentionInput{Hours: map[string]float64{}}
	for collection, age := range r.ages() {
		in.Hours[collection] = age.Hours()
	}
	return in
}

func (r Retention) ages() map[string]time.Duration {
	return map[string]time.Duration{
		contract.CollectionNodes: r.Nodes, contract.CollectionPlans: r.Plans, contract.CollectionHops: r.Hops,
		contract.CollectionOfferings: r.Offerings, contract.CollectionEvents: r.Events,
		contract.CollectionImages: r.Images,
	}
}

func (r Retention) validate(p *problems) {
	ages := r.ages()
	for _, collection := range contract.Retained {
		if age, least := ages[collection], contract.MinRetentionOf(collection); age != 0 && age < least {
			p.add("store.retention.%s: %s is too short: give at least %s, with the unit, or 0 to keep for ever", collection, age, hours(least))
		}
	}
}

// hours is a duration as the file has it: 24h, where String says 24h0m0s.
func hours(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', -1, 64) + "h" }
