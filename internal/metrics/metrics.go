// Package metrics tells Prometheus what the program knows of itself.
//
// Nothing is counted here: the surfaces count anyway, in numbers of their own. A
// scrape has the wiring read them ([Reading]), and turns the reading into metrics
// ([All]). So a request costs nothing for being measured but the counting itself.
//
// Invariants: names and labels are those of docs/metrics.md; the values of labels come
// from the configuration, the catalogue and fixed lists, so that no caller can make
// another series; organizations, apps and paths are no labels.
//
// What it does not do: know any surface, or keep a number between two scrapes.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// What a scrape may take, and how many may be at it: each asks the store a question.
const (
	readTimeout = time.Second
	timeout     = 10 * time.Second
	atOnce      = 4
)

const prefix = "sallyport_"

// collector turns readings into metrics.
type collector struct {
	read  func(context.Context) Reading
	all   []Metric
	descs []*prometheus.Desc
}

// Handler answers scrapes by what read returns, and by what the runtime tells of the
// process. The context of read ends after a second.
func Handler(read func(context.Context) Reading) http.Handler {
	c := &collector{read: read, all: All()}
	for _, m := range c.all {
		c.descs = append(c.descs, prometheus.NewDesc(prefix+m.Name, m.Help, m.Labels, nil))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: atOnce, Timeout: timeout,
	})
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		descs <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	reading := c.read(ctx)
	for i := range c.all {
		m, desc := &c.all[i], c.descs[i]
		m.read(&reading, func(value any, labels ...string) {
			made, err := m.metric(desc, value, labels)
			if err != nil {
				made = prometheus.NewInvalidMetric(desc, err)
			}
			metrics <- made
		})
	}
}
