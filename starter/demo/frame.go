package demo

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"floe.dev/floe/api/contract"
)

// frame is the live view as lines: apps, machines with what they carry, and the last events. It fits into width columns
// and height lines; what does not fit is counted.
func frame(s state, recent []string, width, height int) []string {
	running, wanted := s.counts()
	var total float64
	for _, m := range s.Machines {
		total += m.USDPerHour
	}
	lines := []string{
		fmt.Sprintf("floe demo   %s   %d/%d pods running   %d machines   $%.4f/h",
			s.At.Truncate(100*time.Millisecond), running, wanted, len(s.Machines), total),
		"",
	}
	for _, a := range s.Apps {
		note := ""
		if a.Impossible {
			note = "  can never fit: stays pending"
		}
		lines = append(lines, fmt.Sprintf("  %-10s %s %2d/%-2d running, %d pending%s",
			a.Name, bar(float64(a.Running), float64(a.Want), 20), a.Running, a.Want, a.Pending, note))
	}
	lines = append(lines, "")
	const keepForEvents = 8
	room := max(height-len(lines)-keepForEvents-2, 1)
	for i, m := range s.Machines {
		if i == room {
			lines = append(lines, fmt.Sprintf("  … and %d machines more", len(s.Machines)-room))
			break
		}
		lines = append(lines, machineLine(m))
	}
	lines = append(lines, "")
	lines = append(lines, recent[max(0, len(recent)-max(height-len(lines)-1, 1)):]...)
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	return lines
}

func machineLine(m machine) string {
	use := "booting"
	if m.OfCPU > 0 {
		use = fmt.Sprintf("%s %4.1f/%-4.1f cpu %4.1f/%-5.1f GiB %2d pods",
			bar(m.CPU, m.OfCPU, 12), m.CPU, m.OfCPU, gib(m.Memory), gib(m.OfMemory), m.Pods)
	}
	phase := m.Phase
	if phase == "" {
		phase = contract.PhaseLaunching
	}
	return fmt.Sprintf("  %-9s %-13s %-11s %-9s $%.4f %-11s %s",
		m.Pool, m.InstanceType, m.Zone, m.CapacityType, m.USDPerHour, phase, use)
}

// bar draws how much of a whole there is.
func bar(part, whole float64, width int) string {
	filled := 0
	if whole > 0 {
		filled = int(math.Round(min(part/whole, 1) * float64(width)))
	}
	return strings.Repeat("█", filled) + strings.Repeat("░", width-filled)
}

func gib(bytes float64) float64 { return bytes / (1 << 30) }

// cut shortens a line to so many characters.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	runes := []rune(line)
	return string(runes[:max(width-1, 0)]) + "…"
}
