package demo

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/starter/table"
)

// report is what the demo says at its end.
func report(w io.Writer, s state, started time.Duration, created time.Time) {
	running, wanted := s.counts()
	fmt.Fprintf(w, "\n== Pods: %d of %d that can run are running\n\n", running, wanted)
	reportApps(w, s)
	fmt.Fprint(w, "\n== Machines\n\n")
	reportMachines(w, s)
	fmt.Fprint(w, "\n== Chains: each hop, and what EC2 answered per offering\n\n")
	reportChains(w, s)
	fmt.Fprint(w, "\n== Time\n\n")
	reportTimes(w, s, started, created)
	for _, a := range s.Apps {
		if a.Impossible {
			fmt.Fprintf(w, "\n== Why %s can never run\n\n", a.Name)
			for _, reason := range s.reasons(a.Name) {
				fmt.Fprintf(w, "  %s\n", reason)
			}
		}
	}
}

func reportApps(w io.Writer, s state) {
	var rows [][]string
	for _, a := range s.Apps {
		rows = append(rows, []string{a.Name, strconv.Itoa(a.Want), strconv.Itoa(a.Running), strconv.Itoa(a.Pending)})
	}
	table.Write(w, []string{"DEPLOYMENT", "PODS", "RUNNING", "PENDING"}, rows)
}

// offering is what machines are counted by.
type offering struct {
	pool, instanceType, zone, capacity string
	usd                                float64
}

func reportMachines(w io.Writer, s state) {
	count := map[offering]int{}
	pods := map[offering]int{}
	var total, onDemand float64
	prices := map[string]float64{}
	for _, t := range catalog.Facts() {
		prices[t.Name] = t.OnDemandUSD
	}
	for _, m := range s.Machines {
		o := offering{m.Pool, m.InstanceType, m.Zone, string(m.CapacityType), m.USDPerHour}
		count[o]++
		pods[o] += m.Pods
		total += m.USDPerHour
		onDemand += prices[m.InstanceType]
	}
	var rows [][]string
	for o, n := range count {
		rows = append(rows, []string{
			o.pool, o.instanceType, o.zone, o.capacity, strconv.Itoa(n), strconv.Itoa(pods[o]), table.USD(o.usd),
			table.USD(o.usd * float64(n)),
		})
	}
	slices.SortFunc(rows, slices.Compare)
	table.Write(w, []string{"POOL", "TYPE", "ZONE", "CAPACITY", "COUNT", "PODS", "$/H EACH", "$/H"}, rows)
	fmt.Fprintf(w, "\n%d machines, $%.4f/h in all; on-demand the same machines would be $%.4f/h\n", len(s.Machines), total, onDemand)
}

func reportChains(w io.Writer, s state) {
	var rows [][]string
	for _, l := range s.Launches {
		name, pool := l.Workflow, l.Pool
		for _, h := range l.Hops {
			rows = append(rows, []string{
				name, pool, strconv.Itoa(h.Number), fmt.Sprintf("%d %s", h.Step+1, h.CapacityType),
				fmt.Sprintf("%d of %d", h.Got, h.Asked), h.Took.Round(time.Millisecond).String(), contract.Answers(h),
			})
			name, pool = " ", " " // said once a chain
		}
		if l.Phase != contract.ScaleUpFilled {
			rows = append(rows, []string{name, pool, " ", " ", " ", " ", string(l.Phase) + ": " + l.Reason})
		}
	}
	table.Write(w, []string{"LAUNCH", "POOL", "HOP", "STEP", "GOT", "TOOK", "ANSWERS"}, rows)
}

// reportTimes says where the time went. Machines are judged by their Node workflows' clocks, which are the same
// machine's as ours.
func reportTimes(w io.Writer, s state, started time.Duration, created time.Time) {
	var (
		opened, sent, ended       []time.Duration // since the workloads were created
		boot, registered, initial []time.Duration
		lastReady                 time.Duration
	)
	for _, l := range s.Launches {
		opened = append(opened, l.Started.Sub(created))
		for _, h := range l.Hops {
			sent = append(sent, h.SentAt.Sub(created))
			ended = append(ended, h.Ended.Sub(created))
		}
	}
	for _, m := range s.Machines {
		if m.Life == nil {
			continue
		}
		since := m.Life.Since
		boot = between(boot, since, contract.PhaseLaunching, contract.PhaseRegistered)
		registered = between(registered, since, contract.PhaseRegistered, contract.PhaseInitialized)
		initial = between(initial, since, contract.PhaseInitialized, contract.PhaseReady)
		lastReady = max(lastReady, since[contract.PhaseReady].Sub(created))
	}
	rows := [][]string{
		{"control planes, store, AWS, worker and watcher up", seconds(started)},
		{"pods created -> first launch opened", seconds(least(opened))},
		{"pods created -> first call to EC2", seconds(least(sent))},
		{"pods created -> last chain filled", seconds(most(ended))},
		{"a machine's launch -> its Node is there (simulated boot), median / most", spread(boot)},
		{"its Node is there -> the kubelet is Ready (simulated), median / most", spread(registered)},
		{"kubelet is Ready -> taken into service, median / most", spread(initial)},
		{"last machine in service -> last pod running", seconds(max(s.At-lastReady, 0))},
		{"pods created -> all that can run are running", seconds(s.At)},
	}
	table.Write(w, []string{"PHASE", "SECONDS"}, rows)
}

func between(all []time.Duration, since map[contract.Phase]time.Time, from, to contract.Phase) []time.Duration {
	if since[from].IsZero() || since[to].IsZero() {
		return all
	}
	return append(all, since[to].Sub(since[from]))
}

func least(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.MinFunc(d, cmp.Compare[time.Duration])
}

func most(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.MaxFunc(d, cmp.Compare[time.Duration])
}

func spread(d []time.Duration) string {
	if len(d) == 0 {
		return ""
	}
	slices.Sort(d)
	return fmt.Sprintf("%.2f / %.2f", d[len(d)/2].Seconds(), d[len(d)-1].Seconds())
}

func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", d.Seconds())
}
