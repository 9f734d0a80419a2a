package v1alpha1

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Standby is the room for machines made ready and then frozen.
type Standby struct {
	// Hibernated is how many machines are kept hibernated.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Hibernated int32 `json:"hibernated,omitempty"`
	// Stopped is how many machines are kept stopped.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Stopped int32 `json:"stopped,omitempty"`
	// Targets are reasons to keep more than those numbers: by the pool's size, by the clock, by forecast.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Targets []StandbyTarget `json:"targets,omitempty"`
	// Prefetch says which images are pulled before a machine is frozen. Empty: none, but those that its daemonsets need.
	// +optional
	Prefetch *Prefetch `json:"prefetch,omitempty"`
	// NodeWhileFrozen says what becomes of the Node of a machine that is frozen: Keep (the default) leaves it in the cluster,
	// closed to pods and NotReady; Delete deletes it, and the machine registers anew when it boots, as cluster-autoscaler
	// stops working where more than 45 % of a cluster's Nodes are not ready. Delete is for the tier stopped: the Node of a
	// hibernated machine is kept whatever is said here, since its kubelet does not register again when it wakes.
	// +optional
	// +kubebuilder:default=Keep
	NodeWhileFrozen NodeWhileFrozen `json:"nodeWhileFrozen,omitempty"`
	// Requests is what each standby machine must hold, such as {cpu: 3500m, memory: 14Gi}. Empty: the cheapest machine that
	// the pool's on-demand steps allow.
	// +optional
	// +kubebuilder:validation:MaxProperties=10
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// MinUptime is how long a machine must have been up before it is asked to hibernate. EC2 refuses it for about two
	// minutes after the launch.
	// +optional
	// +kubebuilder:default="2m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	MinUptime *metav1.Duration `json:"minUptime,omitempty"`
	// ResumeTimeout is how long after its start a machine may take to prove that it is alive. One that has not is terminated
	// and replaced. Memory is read as fast as the root volume gives it: 32 GiB at 125 MiB/s are four and a half minutes.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	ResumeTimeout *metav1.Duration `json:"resumeTimeout,omitempty"`
	// RenewAfter is the age at which a standby machine is replaced by a new one, at most 59 days: EC2 keeps no hibernated
	// machine beyond 60. One of an older launch template version is replaced before.
	// +optional
	// +kubebuilder:default="1200h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	RenewAfter *metav1.Duration `json:"renewAfter,omitempty"`
	// RenewAtOnce is how many machines may be under renewal at the same time.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	RenewAtOnce int32 `json:"renewAtOnce,omitempty"`
	// OverResume is how many machines more than it asks for are woken for a claim: a number, or a percentage of the claim,
	// rounded up. Those that prove themselves first are kept, and the others go back to sleep, never opened to pods. 0
	// unless given.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^(100|[0-9]{1,2})%$`
	// +kubebuilder:validation:XValidation:rule="type(self) != int || (int(self) >= 0 && int(self) <= 1000)",message="want a number from 0 to 1000, or a percentage of the claim, such as 20%"
	OverResume *intstr.IntOrString `json:"overResume,omitempty"`
	// RaceAfter is how long after a claim's start its machines may be unproven before a cold launch races them: for each that
	// is, a machine is bought by the pool's other steps. Whichever is ready first is kept; a frozen one that loses goes back
	// to sleep, a cold one is given back. 0s races at once. Empty: no race.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	RaceAfter *metav1.Duration `json:"raceAfter,omitempty"`
	// MaxDiskUSDPerMonth bounds what the root volumes of standby machines may cost a month, at gp3's price of 0.08 USD for
	// each GiB. Beyond it no machine is made ready, whatever the targets say. Empty: no bound.
	// +optional
	MaxDiskUSDPerMonth *resource.Quantity `json:"maxDiskUSDPerMonth,omitempty"`
}

// StandbyTarget is one reason to keep machines of a tier: by the pool's size, by the clock, or by what its own history
// foretells. A tier is kept at the largest of its number and its targets.
//
// +kubebuilder:validation:XValidation:rule="[has(self.ladder), has(self.schedule), has(self.forecast)].filter(x, x).size() == 1",message="set exactly one of ladder, schedule and forecast"
type StandbyTarget struct {
	// Tier that the target is for: hibernated or stopped.
	// +kubebuilder:validation:XValidation:rule="self in ['hibernated','stopped']",message="want hibernated or stopped"
	Tier CapacityType `json:"tier"`
	// Ladder keeps more machines the larger the pool is: the count of the highest step that the pool has reached holds, and
	// none below the first step.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.filter(b, b.nodes == a.nodes).size() == 1)",message="nodes: each step begins at a size of its own"
	Ladder []StandbyStep `json:"ladder,omitempty"`
	// Schedule keeps machines in a window of time that comes again and again.
	// +optional
	Schedule *StandbySchedule `json:"schedule,omitempty"`
	// Forecast keeps what the pool's own launches for demand foretell for the hours to come.
	// +optional
	Forecast *StandbyForecast `json:"forecast,omitempty"`
}

// StandbyStep is one step of a ladder.
type StandbyStep struct {
	// Nodes in service from which on the step holds.
	// +kubebuilder:validation:Minimum=0
	Nodes int32 `json:"nodes"`
	// Count of machines that are kept.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Count int32 `json:"count"`
}

// StandbySchedule is a window of time that comes again and again. A window that a change to summer time leaves out begins
// when the change is over, and one that the change back brings twice begins the first time.
type StandbySchedule struct {
	// Start is when windows begin, as five fields of cron: "30 6 * * mon-fri". Machines take some minutes to be made ready:
	// begin that much earlier.
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=200
	Start string `json:"start"`
	// TimeZone that Start is told in, by its IANA name, such as Europe/Berlin. Empty means UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
	// Duration of a window, by the stopwatch and not by the clock on the wall: at most a week. Windows may overlap.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	Duration metav1.Duration `json:"duration"`
	// Count of machines that are kept within the window.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Count int32 `json:"count"`
}

// Starts tells of each minute, by the clock on the wall, whether a window begins in it. The error says what Start should be.
func (s *StandbySchedule) Starts() (func(time.Time) bool, error) {
	c, err := parseCron(s.Start)
	return c.matches, err
}

// StandbyForecast keeps as many machines as the pool is likely to launch for demand in an hour, from its launches at that
// hour of the week before. docs/standby.md has the model.
type StandbyForecast struct {
	// Percent of the hours that the machines are to be enough for: 90 unless given. A higher one keeps more machines that
	// are not needed.
	// +optional
	// +kubebuilder:default=90
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99
	Percent int32 `json:"percent,omitempty"`
	// Max is the most machines that are kept, whatever is foretold.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Max int32 `json:"max"`
	// TimeZone whose clock the pool's users live by, by its IANA name. Empty means UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// Prefetch says which images are pulled onto a machine before it is frozen: those that the pool's pods are likely to need,
// by what they used in the last weeks (docs/images.md).
type Prefetch struct {
	// Disk is how much the images may take of a machine's root volume, by the sizes that kubelets tell. 0 prefetches
	// nothing.
	Disk resource.Quantity `json:"disk"`
	// Namespace of the pods that pull: floe unless given. The worker needs the rights of deploy/rbac/prefetch.yaml there.
	// +optional
	// +kubebuilder:default=floe
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`
	// PullSecrets are names of Secrets in that namespace for registries that want a password, where the machine itself has
	// none (a kubelet credential provider, such as ECR's).
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=253
	PullSecrets []string `json:"pullSecrets,omitempty"`
	// DriftPercent is how much of what would be prefetched today, by size, a frozen machine may lack before it is renewed:
	// 50 unless given; 100 renews none for its images.
	// +optional
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	DriftPercent int32 `json:"driftPercent,omitempty"`
}

// NodeWhileFrozen is what becomes of the Node of a frozen machine.
// +kubebuilder:validation:Enum=Keep;Delete
type NodeWhileFrozen string

// What becomes of it.
const (
	KeepNode   NodeWhileFrozen = "Keep"
	DeleteNode NodeWhileFrozen = "Delete"
)

// Bounds and defaults of standby targets and prefetching.
const (
	// MaxWindow is the longest window of a schedule.
	MaxWindow = maxWindow
	// DefaultForecastPercent is StandbyForecast.Percent where it is not given.
	DefaultForecastPercent = 90
	// DefaultPrefetchNamespace is Prefetch.Namespace where it is not given.
	DefaultPrefetchNamespace = "floe"
	// DefaultDriftPercent is Prefetch.DriftPercent where it is not given.
	DefaultDriftPercent = 50
)

// StandbyTiers are the tiers of a standby.
var StandbyTiers = []CapacityType{Hibernated, Stopped}
