package cli

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/starter/explain"
	"floe.dev/floe/starter/fleet"
	"floe.dev/floe/starter/plan"
	"floe.dev/floe/starter/pools"
)

// floe runs one command line without the environment of whoever runs the tests.
func floe(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	for _, line := range os.Environ() {
		name, _, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "TEMPORAL_") || strings.HasPrefix(name, "FLOE_") || name == "KUBECONFIG" {
			t.Setenv(name, "") // so that it is put back
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("HOME", t.TempDir())
	var stdout, stderr bytes.Buffer
	code = Execute(t.Context(), args, strings.NewReader(in), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestEveryCommandHasAnExample(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Parent() != nil && cmd.Parent().Name() == "completion" {
			return // cobra's own, whose help has the examples in its text
		}
		require.NotEmpty(t, cmd.Example, cmd.CommandPath())
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(command(nil, nil))
}

func TestWrongCommandLines(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown flag":      {[]string{"plan", "--nope"}, ExitUsage, "unknown flag: --nope"},
		"unknown format":    {[]string{"plan", "-o", "xml"}, ExitUsage, `--output "xml": use one of table, json, yaml`},
		"missing argument":  {[]string{"pool", "scale-up"}, ExitUsage, "accepts 1 arg(s), received 0"},
		"extra argument":    {[]string{"version", "please"}, ExitUsage, `unknown command "please"`},
		"no file":           {[]string{"pool", "apply"}, ExitUsage, "name the manifests with --filename"},
		"count":             {[]string{"pool", "scale-up", "general", "--count", "0", "--cluster", "c"}, ExitUsage, "count: 0 is out of range"},
		"no cluster":        {[]string{"node", "list"}, ExitFailed, "name the cluster with --cluster"},
		"no kubeconfig":     {[]string{"node", "list", "--cluster", "c", "--kubeconfig", "/none"}, ExitFailed, "name a kubeconfig with --kubeconfig"},
		"hold that is over": {[]string{"node", "hold", "i-1", "--for", "-1h", "--cluster", "c"}, ExitUsage, "--for -1h0m0s is in the past"},
		"step of a launch":  {[]string{"scaleup", "use-now", "scaleup/c/p/0", "0", "--cluster", "c"}, ExitUsage, `step "0": give its number, from 1`},
		"held launch":       {[]string{"scaleup", "hold", "scaleup/c/p/0", "--for", "-1m", "--cluster", "c"}, ExitUsage, "--for -1m0s is in the past"},
		"log format":        {[]string{"watch", "--log-format", "xml"}, ExitUsage, `log format "xml" is unknown`},
		"scenario":          {[]string{"sim", "--scenario", "/none"}, ExitFailed, "/none"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := floe(t, "", c.args...)
			require.Equal(t, c.code, code, errs)
			require.Contains(t, errs, c.want)
			require.Empty(t, out)
			if c.code == ExitUsage {
				require.Contains(t, errs, "--help")
			}
		})
	}
}

func TestVersionInEveryFormat(t *testing.T) {
	for format, want := range map[string]string{"table": "floe devel", "json": `"version": "devel`, "yaml": "version: devel"} {
		code, out, errs := floe(t, "", "version", "-o", format)
		require.Equal(t, ExitOK, code, errs)
		require.Contains(t, out, want)
	}
}

func TestMistakesInPoolsAreToldBeforeAnythingIsSent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pools.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`apiVersion: floe.dev/v1alpha1
kind: NodePool
metadata: {name: general}
spec:
  launchTemplate: {name: web}
  subnets: [subnet-0123456789abcdef0]
  fallbak:
  - capacityType: spot
`), 0o600))
	code, _, errs := floe(t, "", "pool", "apply", "-f", file)
	require.Equal(t, ExitFailed, code)
	require.Contains(t, errs, file+": document 1: spec.fallbak: unknown field; did you mean fallback?")

	code, _, errs = floe(t, "kind: Pod", "pool", "apply", "-f", "-")
	require.Equal(t, ExitFailed, code)
	require.Contains(t, errs, "-: document 1: apiVersion")
}

func TestUnreachableTemporal(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	address := closed.Addr().String()
	code, _, errs := floe(t, "", "plan", "--cluster", "c", "--temporal-address", address)
	require.Equal(t, ExitFailed, code)
	require.Contains(t, errs, "floe: cannot reach Temporal at "+address+": is it running? set --temporal-address or TEMPORAL_ADDRESS")
	require.Equal(t, 1, strings.Count(errs, "\n"), "one line")
}

func TestPlanShowsWhatAndWhy(t *testing.T) {
	var out bytes.Buffer
	printPlan(&out, plan.FromDigest(&contract.PlanDigest{
		Pending: 9, OnNodes: 1, InFlight: 2, Launched: 4, UnplaceableCount: 2, USDPerHour: 1.5, LowerBoundUSDPerHour: 1.4,
		Problems: []string{"pool gpu: launch template lt-1 not found"},
		Launches: []contract.PlannedLaunch{{
			Pool: "general", Count: 2, InstanceTypes: []string{"a", "b", "c", "d", "e"}, Zones: []string{"eu-west-1a"},
			PodCount: 4, USDPerHour: 0.75, Reason: "the cheapest that holds them",
		}},
		Unplaceable: []contract.Unplaceable{{Pod: "shop/whale-1", Count: 2, Reasons: []string{"pool general: 24 types too small for 96 CPU"}}},
	}))
	require.Equal(t, `9 pods need room: 1 fit on nodes there are, 2 on launches under way, 4 on new machines, 2 nowhere.
problem: pool gpu: launch template lt-1 not found

Would buy 2 machines for $1.5000/h; no plan costs less than $1.4000/h:
POOL      COUNT   TYPES      ZONES        $/H EACH   PODS   WHY
general   2       a,b,c +2   eu-west-1a   0.7500     4      the cheapest that holds them

Cannot be placed:
  shop/whale-1 and 1 alike
    pool general: 24 types too small for 96 CPU
`, out.String())
}

func TestWhereToWatch(t *testing.T) {
	t.Setenv("TEMPORAL_NAMESPACE", "floe")
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none.toml"))
	for want, cfg := range map[string]config.Temporal{
		"watch it: http://127.0.0.1:8233/namespaces/floe/workflows/node%2Fprod%2Fi-1":   {UI: "http://127.0.0.1:8233"},
		"watch it: temporal workflow show -w node/prod/i-1":                             {},
		"watch it: temporal workflow show -w node/prod/i-1 --address t:1 --namespace n": {Address: "t:1", Namespace: "n"},
	} {
		w, err := watchingBy(cfg)
		require.NoError(t, err)
		require.Equal(t, want, w.words("node/prod/i-1"))
	}
}

func TestHoldsAreShownWhileTheyLast(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	life := &contract.NodeView{NodeState: contract.NodeState{
		Phase: contract.PhaseReady, Hold: &contract.Hold{By: "alice@laptop", Reason: "debugging", Since: at, Until: at.Add(time.Hour)},
	}}
	for now, held := range map[time.Time]bool{at: true, at.Add(time.Hour): false} {
		var list, one bytes.Buffer
		printNodes(&list, []fleet.Node{{Instance: "i-1", Phase: contract.PhaseReady, Life: life}}, now)
		printLife(&one, "node/c/i-1", *life, now)
		const words = "held by alice@laptop until 2026-07-01T13:00:00Z: debugging"
		require.Equal(t, held, strings.Contains(list.String(), "ready, "+words), list.String())
		require.Equal(t, held, strings.Contains(one.String(), "it is: "+words), one.String())
	}
}

// A machine that sleeps again has been ready before, and what is done with it is told.
func TestALifeIsToldInOrder(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	life := contract.NodeView{NodeState: contract.NodeState{
		Phase:     contract.PhaseStandby,
		Since:     map[contract.Phase]time.Time{contract.PhaseLaunching: at, contract.PhaseStandby: at.Add(time.Minute), contract.PhaseReady: at.Add(time.Hour)},
		Operation: &contract.Operation{Kind: contract.SignalResume, Reason: "by hand"},
	}}
	var out bytes.Buffer
	printLife(&out, "node/c/i-1", life, at)
	require.Regexp(t, `(?s)launching.*standby +2026-07-01T12:01.*ready +2026-07-01T13:00`, out.String())
	require.Contains(t, out.String(), "under way: resume (by hand)")
}

func TestWhatWasPrefetchedIsShown(t *testing.T) {
	life := contract.NodeView{NodeState: contract.NodeState{Phase: contract.PhaseReady, Standby: &contract.Frozen{Prefetched: &contract.Prefetched{
		PrefetchResult: contract.PrefetchResult{Images: []string{"registry.example/web:1"}, Bytes: 1 << 30}, Lost: []string{"registry.example/web:1"},
	}}}}
	var out bytes.Buffer
	printLife(&out, "node/c/i-1", life, time.Now())
	require.Contains(t, out.String(), "images: 1 image prefetched, 1.0 GiB. 1 image gone when it woke: web:1.")
}

func TestAPoolIsDescribed(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	spot := contract.Offering{Region: "eu-west-1", ZoneID: "euw1-az1", InstanceType: "m5.large", CapacityType: v1alpha1.Spot}
	var out bytes.Buffer
	printDescription(&out, pools.Description{
		Pool: &v1alpha1.NodePool{
			ObjectMeta: metav1.ObjectMeta{Name: "general", CreationTimestamp: metav1.NewTime(at)},
			Spec: v1alpha1.NodePoolSpec{
				LaunchTemplate: v1alpha1.LaunchTemplate{Name: "web", Version: "$Latest"}, Subnets: []string{"subnet-1"},
				Requirements: []corev1.NodeSelectorRequirement{{Key: v1alpha1.LabelInstanceFamily, Operator: corev1.NodeSelectorOpIn, Values: []string{"m5"}}},
				Limits:       corev1.ResourceList{"cpu": resource.MustParse("100")},
				Fallback:     []v1alpha1.FallbackStep{{CapacityType: v1alpha1.Spot}, {CapacityType: v1alpha1.OnDemand}},
			},
		},
		Account: "main", Region: "eu-west-1", Template: &contract.ResolvedTemplate{ID: "lt-1", Version: "3", ImageID: "ami-1"},
		Steps: []contract.Step{
			{CapacityType: v1alpha1.Spot, Skipped: "all 1 offerings are in back-off"},
			{Index: 1, CapacityType: v1alpha1.OnDemand, Overrides: []contract.Override{{Offering: spot, Zone: "eu-west-1a", USDPerHour: 0.1}}},
		},
		Use:         corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("16Gi"), "nodes": resource.MustParse("2")},
		Nodes:       []pools.Group{{Phase: contract.PhaseReady, CapacityType: v1alpha1.Spot, Zone: "eu-west-1a", Count: 2, USDPerHour: 0.2}},
		USDPerHour:  0.2,
		Launches:    []contract.LedgerEntry{{ScaleUp: "scaleup/c/p-1/0", Purpose: contract.PurposeDemand, Opened: at, Open: 1, PodCount: 3}},
		Unplaceable: []contract.Unplaceable{{Pod: "shop/whale", Count: 2, Reasons: []string{"24 types too small for 96 CPU"}}},
		BackOff:     []pools.BackOff{{Offering: spot, Until: at.Add(time.Minute)}},
		Quotas: []contract.Quota{{
			Account: "main", Region: "eu-west-1", Code: "VcpuLimitExceeded", CapacityType: v1alpha1.OnDemand,
			Types: []string{"c5.large", "m5.large"}, At: at, Until: at.Add(5 * time.Minute),
		}},
		Problems:  []string{"spec.subnets: none is known"},
		Unchecked: []string{"the store: it does not answer"},
	}, at.Add(10*time.Second))
	require.Equal(t, `POOL      WEIGHT   ACCOUNT   REGION      TEMPLATE                         SUBNETS   AGE
general   0        main      eu-west-1   web@$Latest (version 3, ami-1)   1         10s

problem: spec.subnets: none is known

requires: floe.dev/instance-family In [m5]

RESOURCE   USED   LIMIT
cpu        4      100
memory     16Gi   none
nodes      2      none

STEP   CAPACITY    OFFERINGS   TYPES      ZONES        $/H FROM   NARROWED
1      spot        0           -          -            -          skipped: all 1 offerings are in back-off
2      on-demand   1           m5.large   eu-west-1a   0.1000     -

PHASE   CAPACITY   ZONE         NODES   $/H
ready   spot       eu-west-1a   2       0.2000
2 nodes, $0.2000/h

LAUNCH IN FLIGHT   PURPOSE   AGE   TO COME   LAUNCHED   PODS
scaleup/c/p-1/0    demand    10s   1         0          3

Cannot hold:
  shop/whale and 1 alike: 24 types too small for 96 CPU

IN BACK-OFF   ZONE ID    CAPACITY   UNTIL
m5.large      euw1-az1   spot       2026-07-01T12:01:00Z

QUOTA               ACCOUNT   REGION      CAPACITY    TYPES               MET                    UNTIL
VcpuLimitExceeded   main      eu-west-1   on-demand   c5.large,m5.large   2026-07-01T12:00:00Z   2026-07-01T12:05:00Z

not checked: the store: it does not answer
`, out.String())
}

func TestAPodIsExplained(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	printAnswer(&out, explain.Answer{
		Pod: "shop/web-0", State: explain.StateWaiting, Words: "it needs room: no node can take it", Scheduler: "0/3 nodes are available",
		Plan: &contract.Explanation{Pod: "shop/web-0", Place: "one new machine", Pools: []string{"pool general: 5 types hold it"}},
		Launches: []fleet.Launch{{Workflow: "scaleup/c/p-1/0", ScaleUpView: contract.ScaleUpView{
			Phase: contract.ScaleUpExhausted, Count: 1, Reason: "the chain's end is reached with 0 of 1 machines",
			Hops: []contract.Hop{{
				Number: 1, CapacityType: v1alpha1.Spot, Asked: 1, Took: 12 * time.Millisecond, Ended: at,
				Outcomes: []contract.Outcome{{Answer: contract.AnswerICE}},
			}},
			Notes: []string{"released by bob"},
		}}},
		Help: []string{"allow the family m6i (9 more offerings, from $0.0425/h)"}, Next: at, Trouble: "a launch is not filled",
		Unchecked: []string{"node n: not found"},
	})
	require.Equal(t, `shop/web-0: it needs room: no node can take it
the scheduler: 0/3 nodes are available

A plan of now: shop/web-0: one new machine
pool general: 5 types hold it

Launch scaleup/c/p-1/0: exhausted, 0 of 1 machines

HOP   STEP   CAPACITY   ASKED   GOT   TOOK   ANSWERS
1     1      spot       1       0     12ms   1 insufficient-capacity

it ended: the chain's end is reached with 0 of 1 machines
- released by bob

would help: allow the family m6i (9 more offerings, from $0.0425/h)

trouble: a launch is not filled

next plan: at 2026-07-01T12:00:00Z at the latest

not checked: node n: not found
`, out.String())

	out.Reset()
	printAnswer(&out, explain.Answer{Pod: "shop/web-0", Words: "it is bound to node n (Running)", Life: &contract.NodeView{
		Pool: "general", ScaleUp: "scaleup/c/p-1/0", NodeState: contract.NodeState{Phase: contract.PhaseReady},
		Instance: contract.Instance{ID: "i-1", InstanceType: "m5.large", Zone: "eu-west-1a", CapacityType: v1alpha1.Spot, USDPerHour: 0.05},
	}})
	require.Equal(t, "shop/web-0: it is bound to node n (Running)\nits node is i-1: spot m5.large in eu-west-1a at $0.0500/h, pool general, ready; launched by scaleup/c/p-1/0\n", out.String())
}

func TestNodesThatNobodyOwnsAreShown(t *testing.T) {
	var out bytes.Buffer
	printNodes(&out, []fleet.Node{
		{Instance: "i-1", Name: "ip-1", Pool: "general", InstanceType: "m6a.large", Zone: "z", CapacityType: "spot", USDPerHour: 0.5, Phase: contract.PhaseReady},
		{Instance: "i-2", Pool: "general", Trouble: "no Node workflow runs for it"},
	}, fleet.Node{}.Launched)
	require.Contains(t, out.String(), "i-2        -      general   -           -      -          -        -     unowned (no Node workflow runs for it)")
	require.Contains(t, out.String(), "2 nodes, $0.5000/h")
}
