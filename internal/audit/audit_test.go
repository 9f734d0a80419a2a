package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const lag = time.Minute

func machine(id, state string) Machine {
	return Machine{
		OwnedInstance: contract.OwnedInstance{Instance: contract.Instance{ID: id, State: state, Token: "t-" + id}, Pool: "general"},
		NodeOpen:      true,
	}
}

func workflow(id string, phase contract.Phase) Workflow {
	return Workflow{Instance: id, Launched: at.Add(-time.Hour), Life: &contract.NodeView{NodeState: contract.NodeState{
		Phase: phase, Revision: 3, Since: map[contract.Phase]time.Time{phase: at.Add(-time.Hour)},
	}}}
}

// sound is a cluster of n machines in which everything belongs together.
func sound(n int) Snapshot {
	s := Snapshot{Cluster: "demo", At: at, Lag: lag, Asked: map[string]int{}, Records: map[string]Record{}, Provisioner: &contract.ProvisionerView{}}
	for i := range n {
		id := fmt.Sprintf("i-%d", i)
		s.Machines = append(s.Machines, machine(id, "running"))
		s.Workflows = append(s.Workflows, workflow(id, contract.PhaseReady))
		s.Nodes = append(s.Nodes, Node{Name: "n-" + id, Instance: id, Created: at.Add(-time.Hour)})
		s.Asked["t-"+id] = 1
		s.Records[id] = Record{Revision: 3, At: at.Add(-time.Hour)}
	}
	return s
}

func TestAudit(t *testing.T) {
	late := []Pod{{Name: "default/a", Since: at.Add(-2 * Patience)}}
	for name, c := range map[string]struct {
		change func(*Snapshot)
		want   Kind // empty: all is well
		ids    []string
	}{
		"all is well": {func(*Snapshot) {}, "", nil},

		"a machine nobody owns": {func(s *Snapshot) {
			s.Machines[0].NodeOpen, s.Workflows = false, s.Workflows[1:]
		}, InstanceWithoutWorkflow, []string{"i-0", "node/demo/i-0"}},
		"a machine that its ScaleUp owns": {func(s *Snapshot) {
			s.Machines[0].NodeOpen, s.Machines[0].ScaleUpOpen, s.Workflows = false, true, s.Workflows[1:]
		}, "", nil},

		"a machine ended behind our back": {func(s *Snapshot) {
			s.Machines[0].State, s.Nodes = "terminated", s.Nodes[1:]
		}, WorkflowWithoutInstance, []string{"node/demo/i-0", "i-0"}},
		"a machine on its way out": {func(s *Snapshot) {
			s.Machines[0].State, s.Nodes = "shutting-down", s.Nodes[1:]
		}, "", nil},
		"a machine that is not shown": {func(s *Snapshot) {
			s.Machines, s.Nodes = s.Machines[1:], s.Nodes[1:]
		}, WorkflowWithoutInstance, []string{"node/demo/i-0", "i-0"}},
		"a machine that is not shown yet": {func(s *Snapshot) {
			s.Machines, s.Nodes, s.Workflows[0].Launched = s.Machines[1:], s.Nodes[1:], at.Add(-lag/2)
		}, "", nil},
		"a workflow that ends its machine": {func(s *Snapshot) {
			s.Machines[0].State, s.Workflows[0] = "terminated", workflow("i-0", contract.PhaseTerminating)
		}, "", nil},

		"two machines for one asked": {func(s *Snapshot) {
			s.Machines[1].Token = "t-i-0"
		}, MoreThanAsked, []string{"i-0", "i-1"}},
		"two machines, one given back": {func(s *Snapshot) {
			s.Machines[1].Token, s.Workflows[1] = "t-i-0", workflow("i-1", contract.PhaseTerminating)
		}, "", nil},
		"two machines, nobody knows what was asked": {func(s *Snapshot) {
			s.Machines[1].Token, s.Asked = "t-i-0", nil
		}, "", nil},

		"a Node without a machine": {func(s *Snapshot) {
			s.Nodes = append(s.Nodes, Node{Name: "ghost", Instance: "i-9", Created: at.Add(-time.Hour)})
		}, NodeWithoutMachine, []string{"ghost", "i-9"}},
		"a Node whose machine is not shown yet": {func(s *Snapshot) {
			s.Nodes = append(s.Nodes, Node{Name: "new", Instance: "i-9", Created: at.Add(-lag / 2)})
		}, "", nil},

		"pods and no Provisioner": {func(s *Snapshot) {
			s.Waiting, s.Provisioner = late, nil
		}, DemandUnattended, []string{"provisioner/demo", "default/a"}},
		"pods and a Provisioner that does not know": {func(s *Snapshot) { s.Waiting = late }, DemandUnattended, []string{"provisioner/demo", "default/a"}},
		"pods and a Provisioner that plans again": {func(s *Snapshot) {
			s.Waiting, s.Provisioner.RetryAt = late, at.Add(time.Minute)
		}, "", nil},
		"pods and a plan long due": {func(s *Snapshot) {
			s.Waiting, s.Provisioner.RetryAt = late, at.Add(-2*Patience)
		}, DemandUnattended, []string{"provisioner/demo", "default/a"}},
		"pods and a Provisioner that holds their demand": {func(s *Snapshot) {
			s.Waiting, s.Provisioner.Demand = late, &contract.Demand{Pods: 1}
		}, "", nil},
		"pods that have just come": {func(s *Snapshot) {
			s.Waiting, s.Provisioner = []Pod{{Name: "default/a", Since: at}}, nil
		}, "", nil},
		"pods and no answer": {func(s *Snapshot) {
			s.Waiting, s.Provisioner, s.Unanswered = late, nil, true
		}, "", nil},

		"an old record": {func(s *Snapshot) { s.Records["i-0"] = Record{Revision: 2} }, StoreBehind, []string{"node/demo/i-0"}},
		"no record":     {func(s *Snapshot) { delete(s.Records, "i-0") }, StoreBehind, []string{"node/demo/i-0"}},
		"a record that is being written": {func(s *Snapshot) {
			s.Records["i-0"] = Record{Revision: 2}
			s.Workflows[0].Life.Since[contract.PhaseReady] = at.Add(-Behind / 2)
		}, "", nil},
		"a record of what is no more":  {func(s *Snapshot) { s.Records["i-9"] = Record{Revision: 1} }, StoreBehind, []string{"node/demo/i-9"}},
		"a store that was not asked":   {func(s *Snapshot) { s.Records = nil }, "", nil},
		"a workflow without an answer": {func(s *Snapshot) { s.Workflows[0].Life, s.Records["i-0"] = nil, Record{} }, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := sound(3)
			c.change(&s)
			found := Audit(s)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, c.want, found[0].Kind)
			require.Equal(t, c.ids, found[0].IDs)
			require.NotEmpty(t, found[0].Message)
			require.NotEmpty(t, found[0].Remedy)
			require.Contains(t, Kinds, found[0].Kind)
		})
	}
}

// A sound cluster of any size has no violation; each thing broken in it is found, and nothing else is.
func TestAuditFindsExactlyWhatIsBroken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "machines")
		s := sound(n)
		want := map[string]Kind{}
		for i := range n {
			id := fmt.Sprintf("i-%d", i)
			switch rapid.SampledFrom([]string{"", "orphan", "ended", "unwritten", "leaving"}).Draw(t, id) {
			case "orphan":
				s.Machines[i].NodeOpen = false
				want[id] = InstanceWithoutWorkflow
			case "ended":
				s.Machines[i].State = "terminated"
				s.Nodes[i].Created = at
				want[contract.NodeID("demo", id)] = WorkflowWithoutInstance
			case "unwritten":
				s.Records[id] = Record{Revision: 1}
				want[contract.NodeID("demo", id)] = StoreBehind
			case "leaving":
				s.Machines[i].State = rapid.SampledFrom([]string{"shutting-down", "terminated"}).Draw(t, "state")
				s.Workflows[i] = workflow(id, contract.PhaseTerminating)
			}
		}
		found := Audit(s)
		got := map[string]Kind{}
		for _, v := range found {
			got[v.IDs[0]] = v.Kind
		}
		require.Equal(t, want, got)
		require.Equal(t, found, Confirmed(found, found))
		require.Empty(t, Confirmed(nil, found))
	})
}
