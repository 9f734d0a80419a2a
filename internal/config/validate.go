package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"floe.dev/floe/api/contract"
)

var (
	// nameOf is what a cluster's or account's name may be. Names are parts of workflow ids and task queues, which use
	// / and . as separators.
	nameOf = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,62}$`)
	// regionOf matches AWS's region codes: us-east-1, us-gov-west-1, ap-southeast-5.
	regionOf = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`)
	// queueOf is what SQS takes for a standard queue's name
	// (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html).
	queueOf = regexp.MustCompile(`^[0-9A-Za-z_-]{1,80}$`)
	roleOf  = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`)
)

const nameRule = "letters, digits, - and _, at most 63, the first a letter or digit"

// complete validates, and fills in each cluster's account where there is only one.
func (c *Config) complete() error {
	var p problems
	names := map[string]int{}
	for i, a := range c.Accounts {
		a.validate(&p, fmt.Sprintf("accounts[%d]", i))
		if first, ok := names[a.Name]; ok {
			p.add("accounts[%d].name: %q is the name of accounts[%d] already: give each its own", i, a.Name, first)
		} else {
			names[a.Name] = i
		}
	}
	names = map[string]int{}
	for i := range c.Clusters {
		cluster := &c.Clusters[i]
		path := fmt.Sprintf("clusters[%d]", i)
		p.name(path+".name", cluster.Name)
		if first, ok := names[cluster.Name]; ok {
			p.add("%s.name: %q is the name of clusters[%d] already: give each its own", path, cluster.Name, first)
		} else {
			names[cluster.Name] = i
		}
		validateNotices(&p, path+".notices", cluster.Notices)
		if account, err := c.Account(cluster.Account); err != nil {
			p.add("%s.account: %w", path, err)
		} else {
			cluster.Account = account.Name
		}
	}
	c.Store.validate(&p)
	p.page("temporal.ui", c.Temporal.UI, "http://127.0.0.1:8233")
	// A bare number would be nanoseconds.
	if c.DescribeLag < time.Millisecond {
		p.add("describeLag: %s is too short: give a duration with its unit, such as 60s", c.DescribeLag)
	}
	return errors.Join(p...)
}

func (a Account) validate(p *problems, path string) {
	p.name(path+".name", a.Name)
	if !regionOf.MatchString(a.Region) {
		p.add("%s.region: %q is no AWS region: give one such as eu-west-1", path, a.Region)
	}
	if a.Role != "" && !roleOf.MatchString(a.Role) {
		p.add("%s.role: %q is not the ARN of an IAM role: give arn:aws:iam::123456789012:role/NAME, or leave it out", path, a.Role)
	}
	p.page(path+".endpoint", a.Endpoint, "http://127.0.0.1:4566")
	if q := a.InterruptionQueue; strings.Contains(q, "://") {
		p.page(path+".interruptionQueue", q, "https://sqs.eu-west-1.amazonaws.com/123456789012/floe-events")
	} else if q != "" && !queueOf.MatchString(q) {
		p.add("%s.interruptionQueue: %q is no name of an SQS queue: give one such as floe-events, or its URL", path, q)
	}
	for class, rate := range a.Rates {
		if !slices.Contains(contract.APIClasses, class) {
			p.add("%s.rates.%s: unknown API class; the classes are %v", path, class, contract.APIClasses)
		}
		if rate <= 0 {
			p.add("%s.rates.%s: %v calls per second let nothing through: give a number above 0", path, class, rate)
		}
	}
}

func (s Store) validate(p *problems) {
	if s.URI != "" {
		// The scheme is all that is looked at here: the driver parses the rest, and its errors would repeat the password.
		scheme, _, _ := strings.Cut(string(s.URI), "://")
		if scheme != "mongodb" && scheme != "mongodb+srv" {
			p.add("store.uri: the scheme is not mongodb or mongodb+srv: give a URI such as mongodb://127.0.0.1:27017")
		}
	}
	if s.Database == "" {
		p.add("store.database: empty: give a name such as floe, or leave it out")
	}
	s.Retention.validate(p)
}

type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// page checks an address that may be left out.
func (p *problems) page(path, address, example string) {
	if address == "" {
		return
	}
	if u, err := url.Parse(address); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		p.add("%s: %q is no http or https URL: give one such as %s, or leave it out", path, address, example)
	}
}

func (p *problems) name(path, name string) {
	if !nameOf.MatchString(name) {
		p.add("%s: %q is no name: %s", path, name, nameRule)
	}
}
