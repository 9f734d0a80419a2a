package compose

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"floe.dev/floe/internal/testbed"
)

// How long programs may take, at the most, on a busy machine.
const (
	untilHealthy = time.Minute
	untilRunning = 5 * time.Minute
)

// stack is docker-compose.yml on a testbed: other people's images are the testbed's parts, Floe's programs run with the
// arguments, variables and files of their services. Only names of hosts, ports and folders are replaced.
type stack struct {
	t        *testing.T
	project  *types.Project
	stages   map[string]*stage
	bin, dir string
	places   *strings.Replacer
	// api is host and port of the cluster's API without credentials.
	api string
	// there are the services that are up, or have ended well.
	there map[string]bool
}

func newStack(t *testing.T, tb *testbed.Testbed) *stack {
	t.Helper()
	bin, err := testbed.Binaries(t.Context())
	require.NoError(t, err)
	s := &stack{
		t: t, project: load(t, "COMPOSE_PROFILES=*"), stages: dockerfile(t), bin: bin, dir: t.TempDir(),
		api: openAPI(t, tb.Kube), there: map[string]bool{"mongo": true},
	}
	store, err := url.Parse(tb.StoreURI)
	require.NoError(t, err)
	replace := []string{
		"temporal:7233", tb.TemporalAddress,
		"mongo:27017", store.Host,
		"kubernetes:8080", s.api,
		"/etc/floe/", filepath.Join(s.dir, "etc") + "/",
		"/run/secrets/", filepath.Join(s.dir, "secrets") + "/",
	}
	for _, name := range []string{"aws", "worker", "watcher"} {
		port, free := listenPort(t, s.project.Services[name]), freeAddress(t)
		for _, host := range []string{name, "0.0.0.0", "127.0.0.1"} {
			replace = append(replace, host+":"+port, free)
		}
	}
	s.places = strings.NewReplacer(replace...)
	return s
}

// openAPI serves the API without credentials, as kubectl proxy does in KWOK's image. It returns host and port.
func openAPI(t *testing.T, config *rest.Config) string {
	t.Helper()
	target, err := url.Parse(config.Host)
	require.NoError(t, err)
	transport, err := rest.TransportFor(config)
	require.NoError(t, err)
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(server.CloseClientConnections)
	return server.Listener.Addr().String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// mount puts a service's configs and secrets where the service expects them.
func (s *stack) mount(service types.ServiceConfig) {
	s.t.Helper()
	put := func(target, source string) {
		data, err := os.ReadFile(source)
		require.NoError(s.t, err)
		path := s.places.Replace(target)
		require.NotEqual(s.t, target, path, "%s: files belong into /etc/floe and /run/secrets", service.Name)
		require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(s.t, os.WriteFile(path, []byte(s.places.Replace(string(data))), 0o600))
	}
	for _, c := range service.Configs {
		put(c.Target, s.project.Configs[c.Source].File)
	}
	for _, c := range service.Secrets {
		target := c.Target
		if !strings.HasPrefix(target, "/") { // docs.docker.com/reference/compose-file/services: the name in /run/secrets
			target = "/run/secrets/" + c.Source
		}
		put(target, s.project.Secrets[c.Source].File)
	}
}

// command is how a service's container would be started; extra replaces its command, as `docker compose run` does.
func (s *stack) command(name string, extra ...string) *program {
	s.t.Helper()
	service := s.project.Services[name]
	s.mount(service)
	args := slices.Clone([]string(service.Command))
	if extra != nil {
		args = extra
	}
	for i := range args {
		args[i] = s.places.Replace(args[i])
	}
	// What every container has, and nothing of this machine's: no home and no folder for temporary files.
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + filepath.Join(s.dir, "none"), "TMPDIR=" + filepath.Join(s.dir, "none")}
	for variable, value := range service.Environment {
		env = append(env, variable+"="+s.places.Replace(*value))
	}
	return &program{
		name: name, args: args, env: env,
		path: entrypoint(s.t, s.stages, service, s.bin),
	}
}

// testbedIsHealthy asks the testbed's parts what the health checks of their services ask. mongod is not among them.
func (s *stack) testbedIsHealthy(tb *testbed.Testbed) {
	s.t.Helper()
	status, err := get(s.t.Context(), "http://"+s.api+healthURL(s.project.Services["kubernetes"]).Path)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, status, "kubernetes")
	args := slices.Clone([]string(s.project.Services["temporal"].HealthCheck.Test[2:]))
	for i := range args {
		args[i] = strings.Replace(args[i], "127.0.0.1:7233", tb.TemporalAddress, 1)
	}
	require.Contains(s.t, strings.Join(args, " "), tb.TemporalAddress, "the check names the server")
	out, err := exec.CommandContext(s.t.Context(), tb.Tool("temporal"), args...).CombinedOutput()
	require.NoError(s.t, err, "temporal %v\n%s", args, out)
	s.there["kubernetes"], s.there["temporal"] = true, true
}

// awaits fails if Compose would not start the service yet.
func (s *stack) awaits(name string) {
	s.t.Helper()
	for on := range s.project.Services[name].DependsOn {
		require.True(s.t, s.there[on], "%s waits for %s", name, on)
	}
	s.there[name] = true
}

// up starts a service, asks for its health exactly where the health check does, and stops it at the test's end as
// Compose would.
func (s *stack) up(name string) {
	s.t.Helper()
	s.awaits(name)
	service := s.project.Services[name]
	p := s.command(name)
	p.start(s.t)
	grace := 10 * time.Second // docs.docker.com/reference/compose-file/services, stop_grace_period
	if service.StopGracePeriod != nil {
		grace = time.Duration(*service.StopGracePeriod)
	}
	s.t.Cleanup(func() { p.stop(s.t, grace) })

	page := s.places.Replace(healthURL(service).String())
	deadline := time.Now().Add(untilHealthy)
	for {
		status, err := get(s.t.Context(), page)
		if err == nil && status == http.StatusOK {
			return
		}
		require.True(s.t, p.lives(), "%s has ended:\n%s", name, p.log())
		require.True(s.t, time.Now().Before(deadline), "%s: %s answers %d, %v\n%s", name, page, status, err, p.log())
		time.Sleep(100 * time.Millisecond)
	}
}

func get(ctx context.Context, page string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// once runs a service that ends, again where it fails, as often as its restart policy says.
func (s *stack) once(name string) {
	s.t.Helper()
	s.awaits(name)
	service := s.project.Services[name]
	var tries int
	_, err := fmt.Sscanf(service.Restart, "on-failure:%d", &tries)
	require.NoError(s.t, err, name)
	var out bytes.Buffer
	for try := 0; ; try++ {
		if service.Build != nil {
			err = s.command(name).run(s.t.Context(), &out)
		} else {
			s.mount(service)
			args := make([]string, len(service.Command))
			for i, arg := range service.Command {
				args[i] = s.places.Replace(arg)
			}
			err = kubectl(s.t.Context(), args, &out)
		}
		if err == nil {
			return
		}
		require.Less(s.t, try, tries, "%s: %v\n%s", name, err, &out)
		time.Sleep(100 * time.Millisecond << min(try, 6))
	}
}

// TestItShowsTheDemo brings the whole file up in the order of its dependencies, until every pod of the demo that can run
// is running.
func TestItShowsTheDemo(t *testing.T) {
	runtime.LockOSThread() // see program.start
	tb := testbed.New(t, testbed.Options{Parts: testbed.Kubernetes | testbed.Temporal | testbed.Store, Headless: true})
	s := newStack(t, tb)
	s.testbedIsHealthy(tb)
	s.once("types")
	s.up("aws")
	s.up("worker")
	s.up("watcher")
	s.once("demo-pools")
	s.once("demo-pods")

	client, err := kubernetes.NewForConfig(tb.Kube)
	require.NoError(t, err)
	waiting := []string{"all"}
	require.Eventually(t, func() bool {
		waiting = unserved(t, client)
		return len(waiting) == 0
	}, untilRunning, 500*time.Millisecond)
	require.Empty(t, waiting)

	var out bytes.Buffer
	require.NoError(t, s.command("floe", "node", "list").run(t.Context(), &out), out.String())
	require.Contains(t, out.String(), "general")
	require.Contains(t, out.String(), "payments")
}

// unserved are the Deployments of the demo that wait for pods which can run.
func unserved(t *testing.T, client kubernetes.Interface) (names []string) {
	t.Helper()
	list, err := client.AppsV1().Deployments("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Greater(t, len(list.Items), 3)
	for _, d := range list.Items {
		if d.Annotations["demo.floe.dev/expect"] != "pending" && d.Status.ReadyReplicas < *d.Spec.Replicas {
			names = append(names, fmt.Sprintf("%s: %d of %d", d.Name, d.Status.ReadyReplicas, *d.Spec.Replicas))
		}
	}
	return names
}
