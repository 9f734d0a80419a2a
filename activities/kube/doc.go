// Package kube is the activities that need a cluster's API server: plans, chains, registration, drains and the
// deletion of Nodes, all fed by informers. Its Cluster is shared with the watcher.
package kube
