package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// FlagConfig is the flag that names the file; EnvConfig does the same.
const (
	FlagConfig = "config"
	EnvConfig  = "FLOE_CONFIG"
)

// settings are the single values, by key, that a variable or a flag may override. Lists have no such form: clusters
// and accounts come from the file alone.
var settings = []struct{ key, env, flag, usage string }{
	{"store.uri", "FLOE_STORE_URI", "store-uri", "connection string of the store (mongodb://…); empty: no store"},
	{"store.database", "FLOE_STORE_DATABASE", "store-database", "database of the store (default floe)"},
	{"describeLag", "FLOE_DESCRIBE_LAG", "describe-lag", "how long EC2 may take to show a launch (default 60s)"},
	{"temporal.address", "FLOE_TEMPORAL_ADDRESS", "temporal-address", "Temporal frontend, host:port (default: TEMPORAL_ADDRESS, temporal.toml)"},
	{"temporal.namespace", "FLOE_TEMPORAL_NAMESPACE", "temporal-namespace", "Temporal namespace (default: TEMPORAL_NAMESPACE, temporal.toml)"},
	{"temporal.profile", "FLOE_TEMPORAL_PROFILE", "temporal-profile", "profile of temporal.toml (default: TEMPORAL_PROFILE)"},
	{"temporal.ui", "FLOE_TEMPORAL_UI", "temporal-ui", "URL of Temporal's pages, to say where a workflow can be watched"},
}

// Flags adds the flags that Load reads: --config and one for each single value.
func Flags(flags *pflag.FlagSet) {
	flags.String(FlagConfig, "", "configuration file, YAML (default: "+EnvConfig+")")
	for _, s := range settings {
		flags.String(s.flag, "", s.usage+" ["+s.env+"]")
	}
}

// Load reads the file that --config or FLOE_CONFIG names, if any, then FLOE_* variables, then flags, the later
// overriding the earlier. flags may be nil, and need not have all of Flags. Every mistake found is in the error, each
// with the path of the field and what would be right.
func Load(flags *pflag.FlagSet) (*Config, error) {
	k := koanf.New(".")
	path := filePath(flags)
	if path != "" {
		if err := loadFile(k, path); err != nil {
			return nil, err
		}
	}
	if err := k.Load(env.Provider(".", env.Opt{TransformFunc: keyOfEnv}), nil); err != nil {
		return nil, fmt.Errorf("FLOE_* variables: %w", err)
	}
	if flags != nil {
		if err := k.Load(posflag.ProviderWithFlag(flags, ".", k, keyOfFlag), nil); err != nil {
			return nil, fmt.Errorf("flags: %w", err)
		}
	}
	c, err := decode(k)
	if err == nil {
		err = c.complete()
	}
	if err != nil {
		if path == "" {
			path = "configuration"
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func filePath(flags *pflag.FlagSet) string {
	if flags != nil {
		if f := flags.Lookup(FlagConfig); f != nil && f.Changed {
			return f.Value.String()
		}
	}
	return os.Getenv(EnvConfig)
}

func loadFile(k *koanf.Koanf, path string) error {
	err := k.Load(file.Provider(path), yaml.Parser())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such file: name the configuration file with --%s or %s", path, FlagConfig, EnvConfig)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func keyOfEnv(name, value string) (string, any) {
	for _, s := range settings {
		if s.env == name {
			return s.key, value
		}
	}
	return "", nil
}

// keyOfFlag leaves out flags that nobody gave: their empty defaults must not override the file.
func keyOfFlag(f *pflag.Flag) (string, any) {
	if f.Changed {
		for _, s := range settings {
			if s.flag == f.Name {
				return s.key, f.Value.String()
			}
		}
	}
	return "", nil
}

// decode is strict: a field that the file has and Config has not is a mistake.
func decode(k *koanf.Koanf) (*Config, error) {
	c := &Config{Store: Store{Database: "floe", Retention: retentionDefaults}, DescribeLag: time.Minute}
	var seen mapstructure.Metadata
	err := k.UnmarshalWithConf("", c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
		MatchName:  func(key, field string) bool { return key == field },
		Metadata:   &seen,
		TagName:    "koanf",
	}})
	if err != nil {
		return nil, err
	}
	slices.Sort(seen.Unused)
	var errs []error
	for _, path := range seen.Unused {
		errs = append(errs, fmt.Errorf("%s: unknown field%s", path, suggestion(path)))
	}
	return c, errors.Join(errs...)
}

// fields are the fields of each list or object of the file, for suggestions.
var fields = map[string][]string{
	"":                 {"clusters", "accounts", "store", "temporal", "describeLag"},
	"clusters":         {"name", "kubeconfig", "account", "notices"},
	"clusters.notices": {"condition", "taint", "kind"},
	"accounts":         {"name", "region", "role", "endpoint", "interruptionQueue", "rates"},
	"store":            {"uri", "database", "retention"},
	"store.retention":  {"nodes", "plans", "hops", "offerings", "events", "images"},
	"temporal":         {"address", "namespace", "profile", "ui"},
}

// indexOf is an element's place in a list, in a path.
var indexOf = regexp.MustCompile(`\[[0-9]+\]`)

// suggestion names the fields that there are where an unknown one was found: "clusters[0].nmae".
func suggestion(path string) string {
	parent := ""
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		parent = indexOf.ReplaceAllString(path[:i], "")
	}
	known := fields[parent]
	if len(known) == 0 {
		return ""
	}
	return "; the fields here are " + strings.Join(known, ", ")
}
