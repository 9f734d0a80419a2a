package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/testbed"
	"floe.dev/floe/internal/testbed/toolchain"
)

// takes is how a program reads its command line: nil if it takes it.
type takes func(args []string) error

// parsers are those of the programs that the services run, by service. mongo is given none.
func parsers(t *testing.T) map[string]takes {
	t.Helper()
	tools, err := toolchain.Ensure(t.Context(), []string{"temporal"}, os.Stderr)
	require.NoError(t, err)
	bin, err := testbed.Binaries(t.Context())
	require.NoError(t, err)
	stages := dockerfile(t)
	by := map[string]takes{"temporal": helps(t, tools["temporal"]), "kubernetes": kwokctl(t)}
	for name, s := range all(t) {
		switch {
		case s.Build != nil:
			by[name] = helps(t, entrypoint(t, stages, s, bin))
		case strings.Contains(s.Image, "/kubectl:"):
			by[name] = kubectlParses
		}
	}
	return by
}

// helps runs the program with the arguments and --help behind them: it reads all of them before it helps, and what it
// helps with is the command that was named.
func helps(t *testing.T, program string) takes {
	return func(args []string) error {
		verb := args[:len(args)-len(flags(args))]
		usage := regexp.MustCompile(`Usage:\s+` + strings.Join(append([]string{`\S+`}, verb...), " ") + `\b.*\[flags\]`)
		out, err := exec.CommandContext(t.Context(), program, append(slices.Clone(args), "--help")...).CombinedOutput()
		if err != nil || len(verb) > 0 && !usage.Match(out) {
			return fmt.Errorf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
		}
		return nil
	}
}

// flags are the arguments from the first flag on.
func flags(args []string) []string {
	for i, arg := range args {
		if strings.HasPrefix(arg, "-") {
			return args[i:]
		}
	}
	return nil
}

// entrypoint is the path here of the program that a service which is built starts.
func entrypoint(t *testing.T, stages map[string]*stage, s types.ServiceConfig, bin string) string {
	t.Helper()
	target := stages[s.Build.Target]
	require.NotNil(t, target, "%s builds %s, which no stage of the Dockerfile is called", s.Name, s.Build.Target)
	require.Len(t, target.entrypoint, 1, s.Name)
	return filepath.Join(bin, filepath.Base(target.entrypoint[0]))
}

// kwokctl knows the flags that the source of the pinned version declares: nothing here builds it.
func kwokctl(t *testing.T) takes {
	t.Helper()
	source := string(kwokSource(t, "pkg/kwokctl/cmd/create/cluster/cluster.go")) + string(kwokSource(t, "pkg/config/flags.go"))
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?i)flags(?:\(\))?\.[A-Z0-9]\w*\([^"\n]*"([a-z-]+)", `).FindAllStringSubmatch(source, -1) {
		known[m[1]] = true
	}
	return func(args []string) error {
		for _, arg := range args {
			name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			if !strings.HasPrefix(arg, "--") || !known[name] {
				return fmt.Errorf("kwokctl create cluster has no %s", arg)
			}
		}
		return nil
	}
}

// kwokSource is a file of KWOK at the version that tools/kwok pins.
func kwokSource(t *testing.T, path string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "sigs.k8s.io/kwok@"+pinned(t, "kwok", "sigs.k8s.io/kwok"))
	cmd.Dir, cmd.Stderr = filepath.Join(root, "tools/kwok"), os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &module))
	data, err := os.ReadFile(filepath.Join(module.Dir, path))
	require.NoError(t, err)
	return data
}

// Every program takes the command line that its service gives it, and refuses one with a flag that it has not.
func TestCommandsAreTaken(t *testing.T) {
	by := parsers(t)
	for name, s := range all(t) {
		require.Empty(t, s.Entrypoint, "%s keeps its image's", name)
		parse, ok := by[name]
		if !ok {
			require.Empty(t, s.Command, "nothing here knows what %s may be told", name)
			continue
		}
		require.NoError(t, parse(s.Command), name)
		require.Error(t, parse(append(slices.Clone(s.Command), "--no-such-flag=1")), "%s: a wrong flag is not seen by this test", name)
	}
	health := all(t)["temporal"].HealthCheck.Test
	require.Equal(t, []string{"CMD", "temporal"}, []string(health[:2]))
	require.NoError(t, by["temporal"](health[2:]))
}

// Floe's programs read every variable that they are given: --help names it. The AWS SDK's own is told by the run.
func TestVariablesAreRead(t *testing.T) {
	bin, err := testbed.Binaries(t.Context())
	require.NoError(t, err)
	stages := dockerfile(t)
	for name, s := range all(t) {
		if s.Build == nil {
			require.Empty(t, s.Environment, "nothing here knows which variables %s reads", name)
			continue
		}
		help, err := exec.CommandContext(t.Context(), entrypoint(t, stages, s, bin), append(slices.Clone(s.Command), "--help")...).Output()
		require.NoError(t, err)
		for variable := range s.Environment {
			if variable != "AWS_SHARED_CREDENTIALS_FILE" {
				require.Regexp(t, `\b`+variable+`\b`, string(help), "%s does not read it", name)
			}
		}
	}
}

// Whatever is published, asked for health or named in a configuration is a port on which that service listens, on all
// of its container's addresses.
func TestPortsAreListenedOn(t *testing.T) {
	p := load(t, "COMPOSE_PROFILES=*")
	listens := map[string][]string{
		"mongo":      {"27017"}, // mongodb.com/docs/manual/reference/default-mongodb-port
		"temporal":   temporalPorts(t, p.Services["temporal"]),
		"kubernetes": {kwokPort(t)},
	}
	for _, name := range []string{"aws", "worker", "watcher"} {
		listens[name] = []string{listenPort(t, p.Services[name])}
	}
	for name, s := range p.Services {
		for _, port := range s.Ports {
			require.Contains(t, listens[name], fmt.Sprint(port.Target), "%s publishes it", name)
		}
		if address := healthURL(s); address != nil {
			require.Equal(t, "127.0.0.1", address.Hostname(), name)
			require.Contains(t, listens[name], address.Port(), "%s is asked for its health there", name)
		}
	}
	named := regexp.MustCompile(`\b([a-z]+):(\d{4,5})\b`)
	text := string(read(t, "deploy/compose/floe.yaml")) + string(read(t, "deploy/compose/kubeconfig.yaml"))
	for _, s := range p.Services {
		text += strings.Join(s.Command, "\n") + "\n"
	}
	found := named.FindAllStringSubmatch(text, -1)
	require.GreaterOrEqual(t, len(found), 4)
	for _, m := range found {
		require.Contains(t, listens[m[1]], m[2], m[0])
	}
}

// listenPort is the port of one of Floe's programs, by its flag or variable.
func listenPort(t *testing.T, s types.ServiceConfig) string {
	t.Helper()
	var address string
	if v := s.Environment["FLOE_LISTEN"]; v != nil {
		address = *v
	}
	for _, arg := range s.Command {
		if v, ok := strings.CutPrefix(arg, "--listen="); ok {
			address = v
		}
	}
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err, s.Name)
	require.Equal(t, "0.0.0.0", host, "%s cannot be reached from outside of its container", s.Name)
	return port
}

// temporalPorts are the frontend's and the pages', which the command leaves as they are by default.
func temporalPorts(t *testing.T, s types.ServiceConfig) []string {
	t.Helper()
	require.Contains(t, s.Command, "--ip=0.0.0.0")
	for _, arg := range s.Command {
		require.NotContains(t, arg, "port=")
	}
	tools, err := toolchain.Ensure(t.Context(), []string{"temporal"}, os.Stderr)
	require.NoError(t, err)
	help, err := exec.CommandContext(t.Context(), tools["temporal"], "server", "start-dev", "--help").Output()
	require.NoError(t, err)
	words := strings.Join(strings.Fields(string(help)), " ")
	require.Contains(t, words, "gRPC Service. (default 7233)")
	require.Contains(t, words, "Defaults to '--port' value + 1000.")
	return []string{"7233", "8233"}
}

// kwokPort is where KWOK's image serves the API without credentials.
func kwokPort(t *testing.T) string {
	t.Helper()
	require.Contains(t, string(kwokSource(t, "images/cluster/entrypoint.sh")), `kwokctl create cluster "$@"`)
	found := regexp.MustCompile(`(?m)^ENV KWOK_KUBE_APISERVER_INSECURE_PORT=(\d+)$`).FindSubmatch(kwokSource(t, "images/cluster/Dockerfile"))
	require.NotNil(t, found)
	return string(found[1])
}

// healthURL is the page that a service's health check asks for, nil where it asks otherwise.
func healthURL(s types.ServiceConfig) *url.URL {
	if s.HealthCheck == nil {
		return nil
	}
	address, err := url.Parse(s.HealthCheck.Test[len(s.HealthCheck.Test)-1])
	if err != nil || address.Host == "" {
		return nil
	}
	return address
}

// kubectlParses reads a command line as kubectl does, and does nothing.
func kubectlParses(args []string) error {
	cmd, rest, err := newKubectl(context.Background(), io.Discard).Find(args)
	if err != nil {
		return err
	}
	return cmd.ParseFlags(rest)
}
