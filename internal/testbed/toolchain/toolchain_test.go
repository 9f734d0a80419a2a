package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fake is a checkout with one tool module of one program and no dependencies, and an empty cache.
func fake(t *testing.T, source string) (root, cache string) {
	t.Helper()
	root, cache = t.TempDir(), t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module floe.dev/floe\n\ngo 1.26.0\n")
	write(t, filepath.Join(root, "tools", "hello", "go.mod"), "module floe.dev/tools/hello\n\ngo 1.26.0\n")
	write(t, filepath.Join(root, "tools", "hello", "go.sum"), "")
	write(t, filepath.Join(root, "tools", "hello", "main.go"), source)
	return root, cache
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

var hello = tool{name: "hello", module: "hello", pkg: "."}

func TestBuild(t *testing.T) {
	root, cache := fake(t, "package main\n\nfunc main() { println(`hello`) }\n")
	b, err := hello.plan(root, cache, "go1.26.0")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(b.target, filepath.Join(cache, "tools", "hello-")), b.target)

	var progress strings.Builder
	r := newReporter(&progress, 2)
	require.NoError(t, b.run(t.Context(), r))
	info, err := os.Stat(b.target)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o111, "it can be run")
	require.NoError(t, b.run(t.Context(), r), "another process built it meanwhile")
	r.close()
	again, err := os.Stat(b.target)
	require.NoError(t, err)
	require.Equal(t, info.ModTime(), again.ModTime(), "nothing is built twice")
	require.Contains(t, progress.String(), "building hello (1 of 2, 1 left after it)")
	require.Contains(t, progress.String(), "built hello in 0s (2 of 2)")
}

func TestBuildOnceForMany(t *testing.T) {
	root, cache := fake(t, "package main\n\nfunc main() {}\n")
	b, err := hello.plan(root, cache, "go1.26.0")
	require.NoError(t, err)
	var many sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		many.Go(func() {
			r := newReporter(nil, 1)
			defer r.close()
			errs[i] = b.run(t.Context(), r)
		})
	}
	many.Wait()
	require.NoError(t, errors.Join(errs...))
	require.FileExists(t, b.target)
	require.NoFileExists(t, b.target+".part")
}

func TestBuildThatFailsSaysWhy(t *testing.T) {
	root, cache := fake(t, "package main\n\nfunc main() { undefinedWord() }\n")
	b, err := hello.plan(root, cache, "go1.26.0")
	require.NoError(t, err)
	r := newReporter(nil, 1)
	defer r.close()
	require.ErrorContains(t, b.run(t.Context(), r), "undefined: undefinedWord")
	require.NoFileExists(t, b.target)
}

func TestBuildInterrupted(t *testing.T) {
	root, cache := fake(t, "package main\n\nfunc main() {}\n")
	b, err := hello.plan(root, cache, "go1.26.0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	r := newReporter(nil, 1)
	defer r.close()
	require.ErrorContains(t, b.run(ctx, r), "interrupted: enough")
	require.NoFileExists(t, b.target)
	require.NoError(t, b.run(t.Context(), r), "the next run goes on")
}

func TestLockWaitsAndGivesUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, func() { t.Error("nobody holds it") })
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = lock(ctx, path, func() { cancel(errors.New("tired of waiting")) })
	require.ErrorContains(t, err, "tired of waiting")
	unlock()
	unlock, err = lock(t.Context(), path, func() { t.Error("nobody holds it") })
	require.NoError(t, err)
	unlock()
}

func TestTargetIsNamedByAllThatMakesIt(t *testing.T) {
	root, cache := fake(t, "package main\n\nfunc main() {}\n")
	target := func(hello tool, version string) string {
		b, err := hello.plan(root, cache, version)
		require.NoError(t, err)
		return b.target
	}
	tagged, flagged := hello, hello
	tagged.tags, flagged.ldflags = "small", "-X main.version=2"
	first := target(hello, "go1.26.0")
	require.Equal(t, first, target(hello, "go1.26.0"))
	seen := map[string]string{first: "as it is"}
	for change, path := range map[string]string{
		"version of Go": target(hello, "go1.26.1"),
		"tags":          target(tagged, "go1.26.0"),
		"ldflags":       target(flagged, "go1.26.0"),
	} {
		require.NotContains(t, seen, path, change)
		seen[path] = change
	}
	for _, file := range []string{"go.mod", "go.sum", "main.go"} {
		write(t, filepath.Join(root, "tools", "hello", file), "changed")
		path := target(hello, "go1.26.0")
		require.NotContains(t, seen, path, file)
		seen[path] = file
	}
}

func TestChoose(t *testing.T) {
	names := func(chosen []tool) (names []string) {
		for _, t := range chosen {
			names = append(names, t.name)
		}
		return names
	}
	all, err := choose(nil)
	require.NoError(t, err)
	require.Equal(t, Names(), names(all))
	some, err := choose([]string{"temporal", GroupLint, "gofumpt"})
	require.NoError(t, err)
	require.Equal(t, []string{"temporal", "gofumpt", "staticcheck", "workflowcheck", "controller-gen"}, names(some))
	_, err = choose([]string{"temporel"})
	require.ErrorContains(t, err, `no tool is called "temporel": choose from etcd,`)
}

func TestRoot(t *testing.T) {
	root, err := Root()
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "tools", "etcd", "go.mod"))

	other, _ := fake(t, "")
	t.Setenv("FLOE_ROOT", other)
	root, err = Root()
	require.NoError(t, err)
	require.Equal(t, other, root)

	t.Setenv("FLOE_ROOT", filepath.Join(other, "tools", "hello"))
	_, err = Root()
	require.ErrorContains(t, err, "set it to a checkout of Floe", "the module of a tool is none")
}

func TestCacheDir(t *testing.T) {
	t.Setenv("FLOE_CACHE", "/somewhere")
	dir, err := CacheDir()
	require.NoError(t, err)
	require.Equal(t, "/somewhere", dir)
}

func TestCleanRemovesWhatWasBuiltOnly(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("FLOE_CACHE", cache)
	for _, path := range []string{"tools/etcd-1/etcd", "programs/2/floe", "mine"} {
		write(t, filepath.Join(cache, path), "")
	}
	require.NoError(t, Clean())
	require.FileExists(t, filepath.Join(cache, "mine"))
	require.NoDirExists(t, filepath.Join(cache, "tools"))
	require.NoDirExists(t, filepath.Join(cache, "programs"))
	require.NoError(t, Clean())
}

// Every tool's module must name its package, or plan would build something that is not pinned.
func TestEveryToolIsPinned(t *testing.T) {
	root, err := Root()
	require.NoError(t, err)
	for _, tool := range tools {
		mod, err := os.ReadFile(filepath.Join(root, "tools", tool.module, "go.mod"))
		require.NoError(t, err, tool.name)
		if tool.pkg == "." {
			require.FileExists(t, filepath.Join(root, "tools", tool.module, "main.go"))
			continue
		}
		require.Contains(t, string(mod), tool.pkg, fmt.Sprintf("the tool line of %s", tool.name))
	}
}
