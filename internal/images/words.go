package images

import (
	"fmt"
	"strings"
	"time"
)

// short is an image as a reason names it: the last part of its repository, and some of its digest.
func short(image string) string {
	name := Repository(image)
	name = name[strings.LastIndex(name, "/")+1:]
	if _, digest, ok := strings.Cut(image, "@sha256:"); ok {
		return name + "@" + digest[:min(7, len(digest))]
	}
	return name + strings.TrimPrefix(image, Repository(image))
}

func size(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

func percent(part float64) string {
	if part > 0 && part < 0.01 {
		return "less than 1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*part)
}

func day(t time.Time) string { return t.UTC().Format("Jan 2 15:04") }

func span(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%.0f h", max(1, d.Hours()))
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

func machines(n int) string {
	if n == 1 {
		return "1 machine"
	}
	return fmt.Sprintf("%d machines", n)
}
