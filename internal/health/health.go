// Package health is the address at which a long-running program of Floe answers whether it lives (/healthz), whether it
// is ready (/readyz) and what it counted (/metrics).
package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check says whether one thing that the program needs is there: nil, or why not.
type Check func(context.Context) error

// Options of a Server.
type Options struct {
	// Listen is the address to serve on, host:port. Port 0 takes a free one.
	Listen string
	// ReadyFile, where not empty, is the path of a file that gets one line, the server's URL, once it serves.
	ReadyFile string
	// Metrics are shown at /metrics.
	Metrics prometheus.Gatherer
	// Ready are the checks of /readyz, by name. They are called for each request and share one second.
	Ready map[string]Check
}

// Server is a running server.
type Server struct {
	url  string
	http *http.Server
}

// Serve starts to serve and returns. Close ends it.
func Serve(o Options) (*Server, error) {
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %s: %w: choose another address", o.Listen, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", o.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	s := &Server{
		url:  "http://" + listener.Addr().String(),
		http: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second},
	}
	go s.http.Serve(listener) // ends with ErrServerClosed
	if err := WriteReadyFile(o.ReadyFile, s.url); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// URL is where the server is: http://host:port.
func (s *Server) URL() string { return s.url }

// Close ends the server at once; what is being answered is cut off.
func (s *Server) Close() error { return s.http.Close() }

// readyz answers a line for each check, and 503 where one fails.
func (o Options) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	status := http.StatusOK
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(o.Ready)) {
		word := "ok"
		if err := o.Ready[name](ctx); err != nil {
			word, status = err.Error(), http.StatusServiceUnavailable
		}
		fmt.Fprintf(&lines, "%s: %s\n", name, word)
	}
	w.WriteHeader(status)
	fmt.Fprint(w, lines.String())
}

// WriteReadyFile writes the line, atomically, so that whoever waits for the file never reads half of it. An empty path
// writes nothing.
func WriteReadyFile(path, line string) error {
	if path == "" {
		return nil
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".ready-*")
	if err != nil {
		return fmt.Errorf("--ready-file %s: %w", path, err)
	}
	_, err = fmt.Fprintln(temp, line)
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("--ready-file %s: %w", path, errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}
