package kube

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

func openChain(launch contract.ScaleUpInput) contract.OpenChainInput {
	return contract.OpenChainInput{Launch: launch}
}

func TestOpenChain(t *testing.T) {
	w := newWorld(t, testPool("api", func(s *v1alpha1.NodePoolSpec) {
		s.RegistrationTimeout = &metav1.Duration{Duration: 7 * time.Minute}
		s.HedgeAfter = &metav1.Duration{Duration: 20 * time.Second}
	}))
	chain, err := w.OpenChain(t.Context(), openChain(contract.ScaleUpInput{
		Cluster: "demo", Pool: "api", Count: 3, InstanceTypes: []string{"c5.large", "c5.xlarge"}, Zones: []string{"eu-west-1b"},
	}))
	require.NoError(t, err)
	require.Equal(t, "main", chain.Account)
	require.Equal(t, "eu-west-1", chain.Region)
	require.Equal(t, "3", chain.Template.Version)
	require.Equal(t, 7*time.Minute, chain.RegistrationTimeout)
	require.Equal(t, 20*time.Second, chain.HedgeAfter)
	require.Equal(t, contract.ChainVersion, chain.Version)
	require.Len(t, chain.Steps, 2)
	for i, ct := range []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand} {
		require.Equal(t, ct, chain.Steps[i].CapacityType)
		require.Len(t, chain.Steps[i].Overrides, 2)
		require.Equal(t, "subnet-b", chain.Steps[i].Overrides[0].Subnet)
	}
}

func TestOpenChainDefaults(t *testing.T) {
	w := newWorld(t, testPool("api"))
	chain, err := w.OpenChain(t.Context(), openChain(contract.ScaleUpInput{Cluster: "demo", Pool: "api", Count: 1}))
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, chain.RegistrationTimeout, "the pool's defaults are filled in")
	require.Zero(t, chain.HedgeAfter, "off unless the pool says so")
}

// What would help is worked out where it is likely to be needed, and nobody else waits for it.
func TestOpenChainSaysWhatWouldHelp(t *testing.T) {
	w := newWorld(t, testPool("api", func(s *v1alpha1.NodePoolSpec) {
		s.Requirements = append(s.Requirements, corev1.NodeSelectorRequirement{
			Key: v1alpha1.LabelInstanceType, Operator: corev1.NodeSelectorOpIn, Values: []string{"c5.large"},
		})
	}))
	for name, tc := range map[string]struct {
		change func(*contract.ScaleUpInput)
		want   bool
	}{
		"demand":       {func(*contract.ScaleUpInput) {}, false},
		"by hand":      {func(in *contract.ScaleUpInput) { in.Purpose = contract.PurposeHand }, true},
		"in a drought": {func(in *contract.ScaleUpInput) { in.Drought = true }, true},
		"nothing to try": {func(in *contract.ScaleUpInput) {
			in.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("7")}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			in := contract.ScaleUpInput{Cluster: "demo", Pool: "api", Count: 1, Purpose: contract.PurposeDemand}
			tc.change(&in)
			chain, err := w.OpenChain(t.Context(), openChain(in))
			require.NoError(t, err)
			require.Equal(t, tc.want, len(chain.Help) > 0)
		})
	}
}

func TestOpenChainRefuses(t *testing.T) {
	good := contract.ScaleUpInput{Cluster: "demo", Pool: "api", Count: 1}
	for name, tc := range map[string]struct {
		change    func(*world, *contract.ScaleUpInput)
		want      string
		retryable bool
		words     string
	}{
		"count":         {func(_ *world, in *contract.ScaleUpInput) { in.Count = 0 }, contract.ErrInvalidInput, false, "count: 0"},
		"pool":          {func(_ *world, in *contract.ScaleUpInput) { in.Pool = "apo" }, contract.ErrPoolNotFound, false, "there are api, lost"},
		"type":          {func(_ *world, in *contract.ScaleUpInput) { in.InstanceTypes = []string{"c5.lrge"} }, contract.ErrInvalidInput, false, `instanceTypes[0]: account main has no machine type "c5.lrge"`},
		"zone":          {func(_ *world, in *contract.ScaleUpInput) { in.Zones = []string{"eu-west-1a", "us-east-1a"} }, contract.ErrInvalidInput, false, `zones[1]: pool api has no subnet in "us-east-1a"`},
		"capacity type": {func(_ *world, in *contract.ScaleUpInput) { in.CapacityTypes = []v1alpha1.CapacityType{"spit"} }, contract.ErrInvalidInput, false, `capacityTypes[0]: "spit"`},
		"requests": {func(_ *world, in *contract.ScaleUpInput) {
			in.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("-1")}
		}, contract.ErrInvalidInput, false, "requests[cpu]: is -1"},
		"pool that cannot work": {func(_ *world, in *contract.ScaleUpInput) { in.Pool = "lost" }, contract.ErrPoolInvalid, false, "pool lost: spec.subnets"},
		"template":              {func(w *world, _ *contract.ScaleUpInput) { w.cloud.templateErr = poolInvalid("api", "no template") }, contract.ErrPoolInvalid, false, "no template"},
		"AWS":                   {func(w *world, _ *contract.ScaleUpInput) { w.cloud.viewErr = unavailable(errors.New("down")) }, contract.ErrUnavailable, true, "down"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testPool("api"), testPool("lost", func(s *v1alpha1.NodePoolSpec) { s.Subnets = []string{"subnet-9"} }))
			in := good
			tc.change(w, &in)
			_, err := w.OpenChain(t.Context(), openChain(in))
			require.Contains(t, requireType(t, err, tc.want, tc.retryable).Message(), tc.words)
		})
	}
}
