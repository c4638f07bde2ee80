package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Of Go's runtime, and what docs/metrics.md says is not there.
var ofGo = regexp.MustCompile(`^(go|promhttp|process_network)_`)

// absentMetrics are the names of the page's table of what detcd has not.
func absentMetrics() (map[string]bool, error) {
	page, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		return nil, err
	}
	_, table, found := strings.Cut(string(page), "## What etcd has and a member here has not")
	if !found {
		return nil, fmt.Errorf("docs/metrics.md has no table of what is not there")
	}
	absent := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(table, -1) {
		absent[row[1]] = true
	}
	return absent, nil
}

func (s *server) metrics(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	answer, err := s.do(ctx, "GET", "/metrics", "", nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	return parser.TextToMetricFamilies(answer.Body)
}

// metricsOf asks for the type, the labels and the bounds of every metric that etcd has, read by Prometheus' own parser.
func metricsOf(etcd *server) question {
	return question{"metrics: names, types, labels, bounds", func(ctx context.Context, s *server) string {
		absent, err := absentMetrics()
		if err != nil {
			return err.Error()
		}
		wanted, err := etcd.metrics(ctx)
		if err != nil {
			return "etcd: " + err.Error()
		}
		told, err := s.metrics(ctx)
		if err != nil {
			return err.Error()
		}
		text := ""
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			if !absent[name] && !strings.HasPrefix(name, "etcd_debugging_store_") && !ofGo.MatchString(name) {
				text += "\n#     " + name + " " + described(told[name])
			}
		}
		return text
	}}
}

func described(family *dto.MetricFamily) string {
	if family == nil {
		return "not there"
	}
	labels, bounds := map[string]bool{}, map[float64]bool{}
	for _, metric := range family.Metric {
		for _, label := range metric.Label {
			labels[label.GetName()] = true
		}
		for _, bucket := range metric.GetHistogram().GetBucket() {
			bounds[bucket.GetUpperBound()] = true
		}
	}
	sorted := slices.SortedFunc(maps.Keys(bounds), cmp.Compare[float64])
	return fmt.Sprintf("%v %v %.6g", family.GetType(), slices.Sorted(maps.Keys(labels)), sorted)
}
