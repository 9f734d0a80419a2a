package contract

import "floe.dev/floe/api/v1alpha1"

// Explanation says of one pod of a plan why it goes where it goes.
type Explanation struct {
	// Pod is its namespace/name, and Place where it goes, in words.
	Pod   string `json:"pod"`
	Place string `json:"place"`
	// Node that the pod fits on, or launch in flight (its workflow's id). Empty where a machine is bought for it, or none.
	Node string `json:"node,omitempty"`
	// Winner is the machine bought for it; nil where none is.
	Winner *Choice `json:"winner,omitempty"`
	// Beside counts the pods that share the winner with it.
	Beside int `json:"beside,omitempty"`
	// Next are the three next best: instead of the winner, with all the pods that it holds; for a pod that fits on a node
	// what would be bought for the pod alone if it did not.
	Next []Choice `json:"next,omitempty"`
	// Pools say, one each and in words, how many types hold the pod, and what was filtered and why:
	// "pool api: 5 types hold it; filtered: 12 types too small for 3 CPU".
	Pools []string `json:"pools,omitempty"`
}

// Choice is one machine that could be bought.
type Choice struct {
	Pool         string                `json:"pool"`
	InstanceType string                `json:"instance_type"`
	CapacityType v1alpha1.CapacityType `json:"capacity_type"`
	// Step of the pool's chain, from 1.
	Step  int      `json:"step"`
	Zones []string `json:"zones"`
	// USDPerHour in the cheapest of these zones; MoreUSDPerHour is how much more that is than the winner's.
	USDPerHour     float64 `json:"usd_per_hour"`
	MoreUSDPerHour float64 `json:"more_usd_per_hour,omitempty"`
	// RiskUSDPerHour is what it is reckoned dearer than its price when choices are ranked, because spot machines of its
	// kind are taken back: catalog.View.RiskedUSD.
	RiskUSDPerHour float64 `json:"risk_usd_per_hour,omitempty"`
}
