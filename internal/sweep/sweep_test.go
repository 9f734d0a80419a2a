package sweep

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const lag = time.Minute

// orphan is a machine that lives, is a launch of Floe's and has no Node workflow; change makes it another.
func orphan(change func(*Orphan)) Orphan {
	o := Orphan{
		Orphan: contract.Orphan{OwnedInstance: contract.OwnedInstance{
			Instance: contract.Instance{ID: "i-1", InstanceType: "m5.large", State: "running", Token: "t"},
			Pool:     "general", ScaleUp: "scaleup/demo/p-1/0", Plan: "p-1",
		}},
		AccountRegion: contract.AccountRegion{Account: "main", Region: "eu-west-1"},
		PoolExists:    true, RegistrationTimeout: time.Minute, Drains: 2,
		Node: &contract.KubeNode{Name: "n1", Exists: true, Ready: true},
	}
	change(&o)
	return o
}

func TestOrphans(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Orphan)
		want   contract.RepairKind // empty: nothing is done
		left   string
	}{
		"its Node workflow was terminated":     {func(o *Orphan) { o.Ended = now }, contract.RepairAdopt, ""},
		"it never had a Node workflow":         {func(*Orphan) {}, contract.RepairAdopt, ""},
		"its ScaleUp is open":                  {func(o *Orphan) { o.Owned = true }, "", ""},
		"its ScaleUp is open, its pool gone":   {func(o *Orphan) { o.Owned, o.PoolExists = true, false }, "", ""},
		"its pool is gone":                     {func(o *Orphan) { o.PoolExists = false }, contract.RepairGiveBack, ""},
		"just terminated, EC2 lags":            {func(o *Orphan) { o.Completed, o.Ended, o.Node = true, now.Add(-lag/2), nil }, "", ""},
		"taken for gone, its Node deleted":     {func(o *Orphan) { o.Completed, o.Ended, o.Node = true, now.Add(-2*lag), nil }, contract.RepairGiveBack, ""},
		"taken for gone, its Node still there": {func(o *Orphan) { o.Completed, o.Ended = true, now.Add(-2*lag) }, contract.RepairAdopt, ""},
		"Karpenter's":                          {func(o *Orphan) { o.Foreign = "karpenter.sh/nodepool" }, "", "karpenter.sh/nodepool"},
		"a person's copy":                      {func(o *Orphan) { o.Token, o.ScaleUp = "", "" }, "", "floe.dev/scaleup, floe.dev/launch-token"},
		"a foreign one whose pool is gone":     {func(o *Orphan) { o.Foreign, o.PoolExists = "aws:autoscaling:groupName", false }, "", "aws:autoscaling"},
	} {
		t.Run(name, func(t *testing.T) {
			o := orphan(c.change)
			repairs, left := Decide(Facts{Cluster: "demo", Now: now, Lag: lag, Orphans: []Orphan{o}})
			if c.left != "" {
				require.Len(t, left, 1)
				require.Equal(t, "i-1", left[0].Subject)
				require.Contains(t, left[0].Message, c.left)
			} else {
				require.Empty(t, left)
			}
			if c.want == "" {
				require.Empty(t, repairs)
				return
			}
			require.Len(t, repairs, 1)
			r := repairs[0]
			require.Equal(t, c.want, r.Kind)
			in := r.Start
			require.Equal(t, o.Instance, in.Instance)
			require.Equal(t, []string{"demo", "general", "main", "eu-west-1", "scaleup/demo/p-1/0", "p-1"},
				[]string{in.Cluster, in.Pool, in.Account, in.Region, in.ScaleUp, in.Plan})
			require.Equal(t, time.Minute, in.RegistrationTimeout)
			require.Equal(t, o.Node, in.Adopted.Node, "what is to be drained is known")
			require.Equal(t, 2, in.Adopted.Drains)
			require.Greater(t, in.Adopted.Revision, int64(1000), "beyond any former life's records")
			require.Equal(t, c.want == contract.RepairGiveBack, in.Surplus != "")
		})
	}
}

func TestBereft(t *testing.T) {
	old := now.Add(-2 * lag)
	for name, c := range map[string]struct {
		b    Bereft
		want string // the state told; empty: nothing is done
		left bool
	}{
		"terminated":                  {Bereft{Terminated: true, Launched: now, Looked: true, NodeReady: true, Knows: "running"}, "terminated", false},
		"terminated, and knows":       {Bereft{Terminated: true, Looked: true, Knows: "terminated"}, "", false},
		"gone, and knows":             {Bereft{Looked: true, Launched: old, Knows: contract.InstanceGone}, "", false},
		"not shown":                   {Bereft{Looked: true, Launched: old}, contract.InstanceGone, false},
		"not shown yet":               {Bereft{Looked: true, Launched: now.Add(-lag / 2)}, "", false},
		"not shown, its kubelet well": {Bereft{Looked: true, Launched: old, NodeReady: true}, "", true},
		"in an account not looked at": {Bereft{Account: "other", Launched: old}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			c.b.Instance = "i-1"
			repairs, left := Decide(Facts{Cluster: "demo", Now: now, Lag: lag, Bereft: []Bereft{c.b}})
			require.Equal(t, c.left, len(left) == 1)
			if c.want == "" {
				require.Empty(t, repairs)
				return
			}
			require.Len(t, repairs, 1)
			require.Equal(t, contract.RepairTell, repairs[0].Kind)
			require.Equal(t, c.want, repairs[0].State)
		})
	}
}

func TestNodesWithoutMachines(t *testing.T) {
	repairs, left := Decide(Facts{Cluster: "demo", Now: now, Lag: lag, Nodes: []Node{
		{Name: "dead", UID: "u1", Instance: "i-1", Created: now.Add(-2 * lag)},
		{Name: "alive", UID: "u2", Instance: "i-2", Created: now.Add(-2 * lag), Ready: true},
		{Name: "new", UID: "u3", Instance: "i-3", Created: now},
	}})
	require.Len(t, repairs, 1)
	require.Equal(t, contract.DeleteNodeInput{Cluster: "demo", Node: "dead", UID: "u1"}, *repairs[0].Node)
	require.Len(t, left, 1)
	require.Equal(t, "alive", left[0].Subject)
}

// Whatever the facts, nothing foreign is touched, nothing with an owner is touched, nothing that lives is told to be
// gone, and a machine is ended only where its pool is gone or it was taken for gone and has no Node.
func TestDecideDoesNoHarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Facts{Cluster: "demo", Now: now, Lag: lag}
		yes := rapid.Bool()
		ago := rapid.Custom(func(t *rapid.T) time.Time {
			return now.Add(-time.Duration(rapid.IntRange(0, 180).Draw(t, "seconds")) * time.Second)
		})
		orphans := map[string]Orphan{}
		for n := range rapid.IntRange(0, 5).Draw(t, "orphans") {
			o := orphan(func(o *Orphan) {
				o.ID = "i-o" + string(rune('a'+n))
				o.Owned, o.Completed, o.PoolExists = yes.Draw(t, "owned"), yes.Draw(t, "completed"), yes.Draw(t, "pool")
				o.Ended = ago.Draw(t, "ended")
				if yes.Draw(t, "no node") {
					o.Node = nil
				}
				o.Foreign = rapid.SampledFrom([]string{"", "karpenter.sh/nodepool"}).Draw(t, "foreign")
				o.Token = rapid.SampledFrom([]string{"", "t"}).Draw(t, "token")
			})
			orphans[o.ID] = o
			f.Orphans = append(f.Orphans, o)
		}
		bereft := map[string]Bereft{}
		for n := range rapid.IntRange(0, 5).Draw(t, "bereft") {
			b := Bereft{
				Instance: "i-b" + string(rune('a'+n)), Launched: ago.Draw(t, "launched"), Terminated: yes.Draw(t, "terminated"),
				Looked: yes.Draw(t, "looked"), NodeReady: yes.Draw(t, "ready"),
				Knows: rapid.SampledFrom([]string{"", "running", "terminated", "gone"}).Draw(t, "knows"),
			}
			bereft[b.Instance] = b
			f.Bereft = append(f.Bereft, b)
		}
		nodes := map[string]Node{}
		for n := range rapid.IntRange(0, 5).Draw(t, "nodes") {
			k := Node{Name: "n", Instance: "i-n" + string(rune('a'+n)), Created: ago.Draw(t, "created"), Ready: yes.Draw(t, "alive")}
			nodes[k.Instance] = k
			f.Nodes = append(f.Nodes, k)
		}

		repairs, _ := Decide(f)
		for _, r := range repairs {
			switch r.Kind {
			case contract.RepairAdopt, contract.RepairGiveBack:
				o := orphans[r.Instance]
				require.Empty(t, o.Foreign)
				require.NotEmpty(t, o.Token)
				require.False(t, o.Owned)
				if r.Start.Surplus != "" {
					require.True(t, !o.PoolExists || o.Completed && o.Node == nil && now.Sub(o.Ended) >= lag)
				}
			case contract.RepairTell:
				b := bereft[r.Instance]
				require.True(t, b.Terminated || b.Looked && !b.NodeReady && now.Sub(b.Launched) >= lag)
			case contract.RepairDeleteNode:
				require.False(t, nodes[r.Instance].Ready)
			default:
				t.Fatalf("unknown kind %s", r.Kind)
			}
		}
		require.Equal(t, repairs, Confirmed(repairs, repairs))
		most := rapid.IntRange(0, 3).Draw(t, "most")
		kept, postponed := Bounded(repairs, most)
		require.Len(t, repairs, len(kept)+postponed)
		starts := 0
		for _, r := range kept {
			if r.Start != nil {
				starts++
			}
		}
		require.LessOrEqual(t, starts, most)
	})
}

func TestConfirmedNeedsBothLooks(t *testing.T) {
	first := []contract.Repair{{Kind: contract.RepairAdopt, Instance: "i-1"}, {Kind: contract.RepairAdopt, Instance: "i-2"}}
	second := []contract.Repair{{Kind: contract.RepairAdopt, Instance: "i-2", Reason: "new"}, {Kind: contract.RepairTell, Instance: "i-1"}}
	require.Equal(t, second[:1], Confirmed(first, second))
}

func TestForeignMark(t *testing.T) {
	require.Empty(t, ForeignMark(map[string]string{
		contract.TagOwner: "floe", "Name": "x", "karpenter.sh": "is no prefix", "kubernetes.io/cluster/demo": "owned",
	}))
	for _, mark := range []string{
		"karpenter.sh/nodepool", "karpenter.sh/nodeclaim", "aws:autoscaling:groupName", "eks:nodegroup-name",
		"sigs.k8s.io/cluster-api-provider-aws/cluster/prod",
	} {
		require.Equal(t, mark, ForeignMark(map[string]string{contract.TagOwner: "floe", mark: "x"}))
	}
}

func TestEventsHaveTheirOwnIDs(t *testing.T) {
	r := contract.Repair{Kind: contract.RepairAdopt, Instance: "i-1", Reason: "why"}
	e := Event("demo", "run", now, r)
	require.Equal(t, contract.EventRecord{
		ID: "demo/run/adopt/i-1", At: now, Cluster: "demo", Kind: "sweep-adopt", Subject: "i-1", Message: "why",
	}, e)
	require.NotEqual(t, e.ID, Event("demo", "another", now, r).ID)
}
