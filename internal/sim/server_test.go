package sim_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/cloud"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode, string(body)
}

func TestCallersMustSign(t *testing.T) {
	w := newWorld(t, sim.Options{})
	ask := func(header string) (int, string) {
		r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.url+"/", strings.NewReader("Action=DescribeSubnets&Version=2016-11-15"))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Amz-Date", "20260731T120000Z")
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode, string(body)
	}
	status, body := ask("")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "<Code>MissingAuthenticationToken</Code>")
	good := "AWS4-HMAC-SHA256 Credential=AKIAFLOETESTBED00000/20260731/eu-west-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0f", 32)
	status, body = ask(good)
	require.Equal(t, http.StatusOK, status, body)
	for _, wrong := range []string{strings.Replace(good, "eu-west-1", "us-east-1", 1), strings.Replace(good, "/ec2/", "/s3/", 1)} {
		status, body = ask(wrong)
		require.Equal(t, http.StatusUnauthorized, status)
		require.Contains(t, body, "<Code>AuthFailure</Code>")
	}
	require.Equal(t, 4, w.server.Truth().Counts["DescribeSubnets"].All, "refused callers are counted too")
}

func TestUnknownActionsAreRefused(t *testing.T) {
	w := newWorld(t, sim.Options{})
	_, err := w.ec2.DescribeVpcs(w.ctx, nil)
	require.Equal(t, "InvalidAction", code(err))
	_, err = w.ec2.DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{DryRun: aws.Bool(true)})
	require.Equal(t, "DryRunOperation", code(err))
}

func TestSTS(t *testing.T) {
	w := newWorld(t, sim.Options{})
	client := sts.NewFromConfig(w.config)
	who, err := client.GetCallerIdentity(w.ctx, nil)
	require.NoError(t, err)
	require.Equal(t, sim.DefaultAccount, aws.ToString(who.Account))
	role, err := client.AssumeRole(w.ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/floe"), RoleSessionName: aws.String("worker"),
	})
	require.NoError(t, err)
	require.True(t, role.Credentials.Expiration.After(w.clock.Now()))
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/floe/worker", aws.ToString(role.AssumedRoleUser.Arn))
	config := w.config.Copy()
	config.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: *role.Credentials.AccessKeyId, SecretAccessKey: *role.Credentials.SecretAccessKey, SessionToken: *role.Credentials.SessionToken,
		}, nil
	})
	_, err = ec2.NewFromConfig(config).DescribeSubnets(w.ctx, nil)
	require.NoError(t, err, "what AssumeRole gives is good for EC2")
	_, err = client.AssumeRole(w.ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::210987654321:role/floe"), RoleSessionName: aws.String("worker"),
	})
	require.Equal(t, "AccessDenied", code(err))
	_, err = client.GetSessionToken(w.ctx, nil)
	require.Equal(t, "InvalidAction", code(err))
}

func TestSSM(t *testing.T) {
	w := newWorld(t, sim.Options{})
	client := ssm.NewFromConfig(w.config)
	for name, want := range cloud.ImageAliases() {
		got, err := client.GetParameter(w.ctx, &ssm.GetParameterInput{Name: aws.String(name)})
		require.NoError(t, err)
		require.Equal(t, want, aws.ToString(got.Parameter.Value))
	}
	_, err := client.GetParameter(w.ctx, &ssm.GetParameterInput{Name: aws.String("/nothing")})
	require.Equal(t, "ParameterNotFound", code(err))
	w.script("deny GetParameter")
	_, err = client.GetParameter(w.ctx, &ssm.GetParameterInput{Name: aws.String("/nothing")})
	require.Equal(t, "AccessDeniedException", code(err))
	for err = nil; code(err) != "ThrottlingException"; {
		_, err = client.GetParameter(w.ctx, &ssm.GetParameterInput{Name: aws.String("/nothing")})
		require.NotEqual(t, "ParameterNotFound", code(err))
	}
	require.Equal(t, 41, w.server.Truth().Counts["GetParameter"].All, "40 a second")
}

func TestThePrivateAPI(t *testing.T) {
	w := newWorld(t, sim.Options{})
	status, body := get(t, w.url+"/healthz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok\n", body)
	_, err := w.ec2.CreateFleet(w.ctx, fleet(2, spot, "token", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	w.clock.Advance(5*time.Second + 2*time.Hour)
	_, body = get(t, w.url+"/truth")
	var truth sim.Truth
	require.NoError(t, json.Unmarshal([]byte(body), &truth))
	require.Len(t, truth.Instances, 2)
	i := truth.Instances[0]
	require.Equal(t, "token", i.Token)
	require.Equal(t, "CreateFleet", i.LaunchedBy)
	require.Equal(t, "running", i.State)
	require.Equal(t, sim.LaunchTemplateID+":1", i.Template)
	require.InEpsilon(t, 2*i.USDPerHour, i.CostUSD, 0.01)
	require.InEpsilon(t, 2*i.CostUSD, truth.CostUSD, 0.01)
	require.Equal(t, 1, truth.Counts["CreateFleet"].All)
	require.Len(t, truth.Calls, 1)

	for _, wrong := range []string{"m5.* spot *: 0\nnonsense", "deny FlyAway"} {
		answer, err := http.Post(w.url+"/script", "text/plain", strings.NewReader(wrong))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusBadRequest, answer.StatusCode)
	}
	out, err := w.ec2.CreateFleet(w.ctx, fleet(1, spot, "", in("m5.large", sim.SubnetA)))
	require.NoError(t, err)
	require.Empty(t, out.Errors, "a script with a wrong line does nothing at all")
}

func TestBudgets(t *testing.T) {
	w := newWorld(t, sim.Options{})
	launch := func() string {
		_, err := w.ec2.RunInstances(w.ctx, run(1, sim.SubnetA, ""))
		return code(err)
	}
	for range 5 {
		require.Empty(t, launch())
	}
	require.Equal(t, "RequestLimitExceeded", launch(), "RunInstances has five requests, and two more each second")
	w.clock.Advance(time.Second)
	require.Empty(t, launch())
	require.Empty(t, launch())
	require.Equal(t, "RequestLimitExceeded", launch())
	_, err := w.ec2.DescribeSubnets(w.ctx, nil)
	require.NoError(t, err, "every action has its own budget")
	w.clock.Advance(time.Minute)
	_, err = w.ec2.RunInstances(w.ctx, run(1000, sim.SubnetB, ""))
	require.NoError(t, err)
	_, err = w.ec2.RunInstances(w.ctx, run(200, sim.SubnetC, ""))
	require.Equal(t, "RequestLimitExceeded", code(err), "a thousand instances, and two more each second")
	require.Equal(t, map[string]int{"RequestLimitExceeded": 3}, w.server.Truth().Counts["RunInstances"].Refused)
}

const scenario = `
seed: 7
speed: 10
boot: {pending: 1s, jitter: 0}
describeLag: 2s
fleetReplay: same
buckets: false
quotas: {spotVCPUs: 64}
notOffered: [{types: "m7g.*", zone: eu-west-1c}]
script: |
  # a drought
  at 30s c5.* spot *: 0
  lose answer of CreateFleet
`

func TestLoadScenario(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	require.NoError(t, os.WriteFile(file, []byte(scenario), 0o600))
	o, err := sim.LoadScenario(file)
	require.NoError(t, err)
	require.EqualValues(t, 7, o.Seed)
	require.Equal(t, 10.0, o.Speed)
	require.Equal(t, time.Second, o.Boot.Pending)
	require.Equal(t, sim.DefaultBoot().Register, o.Boot.Register, "what is left out stays as it is")
	require.Zero(t, o.Boot.Jitter)
	require.Equal(t, 2*time.Second, o.DescribeLag)
	require.Equal(t, cloud.ReplaySame, o.FleetReplay)
	require.True(t, o.Unthrottled)
	require.Equal(t, 64, o.Quotas.SpotVCPUs)
	require.Len(t, o.NotOffered, 1)
	require.Len(t, o.Script, 2)

	for wrong, message := range map[string]string{
		"spede: 3":                            "spede",
		"speed: 0":                            "above 0",
		"speed: -1":                           "above 0",
		"account: me":                         "twelve digits",
		"region: us-east-1":                   "zones",
		"zones: [{name: a}]":                  "zones[0]",
		"boot: {ready: -1s}":                  "boot.ready",
		"boot: {jitter: 1}":                   "boot.jitter",
		"boot: {ready: soon}":                 "soon",
		"fleetReplay: maybe":                  "fleetReplay",
		"notOffered: [{zone: eu-west-1a}]":    "notOffered[0]",
		"quotas: {spotVCPUs: -1}":             "quotas",
		"describeLag: -1s":                    "describeLag",
		"script: nonsense":                    "script: line 1",
		"script: deny FlyAway":                "FlyAway",
		"script: 'at 30s deny RunInstances '": "",
	} {
		require.NoError(t, os.WriteFile(file, []byte(wrong), 0o600))
		_, err := sim.LoadScenario(file)
		if message == "" {
			require.NoError(t, err, wrong)
			continue
		}
		require.ErrorContains(t, err, message, wrong)
		require.ErrorContains(t, err, file)
	}
	_, err = sim.LoadScenario(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRunTellsWhereItServesAndStops(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sim.Run(ctx, sim.Options{ReadyFile: ready, Log: slog.New(slog.DiscardHandler)}) }()
	var base string
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(ready)
		base = strings.TrimSpace(string(data))
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	_, err := url.Parse(base)
	require.NoError(t, err)
	status, _ := get(t, base+"/healthz")
	require.Equal(t, http.StatusOK, status)
	cancel()
	require.NoError(t, <-ended)
	require.ErrorContains(t, sim.Run(t.Context(), sim.Options{Kubeconfig: filepath.Join(t.TempDir(), "none")}), "kubeconfig")
	require.ErrorContains(t, sim.Run(t.Context(), sim.Options{Listen: "256.0.0.1:1"}), "--listen")
}
