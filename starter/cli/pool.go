package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/starter/table"
)

func poolCommand(a *app) *cobra.Command {
	return group("pool", "Work with NodePools: what machines may be bought for which pods",
		"  floe pool apply -f pools.yaml\n  floe pool list\n  floe pool describe general\n  floe pool scale-up general --count 3",
		poolApplyCommand(a), poolImportCommand(a), poolListCommand(a), poolDescribeCommand(a), poolScaleUpCommand(a))
}

func poolListCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:     "list",
		Short:   "List the pools of a cluster",
		Example: "  floe pool list\n  floe pool list --cluster prod -o yaml",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, cluster, err := a.config()
			if err != nil {
				return err
			}
			client, pools, err := a.kubernetes(cluster)
			if err != nil {
				return err
			}
			rows, err := listPools(cmd.Context(), client, pools, cluster.Name)
			if err != nil {
				return err
			}
			return a.print(rows, func(w io.Writer) { printPools(w, rows, time.Now()) })
		},
	})
}

// PoolRow is one pool of `floe pool list`.
type PoolRow struct {
	// Nodes of the pool that the cluster has.
	Nodes int `json:"nodes"`
	// Pool is the NodePool itself.
	Pool *v1alpha1.NodePool `json:"pool"`
}

func listPools(ctx context.Context, client kubernetes.Interface, pools dynamic.Interface, cluster string) ([]PoolRow, error) {
	list, err := pools.Resource(v1alpha1.NodePoolResource).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, noCRD(cluster)
	} else if err != nil {
		return nil, explainKube(err, cluster, "list pools")
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelPool})
	if err != nil {
		return nil, explainKube(err, cluster, "list nodes")
	}
	count := map[string]int{}
	for _, n := range nodes.Items {
		count[n.Labels[v1alpha1.LabelPool]]++
	}
	rows := make([]PoolRow, 0, len(list.Items))
	for _, item := range list.Items {
		pool := &v1alpha1.NodePool{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, pool); err != nil {
			return nil, fmt.Errorf("pool %s: %w", item.GetName(), err)
		}
		pool.ManagedFields = nil
		rows = append(rows, PoolRow{Nodes: count[pool.Name], Pool: pool})
	}
	slices.SortFunc(rows, func(a, b PoolRow) int {
		return cmp.Or(cmp.Compare(b.Pool.Spec.Weight, a.Pool.Spec.Weight), cmp.Compare(a.Pool.Name, b.Pool.Name))
	})
	return rows, nil
}

// noCRD is the error of an API server that does not know NodePools: it answers 404 to everything about them.
func noCRD(cluster string) error {
	return fmt.Errorf("cluster %s does not know NodePools: kubectl apply -f deploy/crds/floe.dev_nodepools.yaml", cluster)
}

func printPools(w io.Writer, rows []PoolRow, now time.Time) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no pools; floe pool apply -f FILE makes one")
		return
	}
	var cells [][]string
	for _, r := range rows {
		spec := &r.Pool.Spec
		cells = append(cells, []string{
			r.Pool.Name, strconv.Itoa(int(spec.Weight)), strconv.Itoa(r.Nodes), resources(spec.Limits),
			steps(spec.Fallback), templateName(spec.LaunchTemplate), strconv.Itoa(len(spec.Subnets)),
			table.Age(now, r.Pool.CreationTimestamp.Time),
		})
	}
	table.Write(w, []string{"NAME", "WEIGHT", "NODES", "LIMITS", "STEPS", "TEMPLATE", "SUBNETS", "AGE"}, cells)
}

func templateName(t v1alpha1.LaunchTemplate) string {
	name := cmp.Or(t.Name, t.ID)
	if t.Version != "" {
		name += "@" + t.Version
	}
	return name
}

func steps(chain []v1alpha1.FallbackStep) string {
	words := make([]string, len(chain))
	for i, s := range chain {
		words[i] = string(s.CapacityType)
	}
	return strings.Join(words, " > ")
}

func resources(list corev1.ResourceList) string {
	var words []string
	for name, quantity := range list {
		words = append(words, fmt.Sprintf("%s=%s", name, quantity.String()))
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}
