package main

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/testbed"
)

// rivalZones are the zones of rivalPool's subnets in the simulated AWS's default world.
var rivalZones = []string{testbed.Region + "a", testbed.Region + "b", testbed.Region + "c"}

// What Karpenter's KWOK provider keeps from pods on each node, of what a type's entry gives as resources
// (kwok/cloudprovider/helpers.go, newInstanceType).
var karpenterKeeps = corev1.ResourceList{
	corev1.ResourceCPU:    resource.MustParse("100m"),
	corev1.ResourceMemory: resource.MustParse("10Mi"),
}

// karpenterType is an entry of the file that Karpenter's --instance-types-file-path names (kwok/cloudprovider/helpers.go,
// InstanceTypeOptions; prices are US dollars an hour).
type karpenterType struct {
	Name             string              `json:"name"`
	Architecture     string              `json:"architecture"`
	OperatingSystems []string            `json:"operatingSystems"`
	Resources        corev1.ResourceList `json:"resources"`
	Offerings        []karpenterOffering `json:"offerings"`
}

type karpenterOffering struct {
	Price        float64
	Available    bool
	Requirements []corev1.NodeSelectorRequirement
}

// rivalPoolSpec is rivalPool as Floe reads it.
func rivalPoolSpec() *v1alpha1.NodePool {
	var pool v1alpha1.NodePool
	if err := yaml.UnmarshalStrict([]byte(rivalPool), &pool); err != nil {
		panic(err) // a constant of this program, which a test reads
	}
	return &pool
}

// rivalTypes are the types that rivalPool allows.
func rivalTypes() (types []contract.InstanceType) {
	pool := rivalPoolSpec()
	for _, t := range catalog.Facts() {
		labels := catalog.Labels(pool, t, rivalZones[0], "", testbed.Region, v1alpha1.OnDemand)
		if ok, _ := catalog.Match(pool.Spec.Requirements, labels); ok {
			types = append(types, t)
		}
	}
	return types
}

// karpenterTypes is Karpenter's file of the types that rivalPool allows: with the same prices, in the same zones, and
// with as much for pods as Floe takes them to have.
func karpenterTypes() ([]byte, error) {
	pool := rivalPoolSpec()
	var entries []karpenterType
	for _, t := range rivalTypes() {
		resources := catalog.Allocatable(pool, t)
		for name, kept := range karpenterKeeps {
			whole := resources[name]
			whole.Add(kept)
			resources[name] = whole
		}
		entry := karpenterType{
			Name: t.Name, Architecture: t.Arch, OperatingSystems: []string{string(corev1.Linux)}, Resources: resources,
		}
		for _, zone := range rivalZones {
			entry.Offerings = append(entry.Offerings, karpenterOffering{
				Price: t.OnDemandUSD, Available: true,
				Requirements: []corev1.NodeSelectorRequirement{
					{Key: "karpenter.sh/capacity-type", Operator: corev1.NodeSelectorOpIn, Values: []string{"on-demand"}},
					{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
				},
			})
		}
		entries = append(entries, entry)
	}
	return json.MarshalIndent(entries, "", " ")
}
