package watch

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the watcher counts of itself.
type metrics struct {
	signals *prometheus.CounterVec // by signal and result
	batches *prometheus.CounterVec // by reason
	polls   *prometheus.CounterVec // by account and result
	waiting prometheus.Gauge
	told    prometheus.Histogram
	bound   prometheus.Histogram
	images  *prometheus.CounterVec // by result

	messages *prometheus.CounterVec // by account and result
	shown    *prometheus.CounterVec // by source and result
	cordoned prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer, cluster string) (*metrics, error) {
	of := prometheus.Labels{"cluster": cluster}
	m := &metrics{
		signals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "floe_watch_signals_total", ConstLabels: of,
			Help: "Signals to workflows, by result: sent, unheard (no such workflow runs) or error.",
		}, []string{"signal", "result"}),
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "floe_watch_demand_batches_total", ConstLabels: of,
			Help: "Demands signaled to the Provisioner, by reason.",
		}, []string{"reason"}),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "floe_watch_ec2_polls_total", ConstLabels: of,
			Help: "Looks at EC2, by account and result: ok or error.",
		}, []string{"account", "result"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "floe_watch_pods_waiting", ConstLabels: of,
			Help: "Pods that need room now.",
		}),
		told: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "floe_watch_first_sight_to_signal_seconds", ConstLabels: of,
			Help:    "From the first sight of a batch's oldest pod until the Provisioner was signaled.",
			Buckets: []float64{.1, .15, .2, .3, .5, .75, 1, 1.25, 1.5, 2, 5, 15, 60, 300},
		}),
		images: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "floe_watch_image_records_total", ConstLabels: of,
			Help: "Records of what pods of a pool ran with, one for each window of ten minutes, by result: stored or error.",
		}, []string{"result"}),
		bound: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "floe_watch_first_sight_to_bound_seconds", ConstLabels: of,
			Help:    "From the first sight of a batch's oldest pod until its last pod was bound or gone.",
			Buckets: []float64{.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800},
		}),
	}
	m.messages = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "floe_watch_queue_messages_total", ConstLabels: of,
		Help: "Messages of interruption queues, by account and what came of them: taken, ignored, state, other, late, foreign, forged, poison, unheard, others, retried.",
	}, []string{"account", "result"})
	m.shown = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "floe_watch_node_notices_total", ConstLabels: of,
		Help: "Notices that others have put on Nodes, by source (condition TYPE, taint KEY) and what came of them: taken, ignored, late, forged, unheard, retried.",
	}, []string{"source", "result"})
	m.cordoned = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "floe_watch_notice_to_cordon_seconds", ConstLabels: of,
		Help:    "From the receipt of a notice that AWS takes a machine back until its Node was cordoned.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30},
	})
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.signals, m.batches, m.polls, m.waiting, m.told, m.bound, m.images, m.messages, m.shown, m.cordoned} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
