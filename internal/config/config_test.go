package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

const whole = `
clusters:
  - name: demo
    kubeconfig: /tmp/demo.kubeconfig
    account: main
    notices: [{condition: SpotInterruption, kind: interruption}, {taint: aws-node-termination-handler/rebalance-recommendation, kind: rebalance}]
  - {name: other, kubeconfig: /tmp/other.kubeconfig, account: us}
accounts:
  - {name: main, region: eu-west-1, role: "arn:aws:iam::123456789012:role/floe", interruptionQueue: floe-events, rates: {launch: 3}}
  - {name: us, region: us-gov-west-1, endpoint: "http://127.0.0.1:4566"}
store: {uri: "mongodb://floe:secret@127.0.0.1:27017", database: nodes, retention: {nodes: 0, plans: 48h}}
temporal: {address: "127.0.0.1:7233", namespace: default, ui: "http://127.0.0.1:8233"}
describeLag: 5s
`

func load(t *testing.T, yaml string, args ...string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "floe.yaml")
	require.NoError(t, os.WriteFile(path, []byte(yaml), 0o600))
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Flags(flags)
	require.NoError(t, flags.Parse(append([]string{"--config", path}, args...)))
	return config.Load(flags)
}

func TestLoadFile(t *testing.T) {
	c, err := load(t, whole)
	require.NoError(t, err)
	require.Equal(t, &config.Config{
		Clusters: []config.Cluster{
			{Name: "demo", Kubeconfig: "/tmp/demo.kubeconfig", Account: "main", Notices: []config.Notice{
				{Condition: "SpotInterruption", Kind: contract.ReclaimInterruption},
				{Taint: "aws-node-termination-handler/rebalance-recommendation", Kind: contract.ReclaimRebalance},
			}},
			{Name: "other", Kubeconfig: "/tmp/other.kubeconfig", Account: "us"},
		},
		Accounts: []config.Account{
			{
				Name: "main", Region: "eu-west-1", Role: "arn:aws:iam::123456789012:role/floe", InterruptionQueue: "floe-events",
				Rates: map[contract.APIClass]float64{contract.ClassLaunch: 3},
			},
			{Name: "us", Region: "us-gov-west-1", Endpoint: "http://127.0.0.1:4566"},
		},
		Store: config.Store{
			URI: "mongodb://floe:secret@127.0.0.1:27017", Database: "nodes",
			Retention: config.Retention{
				Nodes: 0, Plans: 48 * time.Hour, Hops: 26280 * time.Hour, Offerings: 48 * time.Hour, Events: 26280 * time.Hour, Images: 720 * time.Hour,
			},
		},
		Temporal:    config.Temporal{Address: "127.0.0.1:7233", Namespace: "default", UI: "http://127.0.0.1:8233"},
		DescribeLag: 5 * time.Second,
	}, c)
	require.EqualValues(t, 3, c.Accounts[0].Rate(contract.ClassLaunch))
	require.EqualValues(t, 20, c.Accounts[0].Rate(contract.ClassRead))
}

func TestLaterSourcesOverride(t *testing.T) {
	t.Setenv("FLOE_STORE_DATABASE", "by-env")
	t.Setenv("FLOE_DESCRIBE_LAG", "7s")
	t.Setenv("FLOE_CACHE", "not ours to read")
	c, err := load(t, whole, "--describe-lag", "9s")
	require.NoError(t, err)
	require.Equal(t, "by-env", c.Store.Database)
	require.Equal(t, 9*time.Second, c.DescribeLag)
	require.EqualValues(t, "mongodb://floe:secret@127.0.0.1:27017", c.Store.URI, "not given again, so the file's")
}

func TestFileByEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "floe.yaml")
	require.NoError(t, os.WriteFile(path, []byte(whole), 0o600))
	t.Setenv(config.EnvConfig, path)
	c, err := config.Load(nil)
	require.NoError(t, err)
	require.Len(t, c.Clusters, 2)
}

func TestDefaults(t *testing.T) {
	c, err := load(t, "accounts: [{name: main, region: eu-west-1}]\nclusters: [{name: demo}]")
	require.NoError(t, err)
	require.Equal(t, time.Minute, c.DescribeLag)
	require.Equal(t, config.Store{Database: "floe", Retention: config.Retention{
		Nodes: 26280 * time.Hour, Plans: 720 * time.Hour, Hops: 26280 * time.Hour, Offerings: 48 * time.Hour, Events: 26280 * time.Hour, Images: 720 * time.Hour,
	}}, c.Store)
	require.NoError(t, c.Store.Retention.Input().Validate())
	cluster, err := c.Cluster("")
	require.NoError(t, err)
	require.Equal(t, config.Cluster{Name: "demo", Account: "main"}, cluster, "the only account is the cluster's")
	_, err = load(t, "")
	require.NoError(t, err, "an empty file is a configuration without clusters")
}

func TestMistakes(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"unknown at the top":    {"clutsers: []", "clutsers: unknown field; the fields here are clusters, accounts, store, temporal, describeLag"},
		"unknown in a list":     {"accounts: [{name: main, region: eu-west-1, regoin: x}]", "accounts[0].regoin: unknown field; the fields here are name, region, role, endpoint, interruptionQueue, rates"},
		"unknown in an object":  {"store: {url: x}", "store.url: unknown field; the fields here are uri, database, retention"},
		"unknown below":         {"store: {retention: {nods: 1h}}", "store.retention.nods: unknown field; the fields here are nodes, plans, hops, offerings, events"},
		"retention, no unit":    {"store: {retention: {plans: 720}}", "store.retention.plans: 720ns is too short: give at least 24h, with the unit, or 0 to keep for ever"},
		"retention, negative":   {"store: {retention: {nodes: -1h}}", "store.retention.nodes: -1h0m0s is too short"},
		"retention, too short":  {"store: {retention: {offerings: 1h}}", "store.retention.offerings: 1h0m0s is too short"},
		"retention, none":       {"store: {retention: {hops: long}}", "store.retention.hops"},
		"case matters":          {"Clusters: []", "Clusters: unknown field"},
		"wrong kind":            {"clusters: demo", "clusters"},
		"wrong kind below":      {"clusters: [{name: {a: b}}]", "clusters[0].name"},
		"no YAML":               {"clusters: [", "line 1"},
		"name with separator":   {"accounts: [{name: a.b, region: eu-west-1}]", `accounts[0].name: "a.b" is no name`},
		"two of a name":         {"accounts: [{name: a, region: eu-west-1}, {name: a, region: us-east-1}]", `accounts[1].name: "a" is the name of accounts[0] already`},
		"two clusters":          {"accounts: [{name: a, region: eu-west-1}]\nclusters: [{name: c}, {name: c}]", `clusters[1].name: "c" is the name of clusters[0] already`},
		"region":                {"accounts: [{name: a, region: ireland}]", `accounts[0].region: "ireland" is no AWS region: give one such as eu-west-1`},
		"role":                  {"accounts: [{name: a, region: eu-west-1, role: floe}]", `accounts[0].role: "floe" is not the ARN of an IAM role`},
		"endpoint":              {"accounts: [{name: a, region: eu-west-1, endpoint: '127.0.0.1:1'}]", "accounts[0].endpoint"},
		"queue":                 {"accounts: [{name: a, region: eu-west-1, interruptionQueue: my.queue}]", `accounts[0].interruptionQueue: "my.queue" is no name of an SQS queue: give one such as floe-events, or its URL`},
		"queue's address":       {"accounts: [{name: a, region: eu-west-1, interruptionQueue: 'sqs://x'}]", `accounts[0].interruptionQueue: "sqs://x" is no http or https URL`},
		"temporal's pages":      {"temporal: {ui: '127.0.0.1:8233'}", `temporal.ui: "127.0.0.1:8233" is no http or https URL: give one such as http://127.0.0.1:8233`},
		"rate":                  {"accounts: [{name: a, region: eu-west-1, rates: {launch: 0}}]", "accounts[0].rates.launch"},
		"rate of no class":      {"accounts: [{name: a, region: eu-west-1, rates: {lunch: 1}}]", "accounts[0].rates.lunch: unknown API class"},
		"account missing":       {"clusters: [{name: c}]", "clusters[0].account: no account named, and the configuration has 0"},
		"account unknown":       {"accounts: [{name: a, region: eu-west-1}]\nclusters: [{name: c, account: b}]", `clusters[0].account: the configuration has no account "b": name one of a`},
		"store scheme":          {"store: {uri: 'postgres://floe:secret@x'}", "store.uri: the scheme is not mongodb"},
		"store database":        {"store: {database: ''}", "store.database: empty"},
		"lag without unit":      {"describeLag: 60", "describeLag: 60ns is too short: give a duration with its unit"},
		"lag that is none":      {"describeLag: soon", "describeLag"},
		"both mistakes of many": {"describeLag: 0s\nstore: {database: ''}", "store.database"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tc.yaml)
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, "floe.yaml", "the file is named")
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestMistakesInNotices(t *testing.T) {
	for name, tc := range map[string]struct{ notices, want string }{
		"unknown field":     {"{conditoin: X, kind: interruption}", "clusters[0].notices[0].conditoin: unknown field; the fields here are condition, taint, kind"},
		"nothing":           {"{kind: interruption}", "clusters[0].notices[0]: says nothing to look for: give condition, a node condition's type, or taint, a taint's key"},
		"both":              {"{condition: X, taint: y, kind: interruption}", "clusters[0].notices[0]: has both condition and taint: make two notices of it"},
		"no kind":           {"{condition: X}", `clusters[0].notices[0].kind: "" is no kind of notice: give interruption, rebalance or scheduled`},
		"another kind":      {"{condition: X, kind: reclaim}", `clusters[0].notices[0].kind: "reclaim" is no kind of notice`},
		"always true":       {"{condition: Ready, kind: interruption}", "clusters[0].notices[0].condition: Ready is True of every healthy node"},
		"no condition":      {"{condition: 'a b', kind: interruption}", `clusters[0].notices[0].condition: "a b" is no name such as SpotInterruption: `},
		"no taint":          {"{taint: a=b, kind: interruption}", `clusters[0].notices[0].taint: "a=b" is no name such as aws-node-termination-handler/spot-itn: `},
		"Floe's own":        {"{taint: floe.dev/reclaim, kind: interruption}", `clusters[0].notices[0].taint: "floe.dev/reclaim" is Floe's own`},
		"twice":             {"{taint: a, kind: interruption}, {taint: a, kind: rebalance}", "clusters[0].notices[1]: looks for what clusters[0].notices[0] looks for already: leave one out"},
		"the second of two": {"{taint: a, kind: interruption}, {taint: b, kind: now}", `clusters[0].notices[1].kind: "now" is no kind of notice`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, "accounts: [{name: a, region: eu-west-1}]\nclusters: [{name: c, notices: ["+tc.notices+"]}]")
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestFileMissing(t *testing.T) {
	t.Setenv(config.EnvConfig, "/nowhere/floe.yaml")
	_, err := config.Load(nil)
	require.ErrorContains(t, err, "/nowhere/floe.yaml: no such file: name the configuration file with --config or FLOE_CONFIG")
}

func TestLookups(t *testing.T) {
	c, err := load(t, whole)
	require.NoError(t, err)
	account, err := c.Account("us")
	require.NoError(t, err)
	require.Equal(t, "us-gov-west-1", account.Region)
	_, err = c.Account("eu")
	require.ErrorContains(t, err, "name one of main, us")
	_, err = c.Account("")
	require.ErrorContains(t, err, "no account named")
	_, err = c.Cluster("")
	require.ErrorContains(t, err, "name one of demo, other")
	_, err = c.Cluster("prod")
	require.ErrorContains(t, err, `no cluster "prod"`)
}

func TestURIHidesSecrets(t *testing.T) {
	for uri, want := range map[config.URI]string{
		"mongodb://127.0.0.1:27017":                          "mongodb://127.0.0.1:27017",
		"mongodb://floe:s3cret@a:1,b:2/db?tls=true&x=s3cret": "mongodb://…@a:1,b:2/db",
		"mongodb+srv://floe:s3cret/@s3cret?@h.example/db":    "mongodb+srv://…@h.example/db",
		"s3cret":                          "…",
		"mongodb://h/?authToken=s3cret":   "mongodb://h/",
		"mongodb://h/?authToken=s3cret@x": "mongodb://…@x",
	} {
		require.Equal(t, want, uri.String())
		c := config.Config{Store: config.Store{URI: uri}}
		encoded, err := json.Marshal(c)
		require.NoError(t, err)
		var logged strings.Builder
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "uri", uri, "store", c.Store)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "uri", uri, "store", c.Store)
		for _, printed := range []string{
			uri.String(), fmt.Sprintf("%v %+v %#v %s %q", uri, c, c, c.Store, uri), string(encoded), logged.String(),
		} {
			require.NotContains(t, printed, "s3cret")
		}
	}
}
