package contract

import (
	"errors"
	"fmt"
	"strings"

	"floe.dev/floe/api/v1alpha1"
)

// MaxCount is the most machines one ScaleUp brings.
const MaxCount = 1000

// Validate checks what a person may have typed. The error names each wrong field and what would be right; nil where all
// is well.
func (in ScaleUpInput) Validate() error {
	var errs []error
	name := func(field, value string) {
		switch {
		case value == "":
			errs = append(errs, fmt.Errorf("%s: missing; name the %s", field, field))
		case strings.ContainsAny(value, "/ \t\n"):
			errs = append(errs, fmt.Errorf("%s: %q holds a slash or a blank; it is the plain name", field, value))
		}
	}
	name("cluster", in.Cluster)
	name("pool", in.Pool)
	if in.Count < 1 || in.Count > MaxCount {
		errs = append(errs, fmt.Errorf("count: %d is out of range; ask for 1 to %d machines", in.Count, MaxCount))
	}
	switch in.Purpose {
	case "", PurposeDemand, PurposeHand, PurposeStandby, PurposeReturn, PurposeReplace, PurposeRace:
	default:
		errs = append(errs, fmt.Errorf("purpose: %q is unknown; leave it out, or use demand, hand, standby, return, replace or race", in.Purpose))
	}
	switch in.Tier {
	case "", v1alpha1.Hibernated, v1alpha1.Stopped:
	default:
		errs = append(errs, fmt.Errorf("tier: %q; leave it out, or use hibernated or stopped for machines that are made ready for standby", in.Tier))
	}
	return errors.Join(errs...)
}
