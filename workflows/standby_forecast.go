package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	keeping "floe.dev/floe/internal/standby"
)

const (
	// launchesAge is how old the pool's launches may be that a forecast is made from. What the forecast says changes with
	// the hour.
	launchesAge = 10 * time.Minute
	// launchesRetry is when the store is asked again that did not answer.
	launchesRetry = time.Minute
	// forecastVersion is the change by which a Standby reads its pool's launches. A run that began before goes on without.
	forecastVersion = "forecast-reads-launches"
)

// foresee begins to read the pool's launches where a target is a forecast and what is known of them is old. No claim waits
// for the store: what it gives is taken when it is there.
func (k *keeper) foresee(ctx workflow.Context, now time.Time) {
	spec := k.state.Facts.Spec
	if spec == nil || !slices.ContainsFunc(spec.Targets, func(t v1alpha1.StandbyTarget) bool { return t.Forecast != nil }) {
		k.state.Launches = nil
		return
	}
	if k.reading != nil || k.state.Launches != nil && now.Before(k.state.Launches.Again) {
		return
	}
	if workflow.GetVersion(ctx, forecastVersion, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	o := quick(contract.TaskQueue, "what pool "+k.in.Pool+" launched in the last weeks")
	k.reading = launchHistoryActivity.start(ctx, o, contract.LaunchHistoryInput{Cluster: k.in.Cluster, Pool: k.in.Pool, Now: now})
}

// learnLaunches takes what the store gave. Where it gave nothing, what was known before stays.
func (k *keeper) learnLaunches(ctx workflow.Context, now time.Time) {
	if !k.read() {
		return
	}
	var history contract.LaunchHistory
	err := k.reading.Get(ctx, &history)
	k.reading, k.news = nil, true
	if k.state.Launches == nil {
		k.state.Launches = &contract.KnownLaunches{}
	}
	if err != nil {
		k.state.Launches.Trouble, k.state.Launches.Again = words(err), now.Add(launchesRetry)
		return
	}
	k.state.Launches = &contract.KnownLaunches{LaunchHistory: history, Read: now, Again: now.Add(launchesAge)}
}

// read reports whether the store has answered.
func (k *keeper) read() bool { return k.reading != nil && k.reading.IsReady() }

// moment is what the target depends on now.
func (k *keeper) moment(now time.Time) keeping.Moment {
	m := keeping.Moment{Now: now, Nodes: k.state.Facts.Nodes, Unread: true}
	if l := k.state.Launches; l != nil && !l.Read.IsZero() {
		m.History, m.Unread = keeping.History(l.LaunchHistory), false
	}
	return m
}

// launchesTrouble says why a forecast may be behind; empty where it is not.
func launchesTrouble(l *contract.KnownLaunches) string {
	switch {
	case l == nil || l.Trouble == "":
		return ""
	case l.Read.IsZero():
		return "forecast: the pool's launches cannot be read: " + l.Trouble
	}
	return "forecast: made from the pool's launches until " + l.Read.UTC().Format(time.RFC3339) + ", which cannot be read now: " + l.Trouble
}
