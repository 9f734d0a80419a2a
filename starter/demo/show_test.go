package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/starter/fleet"
	"floe.dev/floe/starter/pools"
)

func TestManifests(t *testing.T) {
	wanted, err := workloads()
	require.NoError(t, err)
	var pods, impossible int
	for _, d := range wanted {
		require.Equal(t, namespace, d.Namespace)
		require.Equal(t, d.Name, d.Spec.Template.Labels["app"], "pods are counted by it")
		pods += int(*d.Spec.Replicas)
		if d.Annotations[annotationExpect] == "pending" {
			impossible++
		}
	}
	require.Equal(t, 60, pods)
	require.Equal(t, 1, impossible)

	found, err := pools.Check(poolManifests)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, sim.LaunchTemplateName, found[0].Spec.LaunchTemplate.Name)
	require.Equal(t, sim.LaunchTemplateARMName, found[1].Spec.LaunchTemplate.Name)
	require.Equal(t, []string{sim.SubnetA, sim.SubnetB, sim.SubnetC}, found[0].Spec.Subnets)
	for _, p := range found {
		require.Equal(t, sim.ReservedCPU, p.Spec.Reserved.Cpu().String())
		require.Equal(t, sim.ReservedMemory, p.Spec.Reserved.Memory().String())
	}

	file := filepath.Join(t.TempDir(), "scenario.yaml")
	require.NoError(t, os.WriteFile(file, scenario, 0o600))
	world, err := sim.LoadScenario(file)
	require.NoError(t, err)
	require.Len(t, world.Script, 2)
}

// before and after are two looks at a small run.
func looks() (before, after state) {
	hop := contract.Hop{
		Number: 1, CapacityType: "spot", Asked: 2, Ended: time.Unix(1, 0),
		Outcomes: []contract.Outcome{{Answer: contract.AnswerICE}, {Answer: contract.AnswerICE}},
	}
	launch := fleet.Launch{Workflow: "scaleup/demo/p-1/0", ScaleUpView: contract.ScaleUpView{
		Pool: "general", Count: 2, Phase: contract.ScaleUpLaunching, Hops: []contract.Hop{hop, {Number: 2, Asked: 2}},
	}}
	before = state{At: time.Second, Apps: []app{{Name: "web", Want: 3, Pending: 3}, {Name: "whale", Want: 1, Pending: 1, Impossible: true}}}
	after = state{
		At:       2 * time.Second,
		Apps:     []app{{Name: "web", Want: 3, Running: 2, Pending: 1}, {Name: "whale", Want: 1, Pending: 1, Impossible: true}},
		Launches: []fleet.Launch{launch},
		Machines: []machine{{
			Node: fleet.Node{
				Instance: "i-1", Pool: "general", InstanceType: "m6a.large", Zone: "eu-west-1a", CapacityType: "spot",
				Phase: contract.PhaseReady, USDPerHour: 0.02,
			}, Pods: 2, CPU: 1, OfCPU: 2, Memory: 1 << 30, OfMemory: 4 << 30,
		}},
		Plan: &contract.PlanDigest{Problems: []string{"pool gpu: no subnet"}},
	}
	return before, after
}

func TestEventsTellOnlyWhatIsNew(t *testing.T) {
	before, after := looks()
	require.Equal(t, []string{
		"[   2.0s] 2 pods pending",
		"[   2.0s] problem: pool gpu: no subnet",
		"[   2.0s] scaleup/demo/p-1/0: wants 2 of pool general",
		"[   2.0s] scaleup/demo/p-1/0: hop 1, step 1 (spot): got 0 of 2: 2 insufficient-capacity",
		"[   2.0s] i-1 ready: spot m6a.large in eu-west-1a, $0.0200/h",
		"[   2.0s] 2 of 3 pods running",
	}, events(before, after))
	require.Empty(t, events(after, after))
}

func TestServed(t *testing.T) {
	_, s := looks()
	require.False(t, s.served(), "a pod is pending")
	s.Apps[0].Running = 3
	require.False(t, s.served(), "nobody says why the whale cannot run")
	s.Plan.Unplaceable = []contract.Unplaceable{{Pod: "shop/whale-798b56d78-wl77j", Count: 1, Reasons: []string{"too big"}}}
	require.False(t, s.served(), "a chain has not ended")
	s.Launches[0].Phase = contract.ScaleUpFilled
	require.True(t, s.served())
	require.False(t, state{}.served())
}

func TestFrameFitsTheTerminal(t *testing.T) {
	_, s := looks()
	for range 50 {
		s.Machines = append(s.Machines, s.Machines[0])
	}
	recent := make([]string, 100)
	for i := range recent {
		recent[i] = "[   2.0s] something that takes more room in a line than a narrow terminal has columns to show it in"
	}
	for _, size := range [][2]int{{80, 24}, {200, 60}, {40, 20}} {
		lines := frame(s, recent, size[0], size[1])
		require.LessOrEqual(t, len(lines), size[1])
		for _, line := range lines {
			require.LessOrEqual(t, utf8.RuneCountInString(line), size[0], line)
		}
	}
	require.Contains(t, frame(s, nil, 120, 30)[2], "██████░░", "two of three pods run")
}

func TestReport(t *testing.T) {
	_, s := looks()
	s.Plan.Unplaceable = []contract.Unplaceable{{Pod: "shop/whale-798b56d78-wl77j", Count: 1, Reasons: []string{"pool general: too small"}}}
	var out bytes.Buffer
	report(&out, s, 5*time.Second, time.Unix(0, 0))
	for _, want := range []string{
		"2 of 3 that can run are running",
		"general   m6a.large   eu-west-1a   spot       1       2      0.0200     0.0200",
		"1 machines, $0.0200/h in all; on-demand the same machines would be $0.0864/h",
		"2 insufficient-capacity",
		"Why whale can never run\n\n  pool general: too small\n",
	} {
		require.Contains(t, out.String(), want)
	}
}
