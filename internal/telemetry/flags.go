package telemetry

import (
	"log/slog"
	"os"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// LogFlags adds --log-format and --log-level; FLOE_LOG_FORMAT and FLOE_LOG_LEVEL are their defaults, else text on a
// terminal, json elsewhere, and info. The function it returns, called once the flags are parsed, makes the logger they
// ask for, writing to stderr, and makes it every library's default.
func LogFlags(flags *pflag.FlagSet) func() (*slog.Logger, error) {
	format := os.Getenv("FLOE_LOG_FORMAT")
	if format == "" {
		format = "json"
		if term.IsTerminal(int(os.Stderr.Fd())) {
			format = "text"
		}
	}
	level := os.Getenv("FLOE_LOG_LEVEL")
	if level == "" {
		level = "info"
	}
	flags.StringVar(&format, "log-format", format, "json or text [FLOE_LOG_FORMAT]")
	flags.StringVar(&level, "log-level", level, "debug, info, warn or error [FLOE_LOG_LEVEL]")
	return func() (*slog.Logger, error) {
		log, err := NewLogger(os.Stderr, format, level)
		if err != nil {
			return nil, err
		}
		SetDefaultLogger(log)
		return log, nil
	}
}
