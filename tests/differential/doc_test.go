// Package differential holds the planner against the real kube-scheduler. Random clusters and pods are made on a real
// control plane, planned for, and the plan is applied: nodes are made as the machines that it buys. The scheduler must
// then bind every pod that the plan has a place for, and before there is any new node it must find no room for those
// that machines are bought for. Each case exercises a few of the scheduler's predicates; a disagreement is printed as
// the smallest case that still shows it.
package differential
