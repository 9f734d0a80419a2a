package compose

import (
	"bufio"
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stage is one FROM of the Dockerfile with what follows.
type stage struct {
	base string
	// user and entrypoint include what the stages below it set.
	user       string
	entrypoint []string
	// copied are the files from other stages, by where they lie in this one.
	copied map[string]string
	run    string
}

// dockerfile reads the few instructions that ours has, and fails on any other: whoever adds one adds its check.
func dockerfile(t *testing.T) map[string]*stage {
	t.Helper()
	stages := map[string]*stage{}
	var now *stage
	for _, line := range instructions(t) {
		word, rest, _ := strings.Cut(line, " ")
		fields := strings.Fields(rest)
		switch word {
		case "FROM":
			if strings.HasPrefix(fields[0], "--platform=") {
				fields = fields[1:]
			}
			require.Len(t, fields, 3, line)
			require.Equal(t, "AS", fields[1], line)
			now = &stage{base: fields[0], copied: map[string]string{}}
			if below := stages[now.base]; below != nil {
				now.user, now.entrypoint = below.user, below.entrypoint
				for to, from := range below.copied {
					now.copied[to] = from
				}
			}
			stages[fields[2]] = now
		case "COPY":
			if from, ok := strings.CutPrefix(fields[0], "--from="); ok {
				require.Contains(t, stages, from, line)
				require.Len(t, fields, 3, line)
				now.copied[fields[2]] = from + ":" + fields[1]
			} else {
				require.Equal(t, []string{".", "."}, fields, "the build takes the checkout, less .dockerignore")
			}
		case "USER":
			now.user = fields[0]
		case "ENTRYPOINT":
			require.NoError(t, json.Unmarshal([]byte(rest), &now.entrypoint), line)
		case "RUN":
			now.run += rest + "\n"
		case "WORKDIR", "ARG":
		default:
			t.Fatalf("Dockerfile: this test does not know %s", word)
		}
	}
	return stages
}

// instructions are the Dockerfile's lines, continued ones joined, without comments.
func instructions(t *testing.T) (lines []string) {
	t.Helper()
	scanner := bufio.NewScanner(bytes.NewReader(read(t, "Dockerfile")))
	var line string
	for scanner.Scan() {
		text := strings.TrimSpace(scanner.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		rest, continued := strings.CutSuffix(text, `\`)
		if line += rest; !continued {
			lines = append(lines, line)
			line = ""
		}
	}
	require.NoError(t, scanner.Err())
	require.Empty(t, line)
	return lines
}

func TestBuildsExist(t *testing.T) {
	stages := dockerfile(t)
	targets := map[string]bool{}
	for name, s := range all(t) {
		if s.Build == nil {
			continue
		}
		require.FileExists(t, filepath.Join(s.Build.Context, s.Build.Dockerfile), name)
		entrypoint(t, stages, s, "")
		target := stages[s.Build.Target]
		targets[s.Build.Target] = true

		program := target.entrypoint[0]
		require.Contains(t, target.copied, program, "%s starts %s, which its image has not", name, program)
		require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, target.user, "%s runs as root", name)
		if s.HealthCheck != nil {
			require.Equal(t, "CMD", s.HealthCheck.Test[0], "%s: its image has no shell", name)
			require.Contains(t, target.copied, s.HealthCheck.Test[1], "%s: its image has not what its health check runs", name)
		}
	}
	require.Equal(t, map[string]bool{"worker": true, "floe": true}, targets)
}

// The commands of the build make, out of packages that are there, the files that the images copy.
func TestBuildMakesWhatIsCopied(t *testing.T) {
	stages := dockerfile(t)
	made := map[string]string{}
	for _, m := range regexp.MustCompile(`go build [^&]*-o (\S+) (\./\S+)`).FindAllStringSubmatch(stages["build"].run, -1) {
		made[m[1]] = m[2]
	}
	require.Len(t, made, 2)
	for _, pkg := range made {
		require.Equal(t, "main", goList(t, "{{.Name}}", pkg)[0], pkg)
	}
	for name, s := range stages {
		for _, from := range s.copied {
			if file, ok := strings.CutPrefix(from, "build:/out/"); ok {
				require.Contains(t, made, "/out/"+file, "stage %s", name)
			}
		}
	}

	variable := regexp.MustCompile(`-X floe\.dev/floe/(\S+)\.(\w+)=\$VERSION`).FindStringSubmatch(stages["build"].run)
	require.NotNil(t, variable, "the build gives the programs their version")
	require.True(t, declares(t, variable[1], variable[2]), "there is no variable %s in %s", variable[2], variable[1])
}

// declares says whether a package has a variable of that name, which the linker may set.
func declares(t *testing.T, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					v := spec.(*ast.ValueSpec)
					if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "string" && v.Names[0].Name == name {
						return true
					}
				}
			}
		}
	}
	return false
}

// Nothing that the programs are built from is kept out of the build by .dockerignore.
func TestDockerignoreLeavesTheSources(t *testing.T) {
	var ignored []string
	for line := range strings.Lines(string(read(t, ".dockerignore"))) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			require.NotContainsf(t, line, "*", "this test knows plain names only")
			ignored = append(ignored, line)
		}
	}
	require.Contains(t, ignored, ".git")
	checkout, err := filepath.Abs(root)
	require.NoError(t, err)
	files := goList(t, `{{with .Module}}{{if .Main}}{{$d := $.Dir}}{{range $.GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range $.EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`,
		"-deps", "./worker", "./starter")
	require.Greater(t, len(files), 100)
	for _, file := range append(files, filepath.Join(checkout, "go.mod"), filepath.Join(checkout, "go.sum")) {
		inside, err := filepath.Rel(checkout, file)
		require.NoError(t, err)
		for _, name := range ignored {
			require.False(t, inside == name || strings.HasPrefix(inside, name+"/"), "the build needs %s, which .dockerignore leaves out as %s", inside, name)
		}
	}
}

// goList runs `go list` in the checkout and returns its lines.
func goList(t *testing.T, format string, args ...string) (lines []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", format}, args...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, path.Clean(line))
		}
	}
	return lines
}
