// Package config reads what every program of Floe must know of the outside: clusters, AWS accounts, the store and
// Temporal. One YAML file holds it; environment variables and flags override the single values.
//
//	clusters:
//	  - {name: prod, kubeconfig: /etc/floe/prod.kubeconfig, account: main}
//	accounts:
//	  - {name: main, region: eu-west-1, role: arn:aws:iam::123456789012:role/floe}
//	store: {uri: mongodb://127.0.0.1:27017, database: floe, retention: {plans: 720h}}
//	describeLag: 60s
package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
)

// Config is the whole file. A Config that Load returned is valid: names are unique, references resolve.
type Config struct {
	// Clusters are the Kubernetes clusters served.
	Clusters []Cluster `koanf:"clusters"`
	// Accounts are the AWS accounts, each in one region, that machines are bought in.
	Accounts []Account `koanf:"accounts"`
	// Store is the MongoDB-compatible database.
	Store Store `koanf:"store"`
	// Temporal overrides what TEMPORAL_* variables and temporal.toml say.
	Temporal Temporal `koanf:"temporal"`
	// DescribeLag is how long EC2's Describe calls may take to show what happened: 60s unless given. Absence within it
	// proves nothing.
	DescribeLag time.Duration `koanf:"describeLag"`
}

// Cluster is one Kubernetes cluster.
type Cluster struct {
	// Name is the cluster's name in every id, label, tag and task queue.
	Name string `koanf:"name"`
	// Kubeconfig is the path of the kubeconfig file; its current context is used. Empty means the service account of
	// the pod that the program runs in.
	Kubeconfig string `koanf:"kubeconfig"`
	// Account names the account of pools that name none. Empty means the only account there is.
	Account string `koanf:"account"`
	// Notices are signs on Nodes by which others say that AWS takes a machine back. None unless given.
	Notices []Notice `koanf:"notices"`
}

// Account is one AWS account in one region. The same account in another region is another entry.
type Account struct {
	// Name is the account's name in pools and task queues.
	Name string `koanf:"name"`
	// Region is AWS's region code: eu-west-1.
	Region string `koanf:"region"`
	// Role is the ARN of the role to assume. Empty means that the SDK's default credentials are used as they are.
	Role string `koanf:"role"`
	// Endpoint replaces AWS's own endpoints, for every service. Empty means AWS's.
	Endpoint string `koanf:"endpoint"`
	// InterruptionQueue is the SQS queue, by its URL or its name, that EventBridge sends EC2's warnings to: see
	// docs/leaving.md. Empty means that none is read: machines that EC2 takes back are noticed when they are gone.
	InterruptionQueue string `koanf:"interruptionQueue"`
	// Rates override the calls per second of API classes: see Rate.
	Rates map[contract.APIClass]float64 `koanf:"rates"`
}

// Temporal says which Temporal to talk to. Empty fields leave the word to TEMPORAL_* variables and temporal.toml.
type Temporal struct {
	// Address of the frontend: host:port.
	Address string `koanf:"address"`
	// Namespace that workflows run in.
	Namespace string `koanf:"namespace"`
	// Profile of temporal.toml.
	Profile string `koanf:"profile"`
	// UI is the URL of Temporal's pages, for people to look at workflows: http://127.0.0.1:8233. Empty: not known.
	UI string `koanf:"ui"`
}

// Cluster returns the cluster of that name. An empty name means the only cluster there is.
func (c *Config) Cluster(name string) (Cluster, error) {
	if name == "" {
		switch len(c.Clusters) {
		case 1:
			return c.Clusters[0], nil
		case 0:
			return Cluster{}, fmt.Errorf("the configuration has no cluster: add one under clusters in the file that --config or FLOE_CONFIG names")
		}
		return Cluster{}, fmt.Errorf("no cluster named, and the configuration has %d: name one of %s", len(c.Clusters), c.clusterNames())
	}
	for _, cluster := range c.Clusters {
		if cluster.Name == name {
			return cluster, nil
		}
	}
	return Cluster{}, fmt.Errorf("the configuration has no cluster %q: name one of %s, or add it under clusters", name, c.clusterNames())
}

// Account returns the account of that name. An empty name means the only account there is.
func (c *Config) Account(name string) (Account, error) {
	if name == "" {
		if len(c.Accounts) == 1 {
			return c.Accounts[0], nil
		}
		return Account{}, fmt.Errorf("no account named, and the configuration has %d: name one of %s", len(c.Accounts), c.accountNames())
	}
	for _, account := range c.Accounts {
		if account.Name == name {
			return account, nil
		}
	}
	return Account{}, fmt.Errorf("the configuration has no account %q: name one of %s, or add it under accounts", name, c.accountNames())
}

func (c *Config) clusterNames() string {
	names := make([]string, 0, len(c.Clusters))
	for _, cluster := range c.Clusters {
		names = append(names, cluster.Name)
	}
	return list(names)
}

func (c *Config) accountNames() string {
	names := make([]string, 0, len(c.Accounts))
	for _, account := range c.Accounts {
		names = append(names, account.Name)
	}
	return list(names)
}

func list(names []string) string {
	if len(names) == 0 {
		return "(none)"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
