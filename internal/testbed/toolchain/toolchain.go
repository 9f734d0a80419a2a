// Package toolchain builds the programs that Floe's tests, demo and checks run (a Kubernetes control plane, a Temporal
// server, linters, …) from the pinned modules under tools/, and keeps them in the user's cache directory, so that a
// second clone starts at once.
//
// It uses the standard library and the go command only: it is what everything else is built with.
package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tool is one pinned program.
type tool struct {
	name    string   // of the program
	module  string   // folder under tools/
	pkg     string   // main package, as the module sees it
	ldflags string   // beyond stripping
	tags    string   // build tags
	groups  []string // names that stand for several tools
}

// The groups that Ensure takes as names.
const (
	// GroupTestbed is every program a testbed starts.
	GroupTestbed = "testbed"
	// GroupLint is every program that checks the sources.
	GroupLint = "lint"
)

// kubeVersion must be in the binaries: without it the server calls itself v0.0.0 and kubectl refuses to talk to it.
const kubeVersion = "-X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3"

var tools = []tool{
	{name: "etcd", module: "etcd", pkg: "go.etcd.io/etcd/server/v3", groups: []string{GroupTestbed}},
	{name: "kube-apiserver", module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kube-apiserver", ldflags: kubeVersion, groups: []string{GroupTestbed}},
	{name: "kube-controller-manager", module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kube-controller-manager", ldflags: kubeVersion, groups: []string{GroupTestbed}},
	{name: "kube-scheduler", module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kube-scheduler", ldflags: kubeVersion, groups: []string{GroupTestbed}},
	{name: "kwok", module: "kwok", pkg: "sigs.k8s.io/kwok/cmd/kwok", groups: []string{GroupTestbed}},
	{name: "temporal", module: "temporal", pkg: "github.com/temporalio/cli/cmd/temporal", groups: []string{GroupTestbed}},
	// The PostgreSQL back end of FerretDB is left out: the testbed keeps its documents in SQLite.
	{name: "ferretdb", module: "ferretdb", pkg: ".", tags: "ferretdb_no_postgresql", groups: []string{GroupTestbed}},
	// Karpenter with its KWOK provider, which only the bench beside it runs.
	{name: "karpenter", module: "karpenter", pkg: "sigs.k8s.io/karpenter/kwok"},
	{name: "gotestsum", module: "gotestsum", pkg: "gotest.tools/gotestsum"},
	{name: "gofumpt", module: "gofumpt", pkg: "mvdan.cc/gofumpt", groups: []string{GroupLint}},
	{name: "staticcheck", module: "staticcheck", pkg: "honnef.co/go/tools/cmd/staticcheck", groups: []string{GroupLint}},
	{name: "workflowcheck", module: "workflowcheck", pkg: "go.temporal.io/sdk/contrib/tools/workflowcheck", groups: []string{GroupLint}},
	{name: "controller-gen", module: "controller-gen", pkg: "sigs.k8s.io/controller-tools/cmd/controller-gen", groups: []string{GroupLint}},
}

// Names lists every tool, in the order in which they are built.
func Names() []string {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.name
	}
	return names
}

// Ensure returns the path of each named tool, by name, after building those that the cache lacks. A name may be a tool,
// GroupTestbed or GroupLint; no name at all means every tool. What it does is told to progress, which may be nil.
//
// A build that was interrupted goes on where it stopped: finished tools are kept, and so are the compiled packages of
// the unfinished one, in Go's own build cache. Processes that ask for the same tool at the same time build it once.
func Ensure(ctx context.Context, names []string, progress io.Writer) (map[string]string, error) {
	wanted, err := choose(names)
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	version, err := goVersion(ctx)
	if err != nil {
		return nil, err
	}

	paths := make(map[string]string, len(wanted))
	var missing []build
	for _, t := range wanted {
		b, err := t.plan(root, cache, version)
		if err != nil {
			return nil, err
		}
		paths[t.name] = b.target
		if !isFile(b.target) {
			missing = append(missing, b)
		}
	}
	if len(missing) == 0 {
		return paths, nil
	}
	r := newReporter(progress, len(missing))
	defer r.close()
	for _, b := range missing {
		if err := b.run(ctx, r); err != nil {
			return nil, fmt.Errorf("build %s: %w", b.tool.name, err)
		}
	}
	return paths, nil
}

// choose resolves names and groups, keeping the order of the table and each tool once.
func choose(names []string) ([]tool, error) {
	if len(names) == 0 {
		return tools, nil
	}
	for _, n := range names {
		known := slices.ContainsFunc(tools, func(t tool) bool { return t.answersTo(n) })
		if !known {
			return nil, fmt.Errorf("no tool is called %q: choose from %s, or the groups %s and %s",
				n, strings.Join(Names(), ", "), GroupTestbed, GroupLint)
		}
	}
	var chosen []tool
	for _, t := range tools {
		if slices.ContainsFunc(names, t.answersTo) {
			chosen = append(chosen, t)
		}
	}
	return chosen, nil
}

func (t tool) answersTo(name string) bool { return t.name == name || slices.Contains(t.groups, name) }

// CacheDir is the folder of everything that outlives a run: $FLOE_CACHE, or floe/ in the user's cache directory.
func CacheDir() (string, error) {
	if dir := os.Getenv("FLOE_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w; set FLOE_CACHE to a folder for the built tools", err)
	}
	return filepath.Join(dir, "floe"), nil
}

// Clean removes everything that was built from the cache, and nothing else that may be in its folder.
func Clean() error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(filepath.Join(cache, "tools")), os.RemoveAll(filepath.Join(cache, "programs")))
}

// Root is the folder of Floe's checkout: $FLOE_ROOT, or else the first folder with the go.mod of floe.dev/floe on the
// way up from the working directory, and then from the running program.
func Root() (string, error) {
	if root := os.Getenv("FLOE_ROOT"); root != "" {
		if !isRoot(root) {
			return "", fmt.Errorf("FLOE_ROOT=%s holds no go.mod of floe.dev/floe: set it to a checkout of Floe", root)
		}
		return filepath.Abs(root)
	}
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, dir := range starts {
		for ; ; dir = filepath.Dir(dir) {
			if isRoot(dir) {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", errors.New("no checkout of Floe found above the working directory: run inside one, or set FLOE_ROOT to it")
}

func isRoot(dir string) bool {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && strings.HasPrefix(string(mod), "module floe.dev/floe\n")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
