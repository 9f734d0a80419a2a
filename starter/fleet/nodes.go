package fleet

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

var dataConverter = converter.GetDefaultDataConverter()

// Node is one machine as both worlds show it.
type Node struct {
	// Instance is the EC2 instance's id.
	Instance string `json:"instance"`
	// Name of the Kubernetes Node, empty before it registers.
	Name         string                `json:"name,omitempty"`
	Pool         string                `json:"pool"`
	InstanceType string                `json:"instanceType"`
	Zone         string                `json:"zone"`
	CapacityType v1alpha1.CapacityType `json:"capacityType"`
	// Phase of its Node workflow; empty where it has none.
	Phase contract.Phase `json:"phase,omitempty"`
	// USDPerHour is 0 where it is not known: no worker answered.
	USDPerHour float64   `json:"usdPerHour,omitempty"`
	Launched   time.Time `json:"launched,omitzero"`
	// Ready is the kubelet's word.
	Ready bool `json:"ready"`
	// Trouble in words, empty when all is well.
	Trouble string `json:"trouble,omitempty"`
	// Workflow is the id of its Node workflow; empty where none runs.
	Workflow string `json:"workflow,omitempty"`
	// Life is the workflow's own answer; nil where no worker gave one.
	Life *contract.NodeView `json:"life,omitempty"`
}

// Nodes are the machines of a cluster: those with an open Node workflow, and Nodes of a pool that have none. They come
// in order of pool and launch.
func Nodes(ctx context.Context, kube kubernetes.Interface, temporal client.Client, cluster string) ([]Node, error) {
	list, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	executions, err := running(ctx, temporal, contract.WorkflowNode, cluster, true)
	if err != nil {
		return nil, err
	}
	return join(list.Items, lives(ctx, temporal, executions)), nil
}

// lives asks each Node workflow for its life. Where no worker answers, what visibility has must do.
func lives(ctx context.Context, temporal client.Client, executions []*workflow.WorkflowExecutionInfo) []Node {
	nodes := make([]Node, len(executions))
	query(ctx, temporal, executions, contract.QueryLife, func(i int, life contract.NodeView, err error) {
		e := executions[i]
		n := Node{
			Pool:         keyword(e.SearchAttributes, contract.AttributePool),
			Instance:     keyword(e.SearchAttributes, contract.AttributeInstance),
			InstanceType: keyword(e.SearchAttributes, contract.AttributeInstanceType),
			Zone:         keyword(e.SearchAttributes, contract.AttributeZone),
			CapacityType: v1alpha1.CapacityType(keyword(e.SearchAttributes, contract.AttributeCapacityType)),
			Phase:        contract.Phase(keyword(e.SearchAttributes, contract.AttributePhase)),
			Launched:     e.StartTime.AsTime(),
			Workflow:     e.Execution.WorkflowId,
		}
		if err == nil {
			i := life.Instance
			n.Instance, n.InstanceType, n.Zone, n.CapacityType = i.ID, i.InstanceType, i.Zone, i.CapacityType
			n.Pool, n.Phase, n.USDPerHour, n.Trouble = life.Pool, life.Phase, i.USDPerHour, life.Trouble
			n.Launched, n.Life = i.LaunchTime, &life
		}
		nodes[i] = n
	})
	return nodes
}

// join puts what Kubernetes shows beside what the workflows say.
func join(kube []corev1.Node, nodes []Node) []Node {
	byInstance := map[string]int{}
	for i, n := range nodes {
		byInstance[n.Instance] = i
	}
	for _, k := range kube {
		instance, ok := contract.InstanceOfProviderID(k.Spec.ProviderID)
		if !ok {
			continue
		}
		i, owned := byInstance[instance]
		if !owned {
			if k.Labels[v1alpha1.LabelPool] == "" {
				continue // not Floe's
			}
			nodes = append(nodes, Node{
				Instance: instance, Pool: k.Labels[v1alpha1.LabelPool],
				InstanceType: k.Labels[v1alpha1.LabelInstanceType], Zone: k.Labels[v1alpha1.LabelZone],
				CapacityType: v1alpha1.CapacityType(k.Labels[v1alpha1.LabelCapacityType]),
				Launched:     k.CreationTimestamp.Time, Trouble: "no Node workflow runs for it",
			})
			i = len(nodes) - 1
		}
		nodes[i].Name, nodes[i].Ready = k.Name, ready(&k)
	}
	slices.SortFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), a.Launched.Compare(b.Launched), cmp.Compare(a.Instance, b.Instance))
	})
	return nodes
}

func ready(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
