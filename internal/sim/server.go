package sim

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"floe.dev/floe/internal/sim/capacity"
	"floe.dev/floe/internal/sim/clock"
	"floe.dev/floe/internal/sim/ec2"
	"floe.dev/floe/internal/sim/machine"
	"floe.dev/floe/internal/sim/pricing"
	"floe.dev/floe/internal/sim/query"
	"floe.dev/floe/internal/sim/script"
	"floe.dev/floe/internal/sim/sqs"
)

// Server is one simulated AWS.
type Server struct {
	log       *slog.Logger
	clock     clock.Clock
	speed     float64
	region    string
	market    *capacity.Market
	accounts  []*account // the first is Options.Account
	assumed   sync.Map   // access key of an assumed role -> *account
	pricing   *pricing.Service
	latencies *latencies
	faults    faults
	calls     callLog
	machines  *machine.Fleet // nil: machines join no cluster

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// New makes a simulated AWS; its world begins now. Close it when done.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkScript(o.Script, o.accounts()); err != nil {
		return nil, err
	}
	s := &Server{
		log: o.Log, clock: o.Clock, speed: o.Speed, region: o.Region, latencies: newLatencies(o.Latency, o.Seed),
		pricing: pricing.New(o.Region, o.Types, o.Clock.Now()), calls: callLog{counts: map[string]*CallCount{}},
	}
	s.market = o.market()
	config := o.cloudConfig(s.market)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	if o.Kube != nil {
		s.machines = machine.New(o.machineConfig())
		config.Notify = s.machines.Notify
		s.stopped.Go(func() { s.machines.Run(ctx) })
	}
	for n, number := range o.accounts() {
		config.Account, config.Seed = number, o.Seed+int64(n)
		a, err := newAccount(o, config)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.accounts = append(s.accounts, a)
		config.Notify = nil // a cluster's machines are of one account: the others' join nothing
	}
	for _, trace := range o.Traces {
		s.market.Play(trace, s.accounts[0].cloud.Offerings())
	}
	s.play(o.Script)
	return s, nil
}

// Close ends what New started. Machines that joined a cluster stay in it as they are.
func (s *Server) Close() {
	s.market.Close()
	s.stop()
	s.stopped.Wait()
}

func (s *Server) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / s.speed) }

// play lets the lines of a script happen, each at its time from now on, and those of one time in their order.
func (s *Server) play(lines []script.Line) {
	due := map[time.Duration][]script.Line{}
	for _, line := range lines {
		due[line.At] = append(due[line.At], line)
	}
	s.happen(due[0])
	delete(due, 0)
	for at, lines := range due {
		s.clock.AfterFunc(s.scaled(at), func() { s.happen(lines) })
	}
}

func (s *Server) happen(lines []script.Line) {
	for _, line := range lines {
		about := s.accounts[0]
		if line.Account != "" {
			about = s.account(line.Account)
		}
		switch {
		case line.Fault != nil:
			s.faults.add(line.Account, *line.Fault)
		case line.Mishap != nil:
			about.bus.Meet(*line.Mishap)
		default:
			line.At = 0
			about.cloud.Play([]script.Line{line})
		}
	}
}

// checkScript refuses scripts that name actions or accounts there are not.
func checkScript(lines []script.Line, accounts []string) error {
	known := actions()
	for _, line := range lines {
		if line.Account != "" && !slices.Contains(accounts, line.Account) {
			return fmt.Errorf("script: %q: there is no account %s; there are %s", line.Text, line.Account, strings.Join(accounts, ", "))
		}
		if f := line.Fault; f != nil && !slices.Contains(known, f.Action) {
			return fmt.Errorf("script: %q: there is no action %s; there are %s", line.Text, f.Action, strings.Join(known, ", "))
		}
	}
	return nil
}

// actions are the names of all services' actions, sorted.
func actions() []string {
	all := append(ec2.New(nil).Actions(), sqs.New(sqs.Config{}).Actions()...)
	all = append(all, assumeRole, getCallerIdentity, getParameter, getServiceQuota, listServiceQuotas, pricing.Action)
	slices.Sort(all)
	return all
}

// Handler is the listener's: POST / is AWS, the rest is private.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", s.serveAWS)
	mux.HandleFunc("GET /truth", s.serveTruth)
	mux.HandleFunc("POST /script", s.serveScript)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux
}

// maxBody is far above what any request of EC2's can hold: 300 overrides of a fleet make about 60 KB.
const maxBody = 4 << 20

// serveAWS finds out which service is called: the signature names it.
func (s *Server) serveAWS(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	caller, err := query.CheckSignature(r)
	call := &call{
		server: s, account: s.accountOf(caller.AccessKey), w: w, id: requestID(), started: s.clock.Now(), floor: time.After(answerFloor),
	}
	w.Header().Set("X-Amzn-Requestid", call.id)
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		call.serveJSON(r, caller, err)
	case err == nil && caller.Service == "sts":
		call.serveQuery(r, call.sts, writeSTS, query.WriteSTSError, nil)
	default:
		if err == nil {
			err = s.checkScope(caller)
		}
		call.serveQuery(r, call.account.ec2.Do, writeEC2, query.WriteEC2Error, err)
	}
}

// checkScope refuses signatures for another service or region.
func (s *Server) checkScope(c query.Credential) error {
	switch {
	case c.Service != "ec2":
		return &query.Error{Code: "AuthFailure", Status: http.StatusUnauthorized, Message: "Credential should be scoped to correct service: 'ec2', not '" + c.Service + "'."}
	case c.Region != s.region:
		return &query.Error{Code: "AuthFailure", Status: http.StatusUnauthorized, Message: "Credential should be scoped to a valid region: '" + s.region + "', not '" + c.Region + "'."}
	}
	return nil
}

// requestID is random, in the form of AWS's.
func requestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand.Read crashes the program rather than return an error
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
