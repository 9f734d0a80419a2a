package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/starter/table"
)

// explained is what floe why prints of a node.
type explained struct {
	// Life is the node's; nil where its workflow does not answer.
	Life    *contract.NodeView   `json:"life,omitempty"`
	Verdict contract.NodeVerdict `json:"verdict"`
}

// namesNode reports whether an argument of floe why is a node: an instance's ID, or the name of a Node that there is.
func namesNode(ctx context.Context, c kubernetes.Interface, name string) bool {
	if strings.HasPrefix(name, "i-") {
		return true
	}
	if strings.Contains(name, "/") {
		return false
	}
	_, err := c.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	return err == nil
}

// whyNode explains a node.
func (a *app) whyNode(ctx context.Context, w *worlds, name string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	verdict, err := askWhy(ctx, w.temporal, w.cluster.Name, name)
	if err != nil {
		return err
	}
	e := explained{Verdict: verdict}
	// Best effort: the verdict is the answer, the life is beside it.
	if value, err := w.temporal.QueryWorkflow(ctx, contract.NodeID(w.cluster.Name, verdict.Instance), "", contract.QueryLife); err == nil {
		var life contract.NodeView
		if value.Get(&life) == nil {
			e.Life = &life
		}
	}
	return a.print(e, func(out io.Writer) { printVerdict(out, w.cluster.Name, e, time.Now()) })
}

// askWhy asks the cluster's Disruption.
func askWhy(ctx context.Context, c client.Client, cluster, node string) (verdict contract.NodeVerdict, err error) {
	id := contract.DisruptionID(cluster)
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateID: uuid.NewString(), UpdateName: contract.UpdateWhy, Args: []any{contract.WhyInput{Node: node}},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &verdict)
	}
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return verdict, fmt.Errorf("there is no open workflow %s: floe watch starts it with the cluster's first pool; is it running?", id)
	}
	if err != nil {
		return verdict, explainTemporal(err, id)
	}
	return verdict, nil
}

func printVerdict(w io.Writer, cluster string, e explained, now time.Time) {
	if e.Life != nil {
		printLife(w, contract.NodeID(cluster, e.Verdict.Instance), *e.Life, now)
		fmt.Fprintln(w)
	}
	v := e.Verdict
	switch {
	case v.Leaving != nil:
		fmt.Fprintf(w, "%s leaves since %s (%s): %s\nwatch it: temporal workflow show -w %s\n", v.Node, v.Leaving.Since.UTC().Format(time.RFC3339),
			v.Leaving.Reason, v.Leaving.Words, cmp.Or(v.Leaving.Workflow, contract.NodeID(cluster, v.Instance)))
	case v.Leaves != "":
		fmt.Fprintf(w, "%s is to leave at the next look: %s\n", v.Node, v.Leaves)
	default:
		fmt.Fprintf(w, "%s stays.\n", v.Node)
	}
	switch {
	case v.Leaving != nil && v.Leaving.Fate != "":
		fmt.Fprintf(w, "its machine: %s\n", v.Leaving.Fate)
	case v.Leaving == nil && v.Fate != "":
		fmt.Fprintf(w, "its machine, if it left now: %s\n", v.Fate)
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, r := range v.Reasons {
		holds := "no"
		if r.Wanted {
			holds = "yes"
		}
		rows = append(rows, []string{string(r.Reason), holds, r.Words, r.Refused})
	}
	table.Write(w, []string{"REASON", "HOLDS", "BECAUSE", "IN THE WAY"}, rows)
}
