package day

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The picture: three plots, one below the other. All in SVG's user units.
const (
	plotWidth, plotHeight = 720, 130
	left, firstTop, pitch = 70, 40, 170
	pictureWidth          = 820
	pictureHeight         = 560
	// mostDots of a line: more are not seen.
	mostDots = 300
)

// SVG plots a day: the on-demand share of its machines, evictions so far, and cost. Droughts and failures are bands.
func SVG(s *Scenario, r *Report) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n"+
		`<rect width="%[1]d" height="%[2]d" fill="white"/>`+"\n"+`<text x="%d" y="20" font-size="14">%s</text>`+"\n",
		pictureWidth, pictureHeight, left, text(fmt.Sprintf("%s: $%.2f and %d evictions; $%.2f where nothing may leave",
			s.Description, r.USD, r.Evictions, r.USDIfNothingLeft)))
	x := func(at time.Duration) float64 { return left + plotWidth*min(1, at.Seconds()/s.Length.Seconds()) }
	plots := []struct {
		title, color string
		of           func(Sample) float64
	}{
		{"on-demand, % of nodes (droughts are light bands)", "#c0392b", func(s Sample) float64 {
			return 100 * float64(s.OnDemand) / math.Max(1, float64(s.OnDemand+s.Spot))
		}},
		{"evictions so far", "#2c3e50", func(s Sample) float64 { return float64(s.Evictions) }},
		{"cost, $/h (failures are dark bands)", "#2980b9", func(s Sample) float64 { return s.USDPerHour }},
	}
	for i, p := range plots {
		top := firstTop + pitch*i
		band := func(from, to metav1.Duration, color string) {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n",
				x(from.Duration), top, x(to.Duration)-x(from.Duration), plotHeight, color)
		}
		for _, d := range s.Droughts {
			band(d.From, d.To, "#fde2c8")
		}
		for _, f := range s.Failures {
			band(f.From, f.To, "#f5b5b5")
		}
		most := 0.0
		for _, sample := range r.Samples {
			most = max(most, p.of(sample))
		}
		var points strings.Builder
		for i := 0; i < len(r.Samples); i += max(1, len(r.Samples)/mostDots) {
			y := float64(top+plotHeight) - p.of(r.Samples[i])/max(most, 1e-9)*plotHeight
			fmt.Fprintf(&points, "%.1f,%.1f ", x(time.Duration(r.Samples[i].Seconds*float64(time.Second))), y)
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>`+"\n", p.color, strings.TrimSpace(points.String()))
		fmt.Fprintf(&b, `<path d="M%d %dV%dH%d" fill="none" stroke="black"/>`+"\n", left, top, top+plotHeight, left+plotWidth)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%.4g</text><text x="%d" y="%d">%s</text>`+"\n", left-6, top+10, most, left+6, top+12, text(p.title))
	}
	for i := range 7 {
		at := s.Length.Duration * time.Duration(i) / 6
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", x(at), firstTop+pitch*2+plotHeight+20, s.Start.Add(at).Format("15:04"))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// text is a scenario's words as a picture may hold them.
func text(words string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(words)); err != nil {
		return "" // a buffer takes everything
	}
	return b.String()
}
