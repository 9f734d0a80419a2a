package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"floe.dev/floe/activities/kube"
	"floe.dev/floe/internal/reclaim"
)

// stormPool buys spot machines of one size, which one pod fills.
const stormPool = `
apiVersion: floe.dev/v1alpha1
kind: NodePool
metadata: {name: general}
spec:
  launchTemplate: {id: lt-0f10e000000000001}
  subnets: [subnet-0f10e00000000000a, subnet-0f10e00000000000b, subnet-0f10e00000000000c]
  reserved: {cpu: 100m, memory: 400Mi}
  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [m5.large]}]
  fallback: [{capacityType: spot}]
`

// A storm comes in waves, a second apart.
const waves = 10

// measureStorm: EC2 takes 200 spot machines back within ten seconds, on each of which is one pod of an app whose budget
// lets a quarter be away; first with Floe, then with nothing but a cordon and a drain: see stormBaseline. Machines boot in no
// time.
func measureStorm(ctx context.Context, t *table) error { return compareStorms(ctx, t, instant, 0, 200) }

// measureStormBoot: the same for 60 machines that take half a minute to boot, as real ones do at the least.
func measureStormBoot(ctx context.Context, t *table) error {
	return compareStorms(ctx, t, slowly, slowBoot, 60)
}

const slowBoot = 30 * time.Second

// slowly is the simulated AWS with machines that take slowBoot.
const slowly = `
seed: 1
buckets: false
boot: {pending: 5s, register: 20s, ready: 5s, stopping: 0s, shuttingDown: 0s, deletion: 0s, jitter: 0}
`

// compareStorms has the same storm over Floe and over the baseline.
func compareStorms(ctx context.Context, t *table, scenario string, boot time.Duration, n int) error {
	if t.short {
		n = 10
	}
	what := fmt.Sprintf("%d reclaims within %d s", n, waves)
	if boot > 0 {
		what += fmt.Sprintf(", machines boot in %s", boot)
	}
	what += ": "
	ours, err := t.storm(ctx, scenario, n, what)
	if err != nil {
		return err
	}
	theirs, err := t.stormBaseline(ctx, scenario, n, what)
	if err != nil {
		return fmt.Errorf("the baseline: %w", err)
	}
	t.row(what+"unserved pod-seconds, the baseline's over Floe's", fmt.Sprintf("%.2f", theirs/ours), "")
	return nil
}

// storm measures Floe in a storm, and returns the pod-seconds that went unserved.
func (t *table) storm(ctx context.Context, scenario string, n int, what string) (float64, error) {
	h, err := build(ctx, scenario, unlimited, stormPool)
	if err != nil {
		return 0, err
	}
	defer h.close()
	if err := h.stormApp(ctx, int32(n)); err != nil {
		return 0, err
	}
	s := h.watchStorm(ctx)
	blown := make(chan error, 1)
	go func() { blown <- h.blow(ctx, s, n) }()
	away, err := h.watchApp(ctx, n, reclaim.Warning+time.Minute, func() bool { return s.count(&s.gone) >= n })
	if err != nil {
		return 0, fmt.Errorf("%d of %d nodes cordoned, %d gone: %w", s.count(&s.cordoned), n, s.count(&s.gone), err)
	}
	if err := <-blown; err != nil {
		return 0, err
	}
	cordoned, gone := s.since(s.cordoned), s.since(s.gone)
	t.row(what+"warning to cordon, p50, p99, most", quantiles(cordoned), "≤ 1 s, , ≤ 5 s")
	t.row(what+"warning to the Node's end, p50, p99, most", quantiles(gone), "≤ 120 s")
	t.row(what+fmt.Sprintf("fewest pods available of %d until the margin, budget %d", n, kept(n)), fmt.Sprint(away.least), fmt.Sprintf("≥ %d", kept(n)))
	t.row(what+"fewest pods available from the margin on", away.afterMargin(), "")
	t.row(what+"unserved pod-seconds in all", fmt.Sprintf("%.0f", away.unserved), "")
	truth, err := h.truth(ctx)
	if err != nil {
		return 0, err
	}
	launches := 0
	for _, c := range truth.Calls {
		if c.Action == "CreateFleet" && !c.At.Before(s.warnings[0]) {
			launches++
		}
	}
	t.row(what+"launches (CreateFleet) in place of those machines", fmt.Sprint(launches), fmt.Sprintf("≤ %d: one a wave", waves))
	t.row(what+"machines bought in all", fmt.Sprint(len(truth.Instances)), fmt.Sprint(2*n))
	return away.unserved, nil
}

// away is how many pods of the app were available in a storm, by the Deployment's own word, sampled.
type away struct {
	least    int // until the margin of the first machine that was warned: the budget is to be kept so long
	late     int // from then on: pods are deleted whatever the budget says
	left     bool
	unserved float64 // pod-seconds
}

func (a away) afterMargin() string {
	if !a.left {
		return "nobody was left"
	}
	return fmt.Sprint(a.late)
}

// watchApp watches the app from now on, until all n of its pods are available and over says that the storm is.
func (h *house) watchApp(ctx context.Context, n int, most time.Duration, over func() bool) (away, error) {
	a, sampled := away{least: n, late: n}, time.Now()
	margin := sampled.Add(reclaim.Warning - reclaim.DefaultMargin)
	err := poll(ctx, 100*time.Millisecond, most, func(ctx context.Context) (bool, error) {
		running, err := h.available(ctx)
		if err != nil {
			return false, err
		}
		now := time.Now()
		a.unserved += float64(n-min(n, running)) * now.Sub(sampled).Seconds()
		sampled = now
		if a.left = !now.Before(margin); a.left {
			a.late = min(a.late, running)
		} else {
			a.least = min(a.least, running)
		}
		return over() && running >= n, nil
	})
	return a, err
}

// available is how many pods of the app are available.
func (h *house) available(ctx context.Context) (int, error) {
	d, err := h.kube.AppsV1().Deployments(metav1.NamespaceDefault).Get(ctx, "app", metav1.GetOptions{})
	if err != nil {
		return 0, err
	}
	return int(d.Status.AvailableReplicas), nil
}

// blow has EC2 take n machines back, in waves.
func (h *house) blow(ctx context.Context, s *storm, n int) error {
	for wave := range waves {
		began := time.Now()
		s.warned(began, n/waves)
		if err := h.say(ctx, fmt.Sprintf("reclaim * spot *: %d", n/waves)); err != nil {
			return err
		}
		if wave < waves-1 {
			time.Sleep(time.Until(began.Add(time.Second)))
		}
	}
	return nil
}

// kept is how many of n pods the app's budget keeps: the quarter that may be away is rounded up
// (kubernetes.io/docs/tasks/run-application/configure-pdb, "Rounding logic when specifying percentages").
func kept(n int) int { return n - (n+3)/4 }

// stormApp is a Deployment of n pods, one a machine, and its budget. It returns when they run.
func (h *house) stormApp(ctx context.Context, n int32) error {
	labels := map[string]string{"app": "app"}
	most := intstr.FromString("25%")
	_, err := h.kube.PolicyV1().PodDisruptionBudgets(metav1.NamespaceDefault).Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &most, Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = h.kube.AppsV1().Deployments(metav1.NamespaceDefault).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod("", 1500, 1024, nil).Spec},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	err = poll(ctx, 200*time.Millisecond, 3*time.Minute, func(ctx context.Context) (bool, error) {
		running, err := h.available(ctx)
		return running == int(n), err
	})
	if err != nil {
		return fmt.Errorf("the app's pods run: %w", err)
	}
	return nil
}

// say gives the simulated AWS a line of its script.
func (h *house) say(ctx context.Context, line string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.SimURL+"/script", strings.NewReader(line))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the simulated AWS refuses %q: %s", line, res.Status)
	}
	return nil
}

// storm is when warnings went out, and when nodes were cordoned and gone, each in order.
type storm struct {
	mu                       sync.Mutex
	warnings, cordoned, gone []time.Time
	marked                   map[string]bool
}

func (h *house) watchStorm(ctx context.Context) *storm {
	s := &storm{marked: map[string]bool{}}
	factory := informers.NewSharedInformerFactory(h.kube, 0)
	_, _ = factory.Core().V1().Nodes().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, after any) {
			node := after.(*corev1.Node)
			s.mu.Lock()
			defer s.mu.Unlock()
			if kube.Noticed(node) && !s.marked[node.Name] {
				s.marked[node.Name] = true
				s.cordoned = append(s.cordoned, time.Now())
			}
		},
		DeleteFunc: func(any) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.gone = append(s.gone, time.Now())
		},
	})
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return s
}

// warned says that n warnings go out now.
func (s *storm) warned(now time.Time, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.warnings = append(s.warnings, now)
	}
}

func (s *storm) count(times *[]time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(*times)
}

// since is how long after its warning each came: the first after the first, and so on.
func (s *storm) since(times []time.Time) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]time.Duration, min(len(times), len(s.warnings)))
	for i := range out {
		out[i] = times[i].Sub(s.warnings[i])
	}
	slices.Sort(out)
	return out
}

func quantiles(d []time.Duration) string {
	if len(d) == 0 {
		return "none"
	}
	at := func(q float64) string { return seconds(d[min(len(d)-1, int(q*float64(len(d))))]) }
	return at(.5) + ", " + at(.99) + ", " + at(1)
}
