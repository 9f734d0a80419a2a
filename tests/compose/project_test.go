// Package compose checks docker-compose.yml and the Dockerfile without a container engine: what they name must exist in
// the code, every command line is read by the program that will get it, and Floe's programs are run with exactly the
// arguments, variables and files that the file gives them.
package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// root is the checkout.
const root = "../.."

// load reads docker-compose.yml as `docker compose` does where no variable is set; env are the variables that are.
func load(t *testing.T, env ...string) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root), cli.WithEnv(env), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithDefaultProfiles())
	require.NoError(t, err)
	p, err := o.LoadProject(t.Context())
	require.NoError(t, err)
	return p
}

// all are the services of every profile.
func all(t *testing.T) types.Services { return load(t, "COMPOSE_PROFILES=*").Services }

func TestProfiles(t *testing.T) {
	idle := []string{"aws", "kubernetes", "mongo", "temporal", "types", "watcher", "worker"}
	demo := slices.Concat(idle, []string{"demo-pods", "demo-pools"})
	require.ElementsMatch(t, demo, load(t).ServiceNames(), "docker compose up shows the demo")
	require.ElementsMatch(t, idle, load(t, "COMPOSE_PROFILES=").ServiceNames())
	require.ElementsMatch(t, slices.Concat(demo, []string{"floe"}), load(t, "COMPOSE_PROFILES=*").ServiceNames())
}

func TestNoDeprecatedKeys(t *testing.T) {
	var file map[string]any
	require.NoError(t, yaml.Unmarshal(read(t, "docker-compose.yml"), &file))
	require.NotContains(t, file, "version", "it has no meaning any more")
	for name, service := range file["services"].(map[string]any) {
		for _, key := range []string{"links", "external_links", "container_name", "mem_limit", "cpus", "pids_limit", "volumes_from"} {
			require.NotContains(t, service, key, name)
		}
	}
}

// Every variable has a default, and .env says what it is for, with the same value.
func TestVariablesAreDocumented(t *testing.T) {
	used := map[string]string{"COMPOSE_PROFILES": "demo"}
	text := string(read(t, "docker-compose.yml"))
	for _, m := range regexp.MustCompile(`\$\{?\w+[^}\n]*\}?`).FindAllString(text, -1) {
		parts := regexp.MustCompile(`^\$\{([A-Z_]+):-([^}]+)\}$`).FindStringSubmatch(m)
		require.NotNil(t, parts, "%s has no default", m)
		used[parts[1]] = parts[2]
	}
	documented := map[string]string{}
	comment := false
	for line := range strings.Lines(string(read(t, ".env"))) {
		line = strings.TrimSpace(line)
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			require.True(t, comment, "%s has no comment above it", name)
			documented[name] = value
		}
		comment = strings.HasPrefix(line, "#")
	}
	require.Equal(t, used, documented)
}

// Whatever a service waits for can happen: a health check passes, or a command ends.
func TestDependenciesCanBeMet(t *testing.T) {
	services := all(t)
	for name, s := range services {
		for on, d := range s.DependsOn {
			other, ok := services[on]
			require.True(t, ok, "%s depends on %s", name, on)
			once := strings.HasPrefix(other.Restart, "on-failure")
			switch d.Condition {
			case types.ServiceConditionHealthy:
				require.NotNil(t, other.HealthCheck, "%s waits for the health of %s", name, on)
			case types.ServiceConditionCompletedSuccessfully:
				require.True(t, once, "%s waits for the end of %s, which never ends", name, on)
			default:
				t.Errorf("%s depends on %s, ready or not", name, on)
			}
		}
	}
}

// Nobody but this machine gets at anything, and nothing runs with more rights or resources than it needs.
func TestServicesAreConfined(t *testing.T) {
	secret := regexp.MustCompile(`(?i)password|secret|token|access_key`)
	for name, s := range all(t) {
		require.False(t, s.Privileged, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Empty(t, s.CapAdd, name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		require.Empty(t, s.NetworkMode, name)
		require.Empty(t, s.Pid, name)
		require.NotEmpty(t, s.Restart, name)
		require.NotNil(t, s.Deploy, name)
		limits := s.Deploy.Resources.Limits
		require.NotNil(t, limits, name)
		require.True(t, limits.MemoryBytes > 0 && limits.NanoCPUs > 0 && limits.Pids > 0, "%s: memory, CPUs and processes are bounded", name)
		for _, p := range s.Ports {
			require.Equal(t, "127.0.0.1", p.HostIP, "%s publishes %s", name, p.Published)
		}
		for _, v := range s.Volumes {
			require.Equal(t, types.VolumeTypeVolume, v.Type, "%s mounts %s of the host", name, v.Source)
		}
		if s.Build != nil {
			require.True(t, s.ReadOnly, name)
		}
		for variable, value := range s.Environment {
			// A path of a secret is none.
			if value != nil && secret.MatchString(variable) && !strings.HasPrefix(*value, "/run/secrets/") {
				t.Errorf("%s: %s is given inline", name, variable)
			}
		}
	}
}

// Read-only containers take no config that Compose would have to copy in (github.com/docker/compose/issues/12031):
// each is a file, which is there.
func TestConfigsAndSecretsAreFiles(t *testing.T) {
	p := load(t, "COMPOSE_PROFILES=*")
	used := map[string]bool{}
	for name, s := range p.Services {
		for _, c := range s.Configs {
			require.FileExists(t, p.Configs[c.Source].File, "%s: config %s", name, c.Source)
			used["config "+c.Source] = true
		}
		for _, c := range s.Secrets {
			require.FileExists(t, p.Secrets[c.Source].File, "%s: secret %s", name, c.Source)
			used["secret "+c.Source] = true
		}
		for _, v := range s.Volumes {
			require.Contains(t, p.Volumes, v.Source, name)
			used["volume "+v.Source] = true
		}
	}
	require.Len(t, used, len(p.Configs)+len(p.Secrets)+len(p.Volumes), "each is used by a service")
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return data
}
