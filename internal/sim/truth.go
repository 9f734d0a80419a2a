package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/machine"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
)

// Truth is all that ever happened in the simulated AWS, for auditors who need not believe Floe. GET /truth answers it.
type Truth struct {
	At        time.Time       `json:"at"`
	Started   time.Time       `json:"started"`
	Instances []TruthInstance `json:"instances"`
	CostUSD   float64         `json:"costUSD"`
	// Counts are all calls by action.
	Counts map[string]CallCount `json:"counts"`
	// Calls are all calls that change something and all that were refused, in order; the first CallsDropped of them are
	// left out.
	Calls        []Call `json:"calls"`
	CallsDropped int    `json:"callsDropped,omitempty"`
	// EventsRefused counts the events that no queue took, of all accounts, by the code of the refusal.
	EventsRefused map[string]int `json:"eventsRefused,omitempty"`
}

// TruthInstance is an instance as it truly is, whatever Describe says.
type TruthInstance struct {
	ID           string `json:"id"`
	Account      string `json:"account"`
	InstanceType string `json:"instanceType"`
	Zone         string `json:"zone"`
	ZoneID       string `json:"zoneID"`
	Subnet       string `json:"subnet"`
	CapacityType string `json:"capacityType"`
	ImageID      string `json:"imageID"`
	Template     string `json:"template,omitempty"` // ID:version
	PrivateIP    string `json:"privateIP"`
	PrivateDNS   string `json:"privateDNS"`
	LaunchedBy   string `json:"launchedBy"` // the action
	Token        string `json:"token,omitempty"`
	Reservation  string `json:"reservation"`
	Fleet        string `json:"fleet,omitempty"`
	SpotRequest  string `json:"spotRequest,omitempty"`
	// SpotStatus is the status code of that request: marked-for-termination, instance-terminated-no-capacity, …
	SpotStatus  string            `json:"spotStatus,omitempty"`
	Tags        map[string]string `json:"tags"`
	State       string            `json:"state"`
	StateReason string            `json:"stateReason,omitempty"`
	Launched    time.Time         `json:"launched"`
	// Started is when it was last started: as Launched, where it never was since.
	Started time.Time `json:"started"`
	// Since is when it first came into each state.
	Since map[string]time.Time `json:"since"`
	// Boots counts how often it was switched on with an empty memory.
	Boots      int     `json:"boots"`
	USDPerHour float64 `json:"usdPerHour"`
	// CostUSD is what it has cost by At: by the second, a minute at least for each start.
	CostUSD float64 `json:"costUSD"`
	// Node is its part in Kubernetes, where it has one.
	Node *machine.Life `json:"node,omitempty"`
}

// Call is one call to one of the services.
type Call struct {
	At        time.Time `json:"at"`
	Account   string    `json:"account"`
	Action    string    `json:"action"`
	RequestID string    `json:"requestID"`
	Token     string    `json:"token,omitempty"`
	// Code and Message are the error's, where it was refused.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Lost is true where the call took effect and its answer was lost.
	Lost bool `json:"lost,omitempty"`
}

// CallCount counts the calls of one action.
type CallCount struct {
	All     int            `json:"all"`
	Refused map[string]int `json:"refused,omitempty"` // by code
	First   time.Time      `json:"first"`
	Last    time.Time      `json:"last"`
}

// keptCalls bounds the log: an hour's worth of a client that spends the whole budget of mutating calls.
const keptCalls = 50000

// callLog remembers calls.
type callLog struct {
	mu      sync.Mutex
	counts  map[string]*CallCount
	kept    []Call
	dropped int
}

func (l *callLog) add(c Call, err error) {
	if err != nil {
		c.Message = query.AsError(err).Message
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	count, ok := l.counts[c.Action]
	if !ok {
		count = &CallCount{First: c.At, Refused: map[string]int{}}
		l.counts[c.Action] = count
	}
	count.All++
	count.Last = c.At
	if c.Code != "" {
		count.Refused[c.Code]++
	} else if reads(c.Action) && !c.Lost {
		return
	}
	if len(l.kept) == keptCalls {
		// Half at a time, so that a full log does not move on every call.
		l.kept = append(l.kept[:0], l.kept[keptCalls/2:]...)
		l.dropped += keptCalls / 2
	}
	l.kept = append(l.kept, c)
}

func (l *callLog) into(t *Truth) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Counts = map[string]CallCount{}
	for action, count := range l.counts {
		c := *count
		c.Refused = map[string]int{}
		for code, n := range count.Refused {
			c.Refused[code] = n
		}
		t.Counts[action] = c
	}
	t.Calls = append([]Call{}, l.kept...)
	t.CallsDropped = l.dropped
}

// Truth tells all that happened so far.
func (s *Server) Truth() Truth {
	t := Truth{At: s.clock.Now(), Started: s.accounts[0].cloud.Started(), Instances: []TruthInstance{}, EventsRefused: map[string]int{}}
	s.calls.into(&t)
	lives := map[string]machine.Life{}
	if s.machines != nil {
		lives = s.machines.Lives()
	}
	for _, a := range s.accounts {
		for code, n := range a.bus.Refused() {
			t.EventsRefused[code] += n
		}
		for _, r := range a.cloud.Records() {
			i := truthOf(r)
			i.Account = a.number
			if life, ok := lives[r.ID]; ok {
				i.Node = &life
			}
			t.CostUSD += r.CostUSD
			t.Instances = append(t.Instances, i)
		}
	}
	return t
}

func truthOf(r cloud.Record) TruthInstance {
	i := TruthInstance{
		ID: r.ID, InstanceType: r.Type.Name, Zone: r.Zone.Name, ZoneID: r.Zone.ID,
		Subnet: r.SubnetID, CapacityType: string(r.CapacityType), ImageID: r.Image.ID, PrivateIP: r.PrivateIP,
		PrivateDNS: r.PrivateDNS, LaunchedBy: r.LaunchedBy, Token: r.Token, Reservation: r.Reservation,
		Fleet: r.FleetID, SpotRequest: r.SpotRequest, SpotStatus: r.Spot.Code, Tags: r.Tags, State: string(r.State),
		StateReason: r.Reason.Code, Launched: r.Launched, Started: r.LaunchTime, Since: map[string]time.Time{}, Boots: r.Boots,
		USDPerHour: r.USDPerHour, CostUSD: r.CostUSD,
	}
	if r.TemplateID != "" {
		i.Template = fmt.Sprintf("%s:%d", r.TemplateID, r.Version)
	}
	for state, at := range r.Since {
		i.Since[string(state)] = at
	}
	return i
}

func (s *Server) serveTruth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(s.Truth()); err != nil {
		s.log.Error("the truth could not be told", "error", err)
	}
}

// serveScript lets more happen: the body is a script, its times count from now. Nothing of it happens where a line of it
// is wrong.
func (s *Server) serveScript(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	lines, err := script.Parse(string(body))
	if err == nil {
		err = checkScript(lines, s.numbers())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.play(lines)
	fmt.Fprintf(w, "%d lines\n", len(lines))
}
