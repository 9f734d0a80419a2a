// Package tests holds what no package can test about itself: the layout of the whole.
package tests

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "floe.dev/floe/"

// pkg is what the go command says of one package. Test files are left out: they may use anything.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

// name is the package's path inside this module.
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// pure packages decide: no I/O, no clock, no globals.
var pure = []string{"internal/planner", "internal/fallback", "internal/lifecycle", "internal/catalog", "internal/ledger", "internal/sweep", "internal/audit", "internal/disruption", "internal/standby", "internal/images", "internal/evaluate", "internal/reclaim"}

// field libraries are what pure packages may use beside the standard library: Kubernetes' types and its own rules for
// them (component-helpers' functions take a klog.Logger), and numbers.
var field = []string{
	"k8s.io/api", "k8s.io/apimachinery", "k8s.io/component-helpers", "k8s.io/klog/v2", "k8s.io/utils", "gonum.org/v1/gonum",
}

// rules are the import rules of the house: what a part may use of ours, other than itself. Imports run one way:
// starter, worker -> workflows -> activities -> pure packages -> api.
var rules = []struct {
	part string
	may  []string
}{
	{"api", nil},
	{"deploy", nil},
	{"internal/planner", slices.Concat([]string{"api"}, pure)},
	{"internal/fallback", slices.Concat([]string{"api"}, pure)},
	{"internal/lifecycle", slices.Concat([]string{"api"}, pure)},
	{"internal/catalog", slices.Concat([]string{"api"}, pure)},
	{"internal/ledger", slices.Concat([]string{"api"}, pure)},
	{"internal/sweep", slices.Concat([]string{"api"}, pure)},
	{"internal/audit", slices.Concat([]string{"api"}, pure)},
	{"internal/evaluate", slices.Concat([]string{"api"}, pure)},
	{"internal/standby", slices.Concat([]string{"api"}, pure)},
	{"internal/images", slices.Concat([]string{"api"}, pure)},
	{"internal/disruption", slices.Concat([]string{"api"}, pure)},
	{"internal/reclaim", slices.Concat([]string{"api"}, pure)},
	{"activities", slices.Concat([]string{"api", "internal/config", "internal/telemetry"}, pure)},
	{"workflows", slices.Concat([]string{"api", "activities"}, pure)},
	{"internal/testbed/toolchain", nil},
	{"tools/build", []string{"internal/testbed/toolchain"}},
}

// only says who may use a part, other than itself; tests, here and beside the code, may as well.
var only = []struct {
	part string
	by   []string
}{
	{"internal/sim", []string{"starter"}},
	{"internal/testbed", []string{"starter", "tools/build"}},
	{"workflows", []string{"worker"}},
	{"worker", nil},
	{"starter", nil},
}

func TestImportsRunOneWay(t *testing.T) {
	packages := list(t)
	for _, rule := range rules {
		found := false
		for _, p := range packages {
			if !within(p.name(), rule.part) {
				continue
			}
			found = true
			for _, imported := range ours(p) {
				if !within(imported, rule.part) && !slices.ContainsFunc(rule.may, func(part string) bool { return within(imported, part) }) {
					t.Errorf("%s imports %s: %s may import %s of ours", p.name(), imported, rule.part, words(rule.may))
				}
			}
		}
		require.True(t, found, "the rule for %s is about nothing", rule.part)
	}
	for _, rule := range only {
		for _, p := range packages {
			if within(p.name(), rule.part) || within(p.name(), "tests") || slices.ContainsFunc(rule.by, func(part string) bool { return within(p.name(), part) }) {
				continue
			}
			for _, imported := range ours(p) {
				if within(imported, rule.part) {
					t.Errorf("%s imports %s, which only %s may", p.name(), imported, words(rule.by))
				}
			}
		}
	}
}

func TestPurePackagesArePure(t *testing.T) {
	impure := []string{"os", "net", "net/http", "os/exec", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "syscall", "unsafe"}
	for _, p := range list(t) {
		if !slices.ContainsFunc(pure, func(part string) bool { return within(p.name(), part) }) {
			continue
		}
		for _, imported := range p.Imports {
			switch {
			case strings.HasPrefix(imported, module):
			case slices.Contains(impure, imported):
				t.Errorf("%s imports %s: what it needs of the world is to be handed in", p.name(), imported)
			case strings.Contains(strings.Split(imported, "/")[0], ".") && !slices.ContainsFunc(field, func(f string) bool { return within(imported, f) }):
				t.Errorf("%s imports %s, which is no field library", p.name(), imported)
			}
		}
		for _, file := range p.GoFiles {
			for _, word := range clockReadings(t, filepath.Join(p.Dir, file)) {
				t.Errorf("%s/%s calls %s: the time is to be handed in", p.name(), file, word)
			}
		}
	}
}

func TestToolchainNeedsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range list(t) {
		if p.name() != "internal/testbed/toolchain" && p.name() != "tools/build" {
			continue
		}
		for _, imported := range p.Imports {
			if strings.Contains(strings.Split(imported, "/")[0], ".") {
				require.True(t, strings.HasPrefix(imported, module), "%s imports %s: everything else is built with it", p.name(), imported)
			}
		}
	}
}

// clockReadings finds the calls in a file that read the clock or wait for it.
func clockReadings(t *testing.T, path string) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	reads := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok && name.Name == "time" && slices.Contains(reads, selector.Sel.Name) {
				found = append(found, "time."+selector.Sel.Name)
			}
		}
		return true
	})
	return found
}

// list asks the go command for every package of this module.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var packages []pkg
	for decoder := json.NewDecoder(out); ; {
		var p pkg
		err := decoder.Decode(&p)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
	require.NoError(t, cmd.Wait())
	require.NotEmpty(t, packages)
	return packages
}

// ours are the imports of this module, by their path inside it.
func ours(p pkg) (names []string) {
	for _, imported := range p.Imports {
		if name, ok := strings.CutPrefix(imported, module); ok {
			names = append(names, name)
		}
	}
	return names
}

func within(name, part string) bool { return name == part || strings.HasPrefix(name, part+"/") }

func words(parts []string) string {
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
