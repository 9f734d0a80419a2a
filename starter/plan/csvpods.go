package plan

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// csvColumns are those that a CSV file of pods must have.
var csvColumns = []string{"name", "cpu_milli", "memory_mib"}

// isCSV reports whether a file of pods is CSV: by its name, or where that does not tell by its first line.
func isCSV(f File) bool {
	switch strings.ToLower(filepath.Ext(f.Name)) {
	case ".csv":
		return true
	case ".yaml", ".yml", ".json":
		return false
	}
	line, _, _ := bytes.Cut(bytes.TrimPrefix(f.Data, []byte("\ufeff")), []byte("\n"))
	return slices.Contains(strings.Split(strings.TrimSpace(string(line)), ","), csvColumns[1])
}

// PodsFromCSV are pods in the namespace default that ask for cpu_milli thousandths of a CPU and memory_mib MiB. The
// columns are known by the names in the first line; others than name, cpu_milli and memory_mib are ignored. An error
// names the lines and columns that are wrong, and what would be right.
func PodsFromCSV(f File) ([]*corev1.Pod, error) {
	s, err := readSheet(f, csvColumns...)
	if err != nil {
		return nil, err
	}
	pods := make([]*corev1.Pod, 0, len(s.rows))
	seen := map[string]int{}
	for i := range s.rows {
		name := s.text(i, "name")
		if first, taken := seen[name]; name == "" || taken {
			want := "a name"
			if taken {
				want = fmt.Sprintf("a name that no other line has (line %d has it)", first)
			}
			s.wrong(i, "name", want)
		}
		seen[name] = s.lines[i]
		memory := s.whole(i, "memory_mib", 0, "MiB")
		if memory > math.MaxInt64>>20 {
			s.wrong(i, "memory_mib", "MiB, less than all bytes that there are")
		}
		pods = append(pods, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "main",
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceCPU:    *resource.NewMilliQuantity(s.whole(i, "cpu_milli", 0, "thousandths of a CPU"), resource.DecimalSI),
					corev1.ResourceMemory: *resource.NewQuantity(memory<<20, resource.BinarySI),
				}},
			}}},
		})
	}
	if len(pods) == 0 {
		return nil, errNoRows(f, "one pod or more")
	}
	return pods, s.err()
}

func errNoRows(f File, want string) error {
	return fmt.Errorf("%s: only the line with the columns: want %s below it", f.Name, want)
}
