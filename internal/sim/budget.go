package sim

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rate is a token bucket: how much it holds, and how much flows in per second.
type rate struct{ size, refill float64 }

// budget is what one action may use: requests, and resources where the action is counted by these too.
type budget struct{ requests, resources rate }

// AWS's published rates, per account and region
// (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html). CreateFleet is not in that table: it has the rate
// of the mutating actions.
var (
	reading  = budget{requests: rate{100, 20}}
	mutating = budget{requests: rate{50, 5}}
	budgets  = map[string]budget{
		"RunInstances":       {rate{5, 2}, rate{1000, 2}},
		"StartInstances":     {rate{5, 2}, rate{1000, 2}},
		"StopInstances":      {rate{50, 5}, rate{1000, 20}},
		"TerminateInstances": {rate{100, 5}, rate{1000, 20}},
		// docs.aws.amazon.com/general/latest/gr/ssm.html: standard throughput, 40 transactions a second.
		getParameter: {requests: rate{40, 40}},
	}
	// describingAll is the budget of a describe of everything, neither filtered nor in pages, of what there may be much of.
	describingAll = budget{requests: rate{50, 10}}
	muchOf        = []string{"DescribeInstances", "DescribeInstanceStatus", "DescribeSpotInstanceRequests", "DescribeVolumes"}
)

// ofAll marks the budgets of describes of everything.
const ofAll = " (all)"

func budgetOf(name string) budget {
	if b, ok := budgets[name]; ok {
		return b
	}
	switch {
	case strings.HasSuffix(name, ofAll):
		return describingAll
	case reads(name):
		return reading
	}
	return mutating
}

// reads says whether an action changes nothing; to receive a message counts as that, since it comes back.
func reads(action string) bool {
	return strings.HasPrefix(action, "Describe") || strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List") || action == "ReceiveMessage"
}

// meter holds the token buckets of all actions.
type meter struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	rate
	tokens float64
	at     time.Time
}

// take takes n tokens, if there are as many.
func (b *bucket) take(n float64, now time.Time) bool {
	if now.After(b.at) {
		b.tokens = min(b.size, b.tokens+b.refill*now.Sub(b.at).Seconds())
		b.at = now
	}
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// admit takes what a call uses from its action's budget, and says whether there was enough. A call that asks for too many
// resources has used its request all the same.
func (m *meter) admit(form url.Values, now time.Time) bool {
	name, resources := costOf(form)
	budget := budgetOf(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bucket(name, budget.requests, now).take(1, now) &&
		(budget.resources.size == 0 || m.bucket(name+"/resources", budget.resources, now).take(float64(resources), now))
}

func (m *meter) bucket(name string, r rate, now time.Time) *bucket {
	b, ok := m.buckets[name]
	if !ok {
		b = &bucket{rate: r, tokens: r.size, at: now}
		m.buckets[name] = b
	}
	return b
}

// costOf is the budget that a call draws on, and how many resources it touches.
func costOf(form url.Values) (name string, resources int) {
	name = form.Get("Action")
	ids, narrowed := 0, form.Has("MaxResults") || form.Has("NextToken")
	for parameter := range form {
		switch {
		case strings.HasPrefix(parameter, "InstanceId."):
			ids++
			narrowed = true
		case strings.HasPrefix(parameter, "Filter."), strings.Contains(parameter, "Id."):
			narrowed = true
		}
	}
	switch {
	case !narrowed && slices.Contains(muchOf, name):
		return name + ofAll, 0
	case name == "RunInstances":
		// What is not a number is refused by the action itself.
		n, err := strconv.Atoi(form.Get("MaxCount"))
		if err != nil {
			n = 0
		}
		return name, max(n, 0)
	}
	return name, ids
}
