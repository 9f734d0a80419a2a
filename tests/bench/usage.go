package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"floe.dev/floe/internal/testbed"
)

// clockTick is the unit of /proc's CPU times: a hundredth of a second on every Linux that Go runs on (proc_pid_stat(5),
// sysconf(_SC_CLK_TCK)).
const clockTick = 10 * time.Millisecond

// sampleEvery is how often processes are looked at: a second's mean is what a peak is.
const sampleEvery = time.Second

// watched are the processes whose use of the machine is told, by their names in the testbed.
var watched = []string{"worker-1", "watcher-1", "temporal", "kube-apiserver", "sim"}

// usage is what one process has used while it was sampled.
type usage struct {
	cpu      time.Duration // in all
	peakCPU  float64       // cores, over one sample
	rss      int           // MiB, at the end
	peakRSS  int           // MiB
	sampled  time.Duration
	lastCPU  time.Duration
	lastSeen time.Time
}

// mean is the cores in use over the whole time.
func (u usage) mean() float64 { return u.cpu.Seconds() / u.sampled.Seconds() }

// sampler looks at processes until it is stopped.
type sampler struct {
	stop func()
	done sync.WaitGroup
	of   map[string]*usage
}

// sample begins to look at the testbed's processes.
func (h *house) sample(ctx context.Context) *sampler {
	ctx, stop := context.WithCancel(ctx)
	s := &sampler{stop: stop, of: map[string]*usage{}}
	processes := slices.DeleteFunc(h.Processes(), func(p *testbed.Process) bool { return !slices.Contains(watched, p.Name) })
	for _, p := range processes {
		s.of[p.Name] = &usage{lastCPU: cpuTime(p.PID()), lastSeen: time.Now()}
	}
	s.done.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			for _, p := range processes {
				s.of[p.Name].look(p)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return s
}

func (u *usage) look(p *testbed.Process) {
	now, cpu := time.Now(), cpuTime(p.PID())
	took := now.Sub(u.lastSeen)
	if took < sampleEvery/2 {
		return // too short to tell
	}
	used := cpu - u.lastCPU
	u.cpu += used
	u.sampled += took
	u.peakCPU = max(u.peakCPU, used.Seconds()/took.Seconds())
	u.lastCPU, u.lastSeen = cpu, now
	u.rss, _ = residentMiB(p)
	u.peakRSS = max(u.peakRSS, u.rss)
}

// end stops looking and returns what was seen, by process.
func (s *sampler) end() map[string]*usage {
	s.stop()
	s.done.Wait()
	return s.of
}

// cpuTime is the time on a CPU that a process has had, in user and kernel mode; 0 where that is not known.
func cpuTime(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the program's name in parentheses, which may hold anything.
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick
}

// actions is how many billable Actions the Temporal server has counted (docs.temporal.io/cloud/migrate/estimate-actions:
// its metric action).
func (h *house) actions(ctx context.Context) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.TemporalMetrics, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var sum float64
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), "{")
		if name != "action" && name != "temporal_action" {
			continue
		}
		fields := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		if len(fields) == 0 || !strings.Contains(rest, `namespace="`+testbed.TemporalNamespace+`"`) {
			continue
		}
		n, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("the server's metric %s: %w", name, err)
		}
		sum += n
	}
	return sum, lines.Err()
}
