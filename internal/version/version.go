// Package version says which build of Floe is running.
package version

import (
	"runtime/debug"
	"sync"
)

// linked is set by release builds: -ldflags "-X floe.dev/floe/internal/version.linked=v1.2.3".
var linked string

// String is the version: what the linker was told, else the module's version, else the commit it was built from
// ("devel-1a2b3c4d5e6f", with "+dirty" where the checkout had changes), else "devel".
var String = sync.OnceValue(func() string {
	if linked != "" {
		return linked
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = "-" + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	return "devel" + revision + dirty
})
