// Package policy reads and evaluates resource policies, as far as queues need them: who may do what, under which
// conditions. Grammar and logic: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html and
// reference_policies_evaluation-logic.html.
//
// What it does not know it refuses when a policy is read, so that no statement is passed over: NotPrincipal, NotAction and
// NotResource, operators on numbers, dates and addresses, and policy variables.
package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"floe.dev/floe/internal/sim/glob"
)

// Request is one call that a policy is asked about.
type Request struct {
	// Service is the principal where one of AWS's services calls, such as events.amazonaws.com; else Principal is the ARN
	// of whoever calls, and Account theirs.
	Service            string
	Principal, Account string
	// Action is such as sqs:SendMessage, and Resource the ARN of what it is about.
	Action, Resource string
	// Context are the condition keys that the request has beside those of its principal: aws:SourceArn and so on.
	Context map[string]string
}

// Decision is what a policy says of a request.
type Decision int

// The decisions. A policy that says nothing of a request leaves it to the caller's own policies, which can allow nothing
// across accounts.
const (
	Silent Decision = iota
	Allowed
	Denied
)

// Policy is a resource policy that can be evaluated.
type Policy struct{ statements []statement }

type statement struct {
	Sid        string
	Effect     string
	Principal  principals
	Action     list
	Resource   list
	Condition  map[string]map[string]list
	conditions []condition
}

// Parse reads a policy. An empty text is a policy that says nothing.
func Parse(text string) (*Policy, error) {
	if text == "" {
		return &Policy{}, nil
	}
	var document struct {
		Version   string
		ID        string `json:"Id"`
		Statement statements
	}
	if err := strictly([]byte(text), &document); err != nil {
		return nil, err
	}
	if v := document.Version; v != "" && v != "2012-10-17" && v != "2008-10-17" {
		return nil, fmt.Errorf("field Version: %q is unknown: 2012-10-17 and 2008-10-17 are possible", v)
	}
	if len(document.Statement) == 0 {
		return nil, fmt.Errorf("field Statement: at least one is needed")
	}
	for n := range document.Statement {
		if err := document.Statement[n].check(); err != nil {
			return nil, fmt.Errorf("field Statement[%d].%w", n, err)
		}
	}
	return &Policy{document.Statement}, nil
}

// strictly reads one JSON value and refuses fields that there are not.
func strictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("no policy in JSON: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("no policy in JSON: something follows it")
	}
	return nil
}

// refused says what is wrong with a field, whose name is capitalized in the grammar.
func refused(field, format string, args ...any) error {
	return fmt.Errorf("%s: %w", field, fmt.Errorf(format, args...))
}

func (s *statement) check() error {
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return refused("Effect", "%q is unknown: Allow and Deny are possible", s.Effect)
	case len(s.Principal) == 0:
		return refused("Principal", "it is needed, such as {\"Service\": \"events.amazonaws.com\"}")
	case len(s.Action) == 0:
		return refused("Action", "it is needed, such as sqs:SendMessage")
	case len(s.Resource) == 0:
		return refused("Resource", "it is needed: the queue's ARN, or *")
	}
	var err error
	s.conditions, err = conditionsOf(s.Condition)
	return err
}

// Evaluate says what the policy says of a request: a Deny goes before any Allow.
func (p *Policy) Evaluate(r Request) Decision {
	decision := Silent
	for _, s := range p.statements {
		if !s.matches(r) {
			continue
		}
		if s.Effect == "Deny" {
			return Denied
		}
		decision = Allowed
	}
	return decision
}

func (s *statement) matches(r Request) bool {
	action := func(pattern string) bool { return match(strings.ToLower(pattern), strings.ToLower(r.Action)) }
	resource := func(pattern string) bool { return match(pattern, r.Resource) }
	return s.Principal.include(r) && slices.ContainsFunc(s.Action, action) && slices.ContainsFunc(s.Resource, resource) &&
		!slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(r) })
}

// match matches IAM's wildcards, which have no escape.
func match(pattern, s string) bool { return glob.Match(strings.ReplaceAll(pattern, `\`, `\\`), s) }

// statements are one, or a list of them.
type statements []statement

// UnmarshalJSON reads an object or a list of objects.
func (s *statements) UnmarshalJSON(data []byte) error { return oneOrMore(data, (*[]statement)(s)) }

// list is one string, or several; numbers and booleans stand for what they are written as.
type list []string

// UnmarshalJSON reads a value or a list of values.
func (l *list) UnmarshalJSON(data []byte) error {
	var values []any
	if err := oneOrMore(data, &values); err != nil {
		return err
	}
	for _, v := range values {
		switch v.(type) {
		case string, bool, float64:
			*l = append(*l, fmt.Sprint(v))
		default:
			return fmt.Errorf("a string or a list of strings is wanted")
		}
	}
	return nil
}

func oneOrMore[T any](data []byte, into *[]T) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return strictly(data, into)
	}
	*into = make([]T, 1)
	return strictly(data, &(*into)[0])
}
