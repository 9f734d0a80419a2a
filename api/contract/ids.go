package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// TaskQueue is the queue of workflow tasks and store activities.
const TaskQueue = "floe"

// KubeTaskQueue is the queue of activities that need the cluster's API server.
func KubeTaskQueue(cluster string) string { return "kube." + cluster }

// DrainTaskQueue is the queue of drains of a cluster, served by the same workers: hundreds may begin at once, and the plan
// of what replaces their nodes must not stand in line behind them.
func DrainTaskQueue(cluster string) string { return "drain." + cluster }

// APIClass is one of AWS's API budgets: calls of one class share a task queue and its server-side rate.
type APIClass string

// The API classes.
const (
	ClassLaunch    APIClass = "launch"
	ClassStart     APIClass = "start"
	ClassStop      APIClass = "stop"
	ClassTerminate APIClass = "terminate"
	ClassRead      APIClass = "read"
)

// APIClasses lists every class; a worker polls one queue for each.
var APIClasses = []APIClass{ClassLaunch, ClassStart, ClassStop, ClassTerminate, ClassRead}

// AWSTaskQueue is the queue of one class of AWS calls in one account and region.
func AWSTaskQueue(account, region string, class APIClass) string {
	return "aws." + account + "." + region + "." + string(class)
}

// ProvisionerID is the workflow id of a cluster's Provisioner.
func ProvisionerID(cluster string) string { return "provisioner/" + cluster }

// PlanID is the id of a Provisioner's n-th plan, from 1. It embeds the Provisioner's first run id, which survives
// retries, resets and continue-as-new, so that two lives of one Provisioner never share a plan id.
func PlanID(firstRunID string, n int) string { return fmt.Sprintf("%s-%d", short(firstRunID), n) }

// ScaleUpID is the workflow id of a plan's n-th launch, from 0.
func ScaleUpID(cluster, plan string, n int) string {
	return fmt.Sprintf("scaleup/%s/%s/%d", cluster, plan, n)
}

// HandScaleUpID is the workflow id of a launch that a person opened and named. The name must be no plan's launch, so
// "hand" stands where a plan's id would.
func HandScaleUpID(cluster, name string) string { return "scaleup/" + cluster + "/hand/" + name }

// NodeID is the workflow id of an instance's Node.
func NodeID(cluster, instance string) string { return "node/" + cluster + "/" + instance }

// ParseNodeID is the inverse of NodeID.
func ParseNodeID(id string) (cluster, instance string, ok bool) {
	rest, ok := strings.CutPrefix(id, "node/")
	if !ok {
		return "", "", false
	}
	cluster, instance, ok = strings.Cut(rest, "/")
	return cluster, instance, ok && cluster != "" && instance != ""
}

// DrainID is the workflow id of the n-th drain of a node, from 1.
func DrainID(cluster, instance string, n int) string {
	return fmt.Sprintf("drain/%s/%s/%d", cluster, instance, n)
}

// HibernateID is the workflow id of the n-th freeze of a machine, from 1.
func HibernateID(cluster, instance string, n int) string {
	return fmt.Sprintf("hibernate/%s/%s/%d", cluster, instance, n)
}

// ResumeID is the workflow id of the n-th wake of a machine, from 1.
func ResumeID(cluster, instance string, n int) string {
	return fmt.Sprintf("resume/%s/%s/%d", cluster, instance, n)
}

// StandbyScaleUpID is the workflow id of a Standby's n-th launch. It embeds the Standby's first run id, as PlanID does.
func StandbyScaleUpID(cluster, pool, firstRunID string, n int) string {
	return fmt.Sprintf("scaleup/%s/standby.%s/%s-%d", cluster, pool, short(firstRunID), n)
}

// StandbyID is the workflow id of a pool's Standby.
func StandbyID(cluster, pool string) string { return "standby/" + cluster + "/" + pool }

// LaunchToken is the idempotency token of one hop: a hash of identity that survives retries, resets and
// continue-as-new. zone is empty where the call is not zonal (CreateFleet). 64 hexadecimal digits, which is the longest
// client token that EC2 takes (docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html).
func LaunchToken(workflowID, firstRunID string, hop int, zone string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", workflowID, firstRunID, hop, zone))
	return hex.EncodeToString(sum[:])
}

// ProviderID is the spec.providerID of the Node of an instance, as the AWS cloud provider writes it.
func ProviderID(zone, instance string) string { return "aws:///" + zone + "/" + instance }

// InstanceOfProviderID is the instance id at the end of a providerID. ok is false where it is not AWS's.
func InstanceOfProviderID(providerID string) (instance string, ok bool) {
	rest, ok := strings.CutPrefix(providerID, "aws://")
	if !ok {
		return "", false
	}
	instance = rest[strings.LastIndexByte(rest, '/')+1:]
	return instance, strings.HasPrefix(instance, "i-")
}

func short(runID string) string { return runID[:min(8, len(runID))] }
