package sim

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/machine"
	"floe.dev/floe/internal/sim/script"
)

// The default world, for whoever writes pools, tests and demos. See package cloud for what each is.
const (
	DefaultAccount        = cloud.DefaultAccount
	DefaultRegion         = cloud.DefaultRegion
	SubnetA               = cloud.SubnetA // eu-west-1a, euw1-az1
	SubnetB               = cloud.SubnetB // eu-west-1b, euw1-az2
	SubnetC               = cloud.SubnetC // eu-west-1c, euw1-az3
	ImageX86              = cloud.ImageX86
	ImageARM              = cloud.ImageARM
	LaunchTemplateID      = cloud.LaunchTemplateID
	LaunchTemplateName    = cloud.LaunchTemplateName
	LaunchTemplateARMID   = cloud.LaunchTemplateARMID
	LaunchTemplateARMName = cloud.LaunchTemplateARMName
	// ReservedCPU and ReservedMemory are what the kubelets of the default launch templates keep from pods, the eviction
	// threshold included: a pool's spec.reserved must not say less.
	ReservedCPU    = "100m"
	ReservedMemory = "400Mi"
)

// Options are a scenario and where it plays. The zero value is the default world with nothing going wrong.
type Options struct {
	// Listen is the address to serve on. Empty means a free port of 127.0.0.1. Run only.
	Listen string
	// ReadyFile takes the base URL, once it serves. Run only.
	ReadyFile string
	// Kubeconfig is the file that leads to the cluster which machines join. Without it, and without Kube, machines boot
	// and join nothing. Run only.
	Kubeconfig string
	// Kube is the cluster which machines join.
	Kube kubernetes.Interface
	// Log takes what the simulator has to say. Nil means slog.Default().
	Log *slog.Logger
	// Clock is nil for the machine's own.
	Clock clock.Clock
	// Types are the machine types there are. Nil means catalog.Facts().
	Types []contract.InstanceType

	// Seed makes prices, identifiers and latencies repeatable.
	Seed int64
	// Speed divides the latencies of Boot and the times of Script. 0 means 1.
	Speed float64
	// Account is twelve digits. Empty means DefaultAccount.
	Account string
	// Region and Zones: empty means DefaultRegion with eu-west-1a to c.
	Region string
	Zones  []cloud.Zone
	// OtherAccounts are further accounts in the region, twelve digits each, whose capacity is the same. Callers reach them
	// by assuming a role of theirs.
	OtherAccounts []string
	// Latency is how long calls take; the first that matches an action holds for it. Nil means no longer than they need.
	Latency []Latency
	// Boot is how long machines take. Nil means DefaultBoot(); &Boot{} means no time at all.
	Boot *Boot
	// DescribeLag is how far behind the truth every Describe is; TagLag how much further it is with tags that were put on or
	// taken off after the launch.
	DescribeLag, TagLag time.Duration
	// Notice is how long after its warning a spot instance is terminated. 0 means two minutes, as on AWS. Speed does not
	// divide it.
	Notice time.Duration
	// Queue is the name of the queue that gets the events of EventBridge, by a rule of the same name. Empty means
	// DefaultQueue. It is there from the start, in each account, with a policy that lets this rule alone send to it.
	Queue string
	// BringQueue leaves it to the caller to create that queue and to give it a policy. Without both, events are lost.
	BringQueue bool
	// Hibernation is how machines hibernate. Nil means DefaultHibernation().
	Hibernation *cloud.HibernationRules
	// Models and Traces are what capacity there is, beside what Script says. Without them nothing is short.
	Models []capacity.Model
	Traces []capacity.Trace
	// Images is how machines pull images. Nil: they don't.
	Images *machine.Images
	// FleetReplay is what an instant fleet does under a token that was used before. Empty means cloud.ReplayAnew.
	FleetReplay cloud.FleetReplay
	// Unthrottled takes the API budgets away.
	Unthrottled bool
	// Quotas bound the account's vCPUs.
	Quotas cloud.Quotas
	// NotOffered leaves types out of zones.
	NotOffered []script.Where
	// UserData of the default launch templates, not encoded. Empty means DefaultUserData.
	UserData string
	// Script is what happens: see package script.
	Script []script.Line
}

// Boot is how long a machine takes for each phase. Speed divides all of it.
type Boot struct {
	// Pending is from the launch to EC2's state running.
	Pending time.Duration
	// Register is from there until the kubelet has registered its Node, which is NotReady.
	Register time.Duration
	// CNI is from there until the network plugin is ready.
	CNI time.Duration
	// Ready is from there until the Node is Ready.
	Ready time.Duration
	// Stopping and ShuttingDown are how long EC2 shows these states.
	Stopping, ShuttingDown time.Duration
	// Deletion is how long after its end the cloud provider deletes a terminated machine's Node.
	Deletion time.Duration
	// Initialize is how long the cloud provider's controllers take to see a new Node, where the kubelet is told that there
	// is an external one.
	Initialize time.Duration
	// Jitter is the fraction by which each phase varies, up and down.
	Jitter float64
	// Sigma makes each phase lognormal instead, with these times as medians: it is the standard deviation of the
	// logarithm. 0.2 is a machine that takes from 78 to 129 % of its time in four of five cases, which is about the
	// spread of 80 to 100 s and more that users of Karpenter report from pod to Ready.
	Sigma float64
}

// DefaultQueue is the name of the queue that events go to.
const DefaultQueue = "floe-events"

// defaultNotice is AWS's (docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html).
const defaultNotice = 2 * time.Minute

// DefaultHibernation is EC2's: two minutes must pass after the boot, requests within 30 s after a resume are ignored,
// memory is kept for 60 days (docs.aws.amazon.com/AWSEC2/latest/UserGuide/hibernating-prerequisites.html and
// troubleshoot-instance-hibernate.html), and all of it is written.
func DefaultHibernation() cloud.HibernationRules {
	return cloud.HibernationRules{MinUptime: 2 * time.Minute, Quiet: 30 * time.Second, Kept: 60 * 24 * time.Hour, Image: 1}
}

// DefaultBoot is a machine of 2021 to 2026 from pod to Ready in 80 to 100 s: 4.9 s from pending to running
// (daemonology.net/blog/2021-08-12-EC2-boot-time-benchmarking.html), the kernel, cloud-init and the kubelet, and then the
// network plugin and the rest of the way to Ready, in the proportion of 4 s to 7 s that the first chart in the README of
// github.com/awslabs/node-latency-for-k8s has from "Kubelet Registered" by "VPC CNI Plugin Initialized" to "Node Ready". The Node of a terminated machine goes when it has missed its leases for 40 to 50 s and the cloud provider's
// controller, which asks every 5 s, has seen that the instance is no more
// (kubernetes.io/docs/concepts/architecture/nodes, "Node controller").
func DefaultBoot() Boot {
	return Boot{
		Pending: 5 * time.Second, Register: 55 * time.Second, CNI: 9 * time.Second, Ready: 16 * time.Second,
		Stopping: 20 * time.Second, ShuttingDown: 30 * time.Second, Deletion: 50 * time.Second,
		Initialize: 2 * time.Second, Jitter: 0.1,
	}
}

// DefaultUserData registers the kubelet as Floe wants it: guarded by a taint until the Node workflow has put the pool's
// labels and taints on. The simulator reads the kubelet's flags out of it, as a machine would.
const DefaultUserData = `#!/bin/bash
exec kubelet \
  --register-with-taints=floe.dev/unregistered=true:NoExecute \
  --node-labels=floe.dev/sim=true \
  --kube-reserved=cpu=` + ReservedCPU + `,memory=300Mi \
  --eviction-hard=memory.available<100Mi
`

// withDefaults fills in what is empty, and refuses what cannot be.
func (o Options) withDefaults() (Options, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	if o.Types == nil {
		o.Types = catalog.Facts()
	}
	setDefault(&o.Speed, 1)
	setDefault(&o.Account, DefaultAccount)
	setDefault(&o.Region, DefaultRegion)
	setDefault(&o.FleetReplay, cloud.ReplayAnew)
	setDefault(&o.UserData, DefaultUserData)
	setDefault(&o.Notice, defaultNotice)
	setDefault(&o.Queue, DefaultQueue)
	if o.Hibernation == nil {
		rules := DefaultHibernation()
		o.Hibernation = &rules
	}
	if len(o.Zones) == 0 {
		o.Zones = cloud.DefaultZones
	}
	if o.Boot == nil {
		boot := DefaultBoot()
		o.Boot = &boot
	}
	return o, o.check()
}

// accounts are all there are, the first one first.
func (o Options) accounts() []string { return append([]string{o.Account}, o.OtherAccounts...) }

func setDefault[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}

// maxZones is how many /20 subnets the default VPC has room for.
const maxZones = 16

// accountForm is that of an account's number.
var accountForm = regexp.MustCompile(`^[0-9]{12}$`)

func (o Options) check() error {
	switch {
	case o.Speed <= 0:
		return fmt.Errorf("speed: %g is not possible: it must be above 0, 1 for real latencies, 10 for a tenth of them", o.Speed)
	case !accountForm.MatchString(o.Account):
		return fmt.Errorf("account: %q is not an account: twelve digits are wanted", o.Account)
	case len(o.Zones) > maxZones:
		return fmt.Errorf("zones: there are %d; at most %d are possible", len(o.Zones), maxZones)
	case o.FleetReplay != cloud.ReplayAnew && o.FleetReplay != cloud.ReplaySame:
		return fmt.Errorf("fleetReplay: %q is unknown: %s and %s are possible", o.FleetReplay, cloud.ReplayAnew, cloud.ReplaySame)
	case o.Boot.Jitter < 0 || o.Boot.Jitter >= 1:
		return fmt.Errorf("boot.jitter: %g is not possible: it must be from 0 to less than 1", o.Boot.Jitter)
	case o.Boot.Sigma < 0 || o.Boot.Sigma > maxSigma:
		return fmt.Errorf("boot.sigma: %g is not possible: it must be from 0 to %d", o.Boot.Sigma, maxSigma)
	case o.TagLag < 0:
		return fmt.Errorf("tagLag: %s is not possible: it must not be negative", o.TagLag)
	case o.Notice < 0:
		return fmt.Errorf("notice: %s is not possible: it must not be negative", o.Notice)
	case o.DescribeLag < 0:
		return fmt.Errorf("describeLag: %s is not possible: it must not be negative", o.DescribeLag)
	case o.Quotas.OnDemandVCPUs < 0 || o.Quotas.SpotVCPUs < 0 || o.Quotas.SpotInstances < 0:
		return fmt.Errorf("quotas: vCPUs and instances must not be negative; 0 is no bound")
	}
	for n, account := range o.OtherAccounts {
		if !accountForm.MatchString(account) || account == o.Account || slices.Contains(o.OtherAccounts[:n], account) {
			return fmt.Errorf("otherAccounts[%d]: %q is not another account: twelve digits are wanted, each account once", n, account)
		}
	}
	if err := checkLatencies(o.Latency); err != nil {
		return err
	}
	if err := o.checkWorld(); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{
		"pending": o.Boot.Pending, "register": o.Boot.Register, "cni": o.Boot.CNI, "ready": o.Boot.Ready, "stopping": o.Boot.Stopping,
		"shuttingDown": o.Boot.ShuttingDown, "deletion": o.Boot.Deletion,
		"initialize": o.Boot.Initialize,
	} {
		if d < 0 {
			return fmt.Errorf("boot.%s: %s is not possible: it must not be negative", name, d)
		}
	}
	return nil
}
