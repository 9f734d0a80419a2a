package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
)

// Register puts every workflow on a worker of contract.TaskQueue under its contract name.
func Register(r worker.WorkflowRegistry) {
	for name, w := range map[string]any{
		contract.WorkflowProvisioner:  Provisioner,
		contract.WorkflowScaleUp:      ScaleUp,
		contract.WorkflowNode:         Node,
		contract.WorkflowDrain:        Drain,
		contract.WorkflowHibernate:    Hibernate,
		contract.WorkflowResume:       Resume,
		contract.WorkflowStandby:      Standby,
		contract.WorkflowSweep:        Sweep,
		contract.WorkflowRetention:    Retention,
		contract.WorkflowDisruption:   Disruption,
		contract.WorkflowReturnToSpot: ReturnToSpot,
		contract.WorkflowReplace:      Replace,
	} {
		r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
	}
}
