package main

import (
	"context"
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpenterv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	provisioning "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"floe.dev/floe/internal/catalog"
)

// reconciles is how many goroutines Karpenter's scheduler may use: as many as in its own benchmark.
const reconciles = 5

// karpenter schedules the case. Only Solve counts, as in Karpenter's own benchmark: what it sets up before is not timed.
func (c *benchCase) karpenter(ctx context.Context) (outcome, error) {
	ctx = options.ToContext(injection.WithControllerName(ctx, "provisioner"), &options.Options{
		PreferencePolicy: options.PreferencePolicyRespect, MinValuesPolicy: options.MinValuesPolicyStrict, IgnoreDRARequests: true,
	})
	pool := &karpenterv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: c.pool.Name}}
	pool.Spec.Template.Spec.NodeClassRef = &karpenterv1.NodeClassReference{Group: "bench", Kind: "NodeClass", Name: "default"}
	pools := []*karpenterv1.NodePool{pool}
	types := map[string][]*cloudprovider.InstanceType{pool.Name: c.karpenterTypes()}
	client := fake.NewClientBuilder().Build()
	cluster := state.NewCluster(clock.RealClock{}, client, nil)
	topology, err := provisioning.NewTopology(ctx, client, cluster, nil, pools, types, c.pods, provisioning.NumConcurrentReconciles(reconciles))
	if err != nil {
		return outcome{}, fmt.Errorf("topology: %w", err)
	}
	s := provisioning.NewScheduler(ctx, client, pools, cluster, nil, topology, types, nil,
		events.NewRecorder(&record.FakeRecorder{}), clock.RealClock{}, nil, nil, provisioning.NumConcurrentReconciles(reconciles))
	memory, used, begin := allocated(), cpuTime(), time.Now()
	results, err := s.Solve(ctx, c.pods)
	o := outcome{
		took: time.Since(begin), cpu: cpuTime() - used, allocated: allocated() - memory,
		nodes: len(results.NewNodeClaims), unplaced: len(results.PodErrors),
	}
	if err != nil {
		return o, err
	}
	for _, claim := range results.NewNodeClaims {
		usd := cheapest(claim)
		if math.IsInf(usd, 1) {
			return o, fmt.Errorf("a NodeClaim of %d pods has no offering", len(claim.Pods))
		}
		o.usd += usd
	}
	return o, nil
}

// cheapest is what a NodeClaim costs if it gets the cheapest of the offerings that it leaves open.
func cheapest(claim *provisioning.NodeClaim) float64 {
	usd := math.Inf(1)
	for _, t := range claim.InstanceTypeOptions {
		for _, o := range t.Offerings.Available().Compatible(claim.Requirements) {
			usd = min(usd, o.Price)
		}
	}
	return usd
}

// karpenterTypes are the case's types as Karpenter wants them, with as much for pods as Floe takes them to have.
func (c *benchCase) karpenterTypes() (types []*cloudprovider.InstanceType) {
	for _, t := range c.types {
		it := &cloudprovider.InstanceType{
			Name: t.Name, Capacity: catalog.Allocatable(c.pool, t), Overhead: &cloudprovider.InstanceTypeOverhead{},
			Requirements: scheduling.NewRequirements(
				scheduling.NewRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, t.Name),
				scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, t.Arch),
				scheduling.NewRequirement(corev1.LabelOSStable, corev1.NodeSelectorOpIn, string(corev1.Linux)),
				scheduling.NewRequirement(corev1.LabelTopologyRegion, corev1.NodeSelectorOpIn, region),
				scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...),
				scheduling.NewRequirement(karpenterv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, karpenterv1.CapacityTypeOnDemand),
			),
		}
		for _, zone := range zones {
			it.Offerings = append(it.Offerings, &cloudprovider.Offering{
				Available: true, Price: t.OnDemandUSD,
				Requirements: scheduling.NewLabelRequirements(map[string]string{
					karpenterv1.CapacityTypeLabelKey: karpenterv1.CapacityTypeOnDemand, corev1.LabelTopologyZone: zone,
				}),
			})
		}
		types = append(types, it)
	}
	return types
}
