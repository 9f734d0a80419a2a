package demo

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// view shows states as they come.
type view interface {
	show(s state, events []string)
	// end leaves the terminal as it should be.
	end()
}

// newView is a live view where out is a terminal that can be drawn on, and plain lines elsewhere.
func newView(out io.Writer, plain bool) view {
	if f, ok := out.(*os.File); ok && !plain && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == "" {
		return &live{out: f}
	}
	return lines{out}
}

// lines prints each event once.
type lines struct{ out io.Writer }

func (l lines) show(_ state, events []string) {
	for _, e := range events {
		fmt.Fprintln(l.out, e)
	}
}

func (lines) end() {}

// remembered is how many events the live view keeps: a tall terminal's worth.
const remembered = 100

// live redraws one frame in place.
type live struct {
	out    *os.File
	drawn  int // lines of the last frame
	recent []string
}

func (l *live) show(s state, events []string) {
	l.recent = append(l.recent, events...)
	l.recent = l.recent[max(0, len(l.recent)-remembered):]
	width, height, err := term.GetSize(int(l.out.Fd()))
	if err != nil {
		width, height = 100, 40
	}
	// Less than the whole terminal, so that drawing never scrolls.
	frame := frame(s, l.recent, width-1, height-1)
	var b strings.Builder
	if l.drawn == 0 {
		b.WriteString("\x1b[?25l") // hide the cursor
	} else {
		fmt.Fprintf(&b, "\x1b[%dA", l.drawn)
	}
	b.WriteString("\r\x1b[J")
	for _, line := range frame {
		b.WriteString(line + "\r\n")
	}
	l.drawn = len(frame)
	fmt.Fprint(l.out, b.String())
}

func (l *live) end() {
	if l.drawn > 0 {
		fmt.Fprint(l.out, "\x1b[?25h")
	}
}
