package images

import (
	"fmt"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
)

// mostTold is how many images a sentence names.
const mostTold = 3

// Told says in words what was prefetched onto a machine, and what of it was gone when it woke; "" where nothing was to be.
func Told(p *contract.Prefetched) string {
	if p == nil {
		return ""
	}
	if len(p.Images)+len(p.Failed) == 0 {
		return "No image was prefetched: " + p.Note + "."
	}
	said := fmt.Sprintf("%s prefetched, %s.", count(len(p.Images), "image"), size(p.Bytes))
	if n := len(p.Failed); n > 0 {
		said += fmt.Sprintf(" %s could not be: %s: %s.", count(n, "image"), short(p.Failed[0].Image), p.Failed[0].Reason)
	}
	if p.Note != "" {
		said += " " + p.Note + "."
	}
	if n := len(p.Lost); n > 0 {
		said += fmt.Sprintf(" %s gone when it woke: %s.", count(n, "image"), names(p.Lost))
	}
	return said
}

// There says in words what a machine that woke has of the images that its Node listed before, with a space before it; "" where
// there were none. there counts those that are listed still, and lost are those that are gone.
func There(before []string, there int, lost []string) string {
	said := ""
	switch n := len(before); {
	case n == 0:
		return ""
	case there == n:
		return fmt.Sprintf(" Prefetched and there still: %s.", count(n, "image"))
	case len(lost) > 0:
		said = fmt.Sprintf(" Prefetched and gone: %s (%s). Its pods wait for their pull, and the next freeze pulls them again.", count(len(lost), "image"), names(lost))
	}
	if unsaid := len(before) - there - len(lost); unsaid > 0 {
		said += fmt.Sprintf(" Prefetched, and nobody knows whether there still: %s.", count(unsaid, "image"))
	}
	return said
}

// names are some images, the others counted.
func names(images []string) string {
	told := make([]string, 0, mostTold)
	for _, image := range images[:min(mostTold, len(images))] {
		told = append(told, short(image))
	}
	list := strings.Join(told, ", ")
	if more := len(images) - len(told); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

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

func machines(n int) string { return count(n, "machine") }
