package cli

import (
	"os"
	"os/user"

	"floe.dev/floe/internal/config"
	"floe.dev/floe/internal/dial"
)

// watching knows where a workflow can be watched.
type watching struct {
	ui, namespace string
	flags         string // that lead Temporal's own command line to the same server, where the environment does not
}

// watchingBy asks the configuration for the UI's address, and calls nothing.
func watchingBy(cfg config.Temporal) (watching, error) {
	options, err := dial.Options(cfg, nil, nil)
	if err != nil {
		return watching{}, err
	}
	w := watching{ui: cfg.UI, namespace: options.Namespace}
	for _, flag := range []struct{ name, value string }{
		{"address", cfg.Address}, {"namespace", cfg.Namespace}, {"profile", cfg.Profile},
	} {
		if flag.value != "" {
			w.flags += " --" + flag.name + " " + flag.value
		}
	}
	return w, nil
}

// page is a workflow's page in Temporal's UI; empty where no UI is known.
func (w watching) page(id string) string {
	if w.ui == "" {
		return ""
	}
	return dial.WorkflowPage(w.ui, w.namespace, id)
}

// words say where to watch a workflow: its page, or a command that needs no page.
func (w watching) words(id string) string {
	if page := w.page(id); page != "" {
		return "watch it: " + page
	}
	return "watch it: temporal workflow show -w " + id + w.flags
}

// whoAsks names the person at the keyboard as Temporal's own tools do: user@host.
func whoAsks() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
