package day

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/v1alpha1"
)

const folder = "../../../docs/"

// documented is the scenario of docs/day.yaml.
func documented(t testing.TB) *Scenario {
	t.Helper()
	data, err := os.ReadFile(folder + "day.yaml")
	require.NoError(t, err)
	s := &Scenario{}
	require.NoError(t, yaml.UnmarshalStrict(data, s))
	s.Defaults()
	require.NoError(t, s.Validate())
	return s
}

func hour(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }

// FLOE_WRITE=1 draws docs/day.svg anew.
func TestADayInTheLife(t *testing.T) {
	s := documented(t)
	r := Live(s)
	require.Zero(t, r.At(hour(7.9)).OnDemand, "spot while there is spot")
	require.Positive(t, r.At(hour(10.9)).OnDemand, "on-demand in the drought")
	require.Zero(t, r.At(hour(16)).OnDemand, "all has returned some two hours after")
	require.Less(t, r.At(hour(23.9)).Spot, r.At(hour(13)).Spot/2, "the evening shrinks it")
	require.Equal(t, 3, r.Reclaimed)
	require.Zero(t, r.Waiting)
	bought := 0
	for at := hour(14); at < hour(15); at += time.Minute {
		sample := r.At(at)
		bought += sample.Bought
		if at < hour(14.2) {
			require.Zero(t, sample.Shrunk, "nothing shrinks while the front end fails: %s", at)
		}
	}
	require.Zero(t, bought, "and nothing has to be bought when it is back")
	for at := hour(8); at < hour(11); at += time.Minute {
		require.Zero(t, r.At(at).Returned, "nothing returns in a drought: %s", at)
	}
	require.Less(t, r.USD, r.USDIfNothingLeft)

	picture := SVG(s, r)
	if os.Getenv("FLOE_WRITE") != "" {
		require.NoError(t, os.WriteFile(folder+"day.svg", picture, 0o644))
	}
	committed, err := os.ReadFile(folder + "day.svg")
	require.NoError(t, err)
	require.True(t, bytes.Equal(committed, picture), "docs/day.svg is not of this code: FLOE_WRITE=1 go test -run ADay ./internal/evaluate/day")
}

func TestPicturesAreXMLWhateverTheDescription(t *testing.T) {
	s := documented(t)
	s.Description, s.Length.Duration = "a <day> & \x00 \"night\"", time.Hour
	decoder := xml.NewDecoder(bytes.NewReader(SVG(s, Live(s))))
	for {
		_, err := decoder.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
	}
}

// Whatever the day, no pod is lost or made twice, and none runs twice.
func TestEveryPodRunsOrWaits(t *testing.T) {
	base := documented(t)
	rapid.Check(t, func(t *rapid.T) {
		s := *base
		span := func(label string) (from, to metav1.Duration) {
			from.Duration = time.Duration(rapid.IntRange(0, 200).Draw(t, label)) * time.Minute
			to.Duration = from.Duration + time.Duration(rapid.IntRange(1, 90).Draw(t, label+" for"))*time.Minute
			return from, to
		}
		s.Length.Duration = 4 * time.Hour
		s.Step.Duration = rapid.SampledFrom([]time.Duration{5 * time.Minute, 12 * time.Minute}).Draw(t, "step")
		s.Services, s.Droughts, s.Failures, s.Reclaims = nil, nil, nil, nil
		for _, name := range []string{"a", "b"} {
			service := Service{Name: name, Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("700m")}}
			for i, n := range rapid.SliceOfN(rapid.IntRange(0, 25), 1, 4).Draw(t, name) {
				service.Replicas = append(service.Replicas, Point{At: metav1.Duration{Duration: time.Duration(i) * time.Hour}, Count: n})
			}
			s.Services = append(s.Services, service)
		}
		for _, ct := range []v1alpha1.CapacityType{v1alpha1.Spot, v1alpha1.OnDemand} {
			from, to := span(string(ct))
			s.Droughts = append(s.Droughts, Drought{From: from, To: to, CapacityType: ct})
		}
		from, to := span("failure")
		s.Failures = append(s.Failures, Failure{Service: "a", From: from, To: to, Scales: map[string]int{"b": 2}})
		from, _ = span("reclaim")
		s.Reclaims = append(s.Reclaims, Reclaim{At: from, Machines: rapid.IntRange(1, 9).Draw(t, "machines")})
		require.NoError(t, s.Validate())

		l := newLife(&s, &s.Pool)
		for l.offset = 0; l.offset < s.Length.Duration; l.offset += s.Step.Duration {
			l.step()
			seen := map[string]int{}
			count := func(pods []*corev1.Pod, node string) {
				for _, p := range pods {
					require.Equal(t, node, p.Spec.NodeName)
					require.Zero(t, seen[p.Name], "%s is there once", p.Name)
					seen[p.Name]++
					seen[p.Labels["app"]]++
				}
			}
			count(l.waiting, "")
			for _, m := range l.nodes {
				count(m.Pods, m.Name)
			}
			for i := range s.Services {
				require.Equal(t, s.replicas(&s.Services[i], l.offset), seen[s.Services[i].Name], "%s at %s", s.Services[i].Name, l.offset)
			}
			require.Len(t, l.waits, len(l.waiting))
		}
	})
}

func TestACurveIsStraightFromPointToPoint(t *testing.T) {
	s := Scenario{Services: []Service{{Name: "a", Replicas: []Point{
		{At: metav1.Duration{Duration: hour(1)}, Count: 2}, {At: metav1.Duration{Duration: hour(2)}, Count: 10}, {At: metav1.Duration{Duration: hour(3)}, Count: 0},
	}}}}
	for at, want := range map[float64]int{0: 2, 1: 2, 1.5: 6, 2: 10, 2.5: 5, 3: 0, 9: 0} {
		require.Equal(t, want, s.replicas(&s.Services[0], hour(at)), "at %v", at)
	}
}

func TestValidateSaysWhatIsWrong(t *testing.T) {
	hours := func(h float64) metav1.Duration { return metav1.Duration{Duration: hour(h)} }
	for says, spoil := range map[string]func(*Scenario){
		"start: missing":                       func(s *Scenario) { s.Start = metav1.Time{} },
		"step: 1s; give 10s to 1h":             func(s *Scenario) { s.Step.Duration = time.Second },
		"length: 2000h0m0s":                    func(s *Scenario) { s.Length = hours(2000) },
		"boot: -1h0m0s":                        func(s *Scenario) { s.Boot = hours(-1) },
		"spotDiscount: 1;":                     func(s *Scenario) { s.SpotDiscount = 1 },
		"pool.spec.subnets":                    func(s *Scenario) { s.Pool.Spec.Subnets = nil },
		"a day has no standby machines":        func(s *Scenario) { s.Pool.Spec.Fallback[0].CapacityType = v1alpha1.Hibernated },
		"services: none":                       func(s *Scenario) { s.Services = nil },
		`services[1].name: "front"`:            func(s *Scenario) { s.Services[1].Name = "front" },
		"services[0].replicas: none":           func(s *Scenario) { s.Services[0].Replicas = nil },
		"services[0].replicas[1]: 20 at 5h0m":  func(s *Scenario) { s.Services[0].Replicas[1].At = hours(5) },
		"a day bears 5000":                     func(s *Scenario) { s.Services[0].Replicas[1].Count = 5000 },
		"services[0].requests[cpu]: -1":        func(s *Scenario) { s.Services[0].Requests[corev1.ResourceCPU] = resource.MustParse("-1") },
		"droughts[0]: from 11h0m0s to 8h0m0s":  func(s *Scenario) { s.Droughts[0].From, s.Droughts[0].To = hours(11), hours(8) },
		"droughts[0].capacityType: hibernated": func(s *Scenario) { s.Droughts[0].CapacityType = v1alpha1.Hibernated },
		`failures[0].service: "nobody"`:        func(s *Scenario) { s.Failures[0].Service = "nobody" },
		"failures[0].scales: back: -1":         func(s *Scenario) { s.Failures[0].Scales["back"] = -1 },
		"reclaims[0]: 0 machines":              func(s *Scenario) { s.Reclaims[0].Machines = 0 },
	} {
		t.Run(says, func(t *testing.T) {
			s := documented(t)
			spoil(s)
			require.ErrorContains(t, s.Validate(), says)
		})
	}
}
