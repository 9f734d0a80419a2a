package cloud

import "time"

// Status is how the checks of an instance stand
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html).
type Status struct {
	Snapshot
	// System and Instance are ok, impaired, initializing or not-applicable.
	System, Instance string
	// Events are what AWS has scheduled for it.
	Events []ScheduledEvent
}

// ScheduledEvent is something that AWS is going to do to an instance.
type ScheduledEvent struct {
	ID          string
	Code        string // instance-retirement
	Description string
	NotBefore   time.Time
}

// checksPass is how long after its start an instance's status checks have passed: EC2 makes them every minute
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html).
const checksPass = time.Minute

// Statuses are the statuses of these instances, or of all without any: of running ones alone, unless all is true.
func (c *Cloud) Statuses(ids []string, all bool) ([]Status, error) {
	list, err := c.Instances(ids)
	if err != nil {
		return nil, err
	}
	statuses := make([]Status, 0, len(list))
	for _, s := range list {
		if s.State != Running && !all {
			continue
		}
		statuses = append(statuses, statusOf(s, c.Now(), c.scaled(checksPass)))
	}
	return statuses, nil
}

func statusOf(s Snapshot, now time.Time, pass time.Duration) Status {
	status := Status{Snapshot: s, System: "ok", Instance: "ok"}
	switch {
	case s.State != Running:
		status.System, status.Instance = "not-applicable", "not-applicable"
	case s.Impaired:
		status.System, status.Instance = "impaired", "impaired"
	case now.Sub(s.LaunchTime) < pass:
		status.System, status.Instance = "initializing", "initializing"
	}
	if !s.Retires.IsZero() && s.State != Terminated {
		status.Events = []ScheduledEvent{{
			ID: "instance-event-" + s.ID[len("i-"):], Code: "instance-retirement",
			Description: "The instance is running on degraded hardware", NotBefore: s.Retires,
		}}
	}
	return status
}
