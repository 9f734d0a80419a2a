// Package deploy holds what is to be applied before Floe runs, so that programs can apply it themselves.
package deploy

import _ "embed"

// NodePoolCRD is the CustomResourceDefinition of NodePools, as YAML.
//
//go:embed crds/floe.dev_nodepools.yaml
var NodePoolCRD []byte

// NodePoolSchema is the JSON schema (draft 7) of a NodePool, for editors and for checks in CI.
//
//go:embed crds/nodepool.schema.json
var NodePoolSchema []byte

// WorkerRBAC and WatcherRBAC are service account, ClusterRole and binding of each program, as YAML documents.
var (
	//go:embed rbac/worker.yaml
	WorkerRBAC []byte
	//go:embed rbac/watcher.yaml
	WatcherRBAC []byte
)

// WorkerIAM and WatcherIAM are the IAM policies that the programs need in each account, as JSON.
var (
	//go:embed iam/worker.json
	WorkerIAM []byte
	//go:embed iam/watcher.json
	WatcherIAM []byte
)
