package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/starter/plan"
)

const planPool = `
apiVersion: floe.dev/v1alpha1
kind: NodePool
metadata: {name: general}
spec:
  launchTemplate: {name: web}
  subnets: [subnet-0a]
  fallback:
  - capacityType: on-demand
`

const planTypes = `name,arch,vcpu,memory_mib,enis,ipv4_per_eni,on_demand_usd_per_hour
m9.large,amd64,2,8192,3,10,0.1
m9.xlarge,amd64,4,16384,4,15,0.2
`

const planPods = `name,cpu_milli,memory_mib
web,1500,2048
whale-1,96000,2048
whale-2,96000,2048
`

// planArgs writes files and names them.
func planArgs(t *testing.T, more ...string) []string {
	t.Helper()
	args := []string{"plan"}
	for flag, text := range map[string]string{"pods": planPods, "pools": planPool, "catalog": planTypes} {
		file := filepath.Join(t.TempDir(), flag+".csv")
		if flag == "pools" {
			file = filepath.Join(t.TempDir(), "pools.yaml")
		}
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		args = append(args, "--"+flag, file)
	}
	return append(args, more...)
}

func TestPlanOfFilesAsTable(t *testing.T) {
	code, out, errs := floe(t, "", planArgs(t)...)
	require.Equal(t, ExitOK, code, errs)
	require.Equal(t, `3 pods need room: 0 fit on nodes there are, 0 on launches under way, 1 on new machines, 2 nowhere.

Would buy 1 machine for $0.1000/h; no plan costs less than $0.0750/h:
POOL      COUNT   TYPES                ZONES   $/H EACH   PODS   WHY
general   1       m9.large,m9.xlarge   -       0.1000     1      1 pod for 1 machine: m9.large at $0.1000 an hour (step 1, on-demand) is the best of 2 types that hold 1.5 CPU, 2Gi memory, 1 pod

Cannot be placed:
  default/whale-1 and 1 alike
    pool general: 2 types too small for 96 CPU
`, out)
}

func TestPlanOfFilesExplainsAPod(t *testing.T) {
	code, out, errs := floe(t, "", planArgs(t, "--why", "web")...)
	require.Equal(t, ExitOK, code, errs)
	require.Equal(t, `default/web: m9.large of pool general is bought
          POOL      TYPE        CAPACITY    STEP   ZONES        $/H      MORE
winner    general   m9.large    on-demand   1      us-east-1a   0.1000   -
instead   general   m9.xlarge   on-demand   1      us-east-1a   0.2000   +0.1000
pool general: 2 types can hold it
`, out)

	code, _, errs = floe(t, "", planArgs(t, "--why", "shop/nobody")...)
	require.Equal(t, ExitFailed, code)
	require.Equal(t, "floe: --why shop/nobody: no pod of that name needs room: name one of the 3 that do, as namespace/name\n", errs)
}

func TestPlanOfFilesAsJSON(t *testing.T) {
	code, out, errs := floe(t, "", planArgs(t, "-o", "json")...)
	require.Equal(t, ExitOK, code, errs)
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &fields))
	for _, name := range []string{
		"pods", "unschedulable", "nodes", "usd_per_hour", "lower_bound_usd_per_hour", "classes", "seconds", "pods_per_second", "launches",
	} {
		require.Contains(t, fields, name)
	}
	var report plan.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, 3, report.Pods)
	require.Len(t, report.Unschedulable, 2, "each pod by itself")
}

func TestPlanOfFilesFromStdin(t *testing.T) {
	args := planArgs(t, "--pods", "-")
	code, out, errs := floe(t, planPods, args...)
	require.Equal(t, ExitOK, code, errs)
	require.Contains(t, out, "3 pods need room")
}

func TestWrongFilesOfAPlan(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		in   string
		code int
		want string
	}{
		"no pools":    {[]string{"plan", "--pods", "x.csv"}, "", ExitUsage, "wants both --pods and --pools"},
		"no pods":     {[]string{"plan", "--catalog", "x.csv"}, "", ExitUsage, "wants both --pods and --pools"},
		"stdin twice": {[]string{"plan", "--pods", "-", "--pools", "-"}, "", ExitUsage, "only one of --pods, --pools and --catalog can be stdin"},
		"no file":     {[]string{"plan", "--pods", "/none.csv", "--pools", "/none.yaml"}, "", ExitFailed, "/none.csv"},
		"bad pods":    {planArgs(t, "--pods", "-"), "name,cpu_milli,memory_mib\na,x,1\n", ExitFailed, `-: line 2: cpu_milli: "x", want thousandths of a CPU`},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := floe(t, c.in, c.args...)
			require.Equal(t, c.code, code, errs)
			require.Contains(t, errs, c.want)
			require.Empty(t, out)
		})
	}
}
