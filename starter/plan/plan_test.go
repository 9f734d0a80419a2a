package plan

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

var zones = []string{"us-east-1a", "us-east-1b"}

func file(t *testing.T, name string) File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return File{Name: name, Data: data}
}

func files(t *testing.T, pods string) Inputs {
	t.Helper()
	return Inputs{Pods: file(t, pods), Pools: file(t, "pools.yaml"), Catalog: file(t, "types.csv"), Zones: zones}
}

func golden(t *testing.T, name string, got any) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	require.NoError(t, err)
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(text))
}

func TestPlansOfFiles(t *testing.T) {
	for name, c := range map[string]struct{ pods, why string }{
		"yaml":         {"pods.yaml", ""},
		"csv":          {"pods.csv", ""},
		"why-bought":   {"pods.yaml", "shop/web-3"},
		"why-nowhere":  {"pods.yaml", "whale"},
		"why-the-pool": {"pods.yaml", "db/main"},
	} {
		t.Run(name, func(t *testing.T) {
			s, notes, err := Read(files(t, c.pods), time.Time{})
			require.NoError(t, err)
			r := Make(s, c.why)
			require.Positive(t, r.Seconds)
			require.Positive(t, r.PodsPerSecond)
			r.Seconds, r.PodsPerSecond, r.Notes = 0, 0, notes
			if c.why != "" {
				golden(t, name+".json", r.Why)
				return
			}
			golden(t, name+".json", r)
		})
	}
}

func TestWhyOfAPodThatIsNotThere(t *testing.T) {
	s, _, err := Read(files(t, "pods.csv"), time.Time{})
	require.NoError(t, err)
	require.Nil(t, Make(s, "shop/nobody").Why)
}

func TestEveryPodWithoutAPlaceIsNamedWithItsReasons(t *testing.T) {
	in := files(t, "pods.csv")
	in.Pods.Data = []byte("name,cpu_milli,memory_mib\nz,96000,1\na,96000,1\nm,97000,1\nb,96000,1\n")
	s, _, err := Read(in, time.Time{})
	require.NoError(t, err)
	r := Make(s, "")
	reasons := map[string]string{}
	for _, u := range r.Unschedulable {
		reasons[u.Pod] = u.Reasons[1]
	}
	require.Equal(t, map[string]string{
		"default/a": "pool general: 5 types too small for 96 CPU", "default/b": "pool general: 5 types too small for 96 CPU",
		"default/z": "pool general: 5 types too small for 96 CPU", "default/m": "pool general: 5 types too small for 97 CPU",
	}, reasons)
	require.Equal(t, 4, r.UnschedulableCount)
}

func TestSpotPricesOfTheCatalog(t *testing.T) {
	in := files(t, "pods.csv")
	in.Catalog.Data = []byte("spot_usd_per_hour,name,arch,vcpu,memory_mib,enis,ipv4_per_eni,on_demand_usd_per_hour\n" +
		"0.03,m9.xlarge,amd64,4,16384,4,15,0.2\n,m9.large,amd64,2,8192,3,10,0.1\n")
	s, notes, err := Read(in, time.Time{})
	require.NoError(t, err)
	require.Empty(t, notes)
	r := Make(s, "")
	require.InDelta(t, 0.03, r.USDPerHour, 1e-9, "both pods on one spot machine")
	require.Equal(t, "m9.xlarge", r.Launches[0].InstanceTypes[0])
}

func TestTypesThatFloeBringsAlong(t *testing.T) {
	in := files(t, "pods.csv")
	in.Catalog = File{}
	s, _, err := Read(in, time.Time{})
	require.NoError(t, err)
	require.Equal(t, 3, Make(s, "").Launched)
}

func TestZonesOfSubnets(t *testing.T) {
	in := files(t, "pods.csv")
	in.Zones = []string{"eu-west-1a", "eu-west-1b"}
	in.Pods = File{Name: "p.yaml", Data: []byte(`
apiVersion: v1
kind: Pod
metadata: {name: there}
spec:
  nodeSelector: {topology.kubernetes.io/zone: eu-west-1b}
  containers: [{name: c, image: i, resources: {requests: {cpu: "1"}}}]
`)}
	s, _, err := Read(in, time.Time{})
	require.NoError(t, err)
	r := Make(s, "")
	require.Equal(t, 1, r.Launched)
	require.Equal(t, []string{"eu-west-1b"}, r.Launches[0].Zones)

	for _, c := range []struct {
		zones []string
		want  string
	}{
		{nil, "zones: none: want one or more"},
		{[]string{"x"}, `zones: "x": want a zone's name`},
		{[]string{"us-east-1a", "eu-west-1a"}, `zones: "eu-west-1a" is not in region us-east-1`},
	} {
		in.Zones = c.zones
		_, _, err := Read(in, time.Time{})
		require.ErrorContains(t, err, c.want)
	}
}

func TestMistakes(t *testing.T) {
	const heading = "name,arch,vcpu,memory_mib,enis,ipv4_per_eni,on_demand_usd_per_hour\n"
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i}]}\n"
	for name, c := range map[string]struct{ pods, csv, types, pools, want string }{
		"number":           {csv: "name,cpu_milli,memory_mib\na,1,2\nb,many,2\n", want: `pods.csv: line 3: cpu_milli: "many", want thousandths of a CPU, a whole number of at least 0`},
		"negative":         {csv: "name,cpu_milli,memory_mib\na,1,-2\n", want: `pods.csv: line 2: memory_mib: "-2", want MiB, a whole number of at least 0`},
		"all of them":      {csv: "name,cpu_milli,memory_mib\na,x,2\nb,y,2\n", want: "line 2: cpu_milli: \"x\", want thousandths of a CPU, a whole number of at least 0\npods.csv: line 3"},
		"too much memory":  {csv: "name,cpu_milli,memory_mib\na,1,9223372036854775807\n", want: "line 2: memory_mib"},
		"twice":            {csv: "name,cpu_milli,memory_mib\na,1,2\na,1,2\n", want: `pods.csv: line 3: name: "a", want a name that no other line has (line 2 has it)`},
		"no name":          {csv: "name,cpu_milli,memory_mib\n,1,2\n", want: `pods.csv: line 2: name: "", want a name`},
		"column":           {csv: "name,cpu,memory_mib\na,1,2\n", want: "pods.csv: line 1: no column cpu_milli among name,cpu,memory_mib: want name,cpu_milli,memory_mib"},
		"fields":           {csv: "name,cpu_milli,memory_mib\na,1\n", want: "pods.csv: record on line 2: wrong number of fields"},
		"no rows":          {csv: "name,cpu_milli,memory_mib\n", want: "pods.csv: only the line with the columns: want one pod or more below it"},
		"empty":            {csv: "\n", want: "pods.csv: empty: want a first line with the columns name,cpu_milli,memory_mib"},
		"kind":             {pods: "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", want: "pods.yaml: document 1: kind: Service has no pods: want Pod, Deployment"},
		"unknown kind":     {pods: "apiVersion: x/v1\nkind: Nope\n", want: "pods.yaml: document 1: apiVersion, kind: x/v1 Nope has no pods: want Pod"},
		"no kind":          {pods: "metadata: {name: a}\n", want: "pods.yaml: document 1: no apiVersion and kind: want Pod"},
		"field":            {pods: pod + "---\n" + strings.Replace(pod, "image: i", "resource: {}", 1), want: `pods.yaml: document 2: strict decoding error: unknown field "spec.containers[0].resource"`},
		"no pod":           {pods: "\n", want: "pods.yaml: no pod: want Pod, Deployment"},
		"pod twice":        {pods: pod + "---\n" + pod, want: "pods.yaml: document 2: metadata.name: pod default/a is there twice: want each once"},
		"no pod name":      {pods: "apiVersion: v1\nkind: Pod\n", want: "pods.yaml: document 1: metadata.name: empty: want the pod's name"},
		"no containers":    {pods: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", want: "pod default/a: spec.containers: none: want one or more"},
		"in a list":        {pods: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n", want: "pods.yaml: document 1: items[0]: metadata.name: empty"},
		"replicas":         {pods: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 2000000000}\n", want: "pods.yaml: document 1: a: 2000000000 pods, want 0 to 150000"},
		"quantity":         {pods: strings.Replace(pod, "image: i", "resources: {requests: {cpu: lots}}", 1), want: "pods.yaml: document 1: "},
		"price":            {types: heading + "m9.large,amd64,2,8192,3,10,free\n", want: `types.csv: line 2: on_demand_usd_per_hour: "free", want US dollars an hour, such as 0.096`},
		"not a number":     {types: heading + "m9.large,amd64,2,8192,3,10,NaN\n", want: `on_demand_usd_per_hour: "NaN"`},
		"arch":             {types: heading + "m9.large,x86,2,8192,3,10,0.1\n", want: `types.csv: line 2: arch: "x86", want amd64 or arm64`},
		"vcpu":             {types: heading + "m9.large,amd64,0,8192,3,10,0.1\n", want: `types.csv: line 2: vcpu: "0", want a number, a whole number of at least 1`},
		"type twice":       {types: heading + "m.l,amd64,2,8,3,10,0.1\nm.l,amd64,2,8,3,10,0.1\n", want: `types.csv: line 3: name: "m.l", want a type's name that no other line has`},
		"type column":      {types: "name\nm9.large\n", want: "types.csv: line 1: no column arch, vcpu, memory_mib, enis, ipv4_per_eni, on_demand_usd_per_hour among name"},
		"no types":         {types: heading, want: "types.csv: only the line with the columns: want one machine type or more below it"},
		"pool field":       {pools: "apiVersion: floe.dev/v1alpha1\nkind: NodePool\nmetadata: {name: a}\nspec: {fallbak: []}\n", want: "pools.yaml: document 1: spec.fallbak: unknown field; did you mean fallback?"},
		"pool value":       {pools: "apiVersion: floe.dev/v1alpha1\nkind: NodePool\nmetadata: {name: a}\nspec: {launchTemplate: {name: web}, subnets: [nope], fallback: [{capacityType: spot}]}\n", want: "pools.yaml: pool a: spec.subnets[0]"},
		"no type for pool": {pools: "apiVersion: floe.dev/v1alpha1\nkind: NodePool\nmetadata: {name: a}\nspec: {launchTemplate: {name: web}, subnets: [subnet-0a], fallback: [{capacityType: spot}], requirements: [{key: floe.dev/instance-family, operator: In, values: [x1]}]}\n", want: "pools.yaml: pool a: spec.requirements[0]"},
		"pool twice":       {pools: strings.Repeat("apiVersion: floe.dev/v1alpha1\nkind: NodePool\nmetadata: {name: a}\nspec: {launchTemplate: {name: web}, subnets: [subnet-0a], fallback: [{capacityType: spot}]}\n---\n", 2), want: "pools.yaml: pool a: metadata.name: there twice: want each once"},
	} {
		t.Run(name, func(t *testing.T) {
			in := files(t, "pods.csv")
			if c.csv != "" {
				in.Pods.Data = []byte(c.csv)
			}
			if c.pods != "" {
				in.Pods = File{Name: "pods.yaml", Data: []byte(c.pods)}
			}
			if c.types != "" {
				in.Catalog.Data = []byte(c.types)
			}
			if c.pools != "" {
				in.Pools.Data = []byte(c.pools)
			}
			_, _, err := Read(in, time.Time{})
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestOnlyTheFirstMistakesOfAFileAreTold(t *testing.T) {
	in := files(t, "pods.csv")
	in.Pods.Data = []byte("name,cpu_milli,memory_mib\n" + strings.Repeat("x,y,1\n", 100))
	_, _, err := Read(in, time.Time{})
	require.ErrorContains(t, err, "mistakes more")
	require.LessOrEqual(t, strings.Count(err.Error(), "\n"), maxMistakes)
}

func TestCSVIsToldFromYAML(t *testing.T) {
	require.True(t, isCSV(File{Name: "-", Data: []byte("name,cpu_milli,memory_mib\n")}))
	require.True(t, isCSV(File{Name: "x.csv", Data: []byte("kind: Pod")}))
	require.False(t, isCSV(File{Name: "-", Data: []byte("apiVersion: v1\n")}))
	require.False(t, isCSV(File{Name: "x.yaml", Data: []byte("name,cpu_milli\n")}))
}
