package aws

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"floe.dev/floe/activities/store"
	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/script"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		os.Setenv(name, value)
	}
	os.Exit(m.Run())
}

// bed is the activities with a simulated AWS behind a socket.
type bed struct {
	*Activities
	t    *testing.T
	url  string
	kept *keptStore
}

const (
	testAccount = "main"
	testCluster = "demo"
	// testLag is the describe lag that the activities reckon with. The simulator's is shorter, as EC2's mostly is.
	testLag = 400 * time.Millisecond
)

func newBed(t *testing.T, lines string, configure ...func(*sim.Options)) *bed {
	t.Helper()
	parsed, err := script.Parse(lines)
	require.NoError(t, err)
	quiet := slog.New(slog.DiscardHandler)
	options := sim.Options{Script: parsed, Log: quiet, Boot: &sim.Boot{}, Seed: 1}
	for _, c := range configure {
		c(&options)
	}
	world, err := sim.New(options)
	require.NoError(t, err)
	t.Cleanup(world.Close)
	server := httptest.NewServer(world.Handler())
	t.Cleanup(server.Close)
	kept := &keptStore{}
	account := config.Account{Name: testAccount, Region: sim.DefaultRegion, Endpoint: server.URL}
	if options.Unthrottled {
		account.Rates = map[contract.APIClass]float64{}
		for _, class := range contract.APIClasses {
			account.Rates[class] = 10_000
		}
	}
	activities, err := New(context.Background(), Options{
		Accounts:    []config.Account{account},
		DescribeLag: testLag,
		Store:       kept,
		Log:         quiet,
	})
	require.NoError(t, err)
	return &bed{Activities: activities, t: t, url: server.URL, kept: kept}
}

func (b *bed) truth() sim.Truth {
	b.t.Helper()
	response, err := http.Get(b.url + "/truth")
	require.NoError(b.t, err)
	defer response.Body.Close()
	var truth sim.Truth
	require.NoError(b.t, json.NewDecoder(response.Body).Decode(&truth))
	return truth
}

func (b *bed) calls(action string) int { return b.truth().Counts[action].All }

func (b *bed) script(lines string) {
	b.t.Helper()
	response, err := http.Post(b.url+"/script", "text/plain", strings.NewReader(lines))
	require.NoError(b.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	require.Less(b.t, response.StatusCode, 300, string(body))
}

// launchInput asks for count machines of some types in all three zones, at made-up prices.
func launchInput(token string, count int, ct v1alpha1.CapacityType, types ...string) contract.LaunchInput {
	in := contract.LaunchInput{
		Account: testAccount, Region: sim.DefaultRegion, Cluster: testCluster, Pool: "general", Plan: "abc-1",
		ScaleUp: "scaleup/demo/abc-1/0", Hop: 1, Token: token, Count: count,
		Template: contract.ResolvedTemplate{ID: sim.LaunchTemplateID, Version: "1", ImageID: sim.ImageX86},
		Step:     contract.Step{Index: 2, CapacityType: ct},
	}
	for i, t := range types {
		for j, place := range places {
			in.Step.Overrides = append(in.Step.Overrides, contract.Override{
				Offering: contract.Offering{Region: in.Region, ZoneID: place.zoneID, InstanceType: t, CapacityType: ct},
				Zone:     place.zone, Subnet: place.subnet, USDPerHour: 0.1 + float64(i) + float64(j)/100,
			})
		}
	}
	return in
}

var places = []struct{ zone, zoneID, subnet string }{
	{"eu-west-1a", "euw1-az1", sim.SubnetA}, {"eu-west-1b", "euw1-az2", sim.SubnetB}, {"eu-west-1c", "euw1-az3", sim.SubnetC},
}

// tries plays Temporal: it attempts one hop again and again, each attempt with the details that the last one left.
type tries struct {
	b       *bed
	in      contract.LaunchInput
	number  int32
	details progress
}

func (b *bed) tries(in contract.LaunchInput) *tries { return &tries{b: b, in: in} }

// once attempts once. A crash is an attempt of which nothing comes back, neither answer nor details.
func (r *tries) once(crash bool) (contract.LaunchResult, error) {
	r.number++
	left := r.details
	h := hop{
		Activities: r.b.Activities, acc: r.b.accounts[testAccount], in: r.in,
		attempt: attempt{number: r.number, last: r.details, started: time.Now(), record: func(p progress) { left = p }},
	}
	result, err := h.run(context.Background())
	if !crash {
		r.details = left
	}
	return result, err
}

func typeOf(t require.TestingT, err error) string {
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	return application.Type()
}

// keptStore keeps hops in memory.
type keptStore struct {
	mu      sync.Mutex
	hops    []contract.HopRecord
	learned []store.Learned
	starts  []contract.HopRecord // what starts taught
	claims  map[string]string    // probes by id, and whose they are
	err     error

	reclaims []contract.ReclaimedRecord
}

// answer sets what the store says from now on.
func (k *keptStore) answer(learned []store.Learned, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.learned, k.err = learned, err
}

func (k *keptStore) PutReclaim(_ context.Context, record contract.ReclaimedRecord) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reclaims = append(k.reclaims, record)
	return k.err
}

func (k *keptStore) PutHops(_ context.Context, records []contract.HopRecord) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hops = append(k.hops, records...)
	return k.err
}

func (k *keptStore) PutLearned(_ context.Context, record contract.HopRecord) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.starts = append(k.starts, record)
	return k.err
}

func (k *keptStore) Learned(context.Context, string, time.Time) ([]store.Learned, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.learned, k.err
}

func (k *keptStore) ClaimProbes(_ context.Context, by string, probes []contract.Override) (map[string]bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.claims == nil {
		k.claims = map[string]string{}
	}
	taken := map[string]bool{}
	for _, p := range probes {
		if k.err == nil && k.claims[p.Probe] == "" {
			k.claims[p.Probe] = by
		}
		if k.err == nil && k.claims[p.Probe] != by {
			taken[p.Probe] = true
		}
	}
	return taken, k.err
}

// handClock is moved by hand.
type handClock struct{ nanoseconds atomic.Int64 }

func newHandClock() *handClock {
	c := &handClock{}
	c.nanoseconds.Store(time.Now().UnixNano())
	return c
}

func (c *handClock) now() time.Time { return time.Unix(0, c.nanoseconds.Load()) }

func (c *handClock) move(d time.Duration) { c.nanoseconds.Add(int64(d)) }
