package config

import (
	"log/slog"
	"strings"
)

// Store is the MongoDB-compatible database. Floe stays right without it: it is a projection and a shared memory.
type Store struct {
	// URI is the connection string, mongodb:// or mongodb+srv://. Empty means that there is no store.
	URI URI `koanf:"uri"`
	// Database is the name of the database: floe unless given.
	Database string `koanf:"database"`
	// Retention is how old what is in it may become.
	Retention Retention `koanf:"retention"`
}

// URI is a connection string that may hold a password. However it is printed, logged or encoded, it comes without
// user, password and options; string(uri) has it whole.
type URI string

// String is the URI without its secrets: mongodb://…@db.example:27017/floe.
func (u URI) String() string {
	scheme, rest, ok := strings.Cut(string(u), "://")
	if !ok {
		return redacted
	}
	// Options may hold secrets too (authMechanismProperties). The last @ is looked for in all that is left, so that an
	// unescaped @, / or ? inside a password cannot let a part of it through.
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = redacted + rest[i:]
	}
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest
}

// GoString keeps %#v from printing secrets.
func (u URI) GoString() string { return u.String() }

// LogValue keeps log/slog from printing secrets.
func (u URI) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText keeps encoders from printing secrets.
func (u URI) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

const redacted = "…"
