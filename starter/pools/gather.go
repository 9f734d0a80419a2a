package pools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/activities/aws"
	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/fallback"
	"floe.dev/floe/starter/fleet"
)

// answerTimeout is how long EC2, the store and the Provisioner may take, each.
const answerTimeout = 20 * time.Second

// Sources are where a description comes from.
type Sources struct {
	Config   *config.Config
	Cluster  config.Cluster
	Kube     kubernetes.Interface
	Pools    dynamic.Interface
	Temporal client.Client
}

// Describe looks at one pool from all sides. It fails where the API server or Temporal does not answer, with the API
// server's error as it is; what EC2, the store or the Provisioner do not tell is named in Unchecked.
func Describe(ctx context.Context, s Sources, name string) (Description, error) {
	object, err := s.Pools.Resource(v1alpha1.NodePoolResource).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Description{}, err
	}
	pool := &v1alpha1.NodePool{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, pool); err != nil {
		return Description{}, fmt.Errorf("pool %s cannot be read: %w: correct it and apply it again", name, err)
	}
	pool.ManagedFields = nil
	v1alpha1.SetDefaults(pool)
	nodes, err := fleet.Nodes(ctx, s.Kube, s.Temporal, s.Cluster.Name)
	if err != nil {
		return Description{}, err
	}
	d := Description{Account: cmp.Or(pool.Spec.Account, s.Cluster.Account)}
	f := facts{pool: pool, nodes: nodes, now: time.Now()}
	f.provisioner = s.provisioner(ctx, &d)
	f.view = s.view(ctx, &d, pool)
	f.describe(&d)
	return d, ctx.Err()
}

// miss notes what could not be asked.
func (d *Description) miss(what string, err error) {
	d.Unchecked = append(d.Unchecked, what+": "+words(err))
}

// words is an error without the wrapping that Temporal adds.
func words(err error) string {
	var application *sdktemporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}

func (s Sources) provisioner(ctx context.Context, d *Description) *contract.ProvisionerView {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	view, err := fleet.Provisioner(ctx, s.Temporal, s.Cluster.Name)
	switch {
	case err != nil:
		d.miss("launches in flight and pods that wait: the Provisioner does not answer; is a worker running that polls the task queue "+contract.TaskQueue, err)
	case view == nil:
		d.Unchecked = append(d.Unchecked, "launches in flight and pods that wait: no Provisioner runs yet; the first pod that needs room starts it")
	}
	return view
}

// view is what EC2 offers in the pool's account, with the store's memory of what was out of capacity; nil where EC2 does
// not tell.
func (s Sources) view(ctx context.Context, d *Description, pool *v1alpha1.NodePool) *catalog.View {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	account, err := s.Config.Account(d.Account)
	if err != nil {
		d.problem("spec.account: " + err.Error())
		return nil
	}
	d.Region = account.Region
	ec2, err := aws.New(ctx, aws.Options{
		Accounts: s.Config.Accounts, DescribeLag: s.Config.DescribeLag, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		d.miss("what EC2 offers", err)
		return nil
	}
	shared, err := ec2.View(ctx, account.Name)
	if err != nil {
		d.miss("what EC2 offers, and so the chain", err)
		return nil
	}
	if template, err := ec2.Template(ctx, account.Name, pool.Spec.LaunchTemplate); err == nil {
		d.Template = &template
	} else if invalid(err) {
		d.problem(words(err))
	} else {
		d.miss("the launch template", err)
	}
	view := *shared
	if err := s.remember(ctx, &view); err != nil {
		d.miss("offerings in back-off, and quotas", err)
	}
	return &view
}

// invalid reports whether an error of EC2 says that the pool is wrong.
func invalid(err error) bool {
	var application *sdktemporal.ApplicationError
	return errors.As(err, &application) && application.Type() == contract.ErrPoolInvalid
}

// remember puts what the store's offering memory knows into a view.
func (s Sources) remember(ctx context.Context, view *catalog.View) error {
	if s.Config.Store.URI == "" {
		return errors.New("no store is configured; set store.uri")
	}
	kept, err := store.New(s.Config.Store, nil)
	if err != nil {
		return err
	}
	defer func() { _ = kept.Close(context.WithoutCancel(ctx)) }() // it was only read from
	now := time.Now()
	learned, err := kept.Learned(ctx, view.Region, now.Add(-fallback.Forget))
	if err != nil {
		return err
	}
	var memory fallback.Memory
	for _, l := range learned {
		memory.Learn(l.Events...)
	}
	known := memory.Known(now)
	view.BackOff, view.Rides, view.Probes = known.BackOff, known.Rides, known.Probes
	view.Reclaims, view.Quotas = known.Reclaims, memory.Quotas(view.Account, now)
	return nil
}
