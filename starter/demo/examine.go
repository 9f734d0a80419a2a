package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/testbed"
	"floe.dev/floe/starter/doctor"
)

// ErrUnsound is the demo's other failure: what it shows does not belong together.
var ErrUnsound = errors.New("EC2, Kubernetes, workflows and store do not belong together")

// settleBound is how long the last of it may take to settle.
const settleBound = 30 * time.Second

// examine says whether everything belongs together, with the simulated AWS's own truth for EC2.
func (d *demo) examine(ctx context.Context) error {
	kept, err := store.New(config.Store{URI: config.URI(d.tb.StoreURI), Database: testbed.StoreDatabase}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = kept.Close(context.WithoutCancel(ctx)) }() // it was only read from
	report, err := doctor.Await(ctx, doctor.Options{
		Cluster: d.tb.Cluster, Accounts: []contract.AccountRegion{{Account: testbed.Account, Region: testbed.Region}},
		EC2: doctor.Truth(d.tb.SimURL), Kube: d.kube, Temporal: d.temporal, Store: kept, DescribeLag: time.Minute,
	}, settleBound)
	if err != nil {
		return err
	}
	for _, v := range report.Violations {
		fmt.Fprintf(d.options.Out, "\n%s: %s", v.Kind, v.Message)
	}
	if len(report.Violations) > 0 {
		fmt.Fprintln(d.options.Out)
		return ErrUnsound
	}
	fmt.Fprintf(d.options.Out, "\nexamined (floe doctor): %d machines, %d Node workflows and %d Nodes belong together\n",
		report.Machines, report.Workflows, report.Nodes)
	return nil
}
