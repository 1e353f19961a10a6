package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/sallyport-dev/sallyport/internal/metrics"
)

// rule is one of Prometheus's alerting rules.
type rule struct {
	Alert, Expr string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

var (
	selector = regexp.MustCompile(`(sallyport_[a-z_0-9]+)(?:\{([^}]*)\})?`)
	grouping = regexp.MustCompile(`by \(([^)]*)\)`)
	matcher  = regexp.MustCompile(`^([a-z_]+)="[a-z0-9_]+"$`)
)

// rules reads those of docs/operate.md, strictly.
func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "```yaml\ngroups:\n")
	block, _, found := strings.Cut(after, "\n```")
	if !found {
		t.Fatal("docs/operate.md has no rules")
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader("groups:\n" + block))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil || len(file.Groups) != 1 || file.Groups[0].Name == "" {
		t.Fatalf("%v, %d groups", err, len(file.Groups))
	}
	return file.Groups[0].Rules
}

// Every example of an alert asks for metrics and labels that there are.
func TestTheAlertsOfTheDocumentAskForWhatThereIs(t *testing.T) {
	labels := map[string][]string{}
	for _, m := range metrics.All() {
		name := "sallyport_" + m.Name
		labels[name] = m.Labels
		if m.Kind == "histogram" {
			labels[name+"_count"], labels[name+"_sum"] = m.Labels, m.Labels
			labels[name+"_bucket"] = append(m.Labels[:len(m.Labels):len(m.Labels)], "le")
			delete(labels, name)
		}
	}
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if r.Alert == "" || seen[r.Alert] || r.Annotations["summary"] == "" {
			t.Errorf("%+v has no name of its own, or does not say what to do", r)
		}
		seen[r.Alert] = true
		if r.For != "" {
			if d, err := model.ParseDuration(r.For); err != nil || time.Duration(d) <= 0 {
				t.Errorf("%s: for %s: %v", r.Alert, r.For, err)
			}
		}
		used := selector.FindAllStringSubmatch(r.Expr, -1)
		if len(used) == 0 || strings.Count(r.Expr, "(") != strings.Count(r.Expr, ")") {
			t.Errorf("%s: %s", r.Alert, r.Expr)
		}
		for _, u := range used {
			there, found := labels[u[1]]
			if !found {
				t.Errorf("%s asks for %s, which there is not", r.Alert, u[1])
			}
			for one := range strings.SplitSeq(u[2], ",") {
				if m := matcher.FindStringSubmatch(one); one != "" && (m == nil || !slices.Contains(there, m[1])) {
					t.Errorf("%s: %s has no label %s", r.Alert, u[1], one)
				}
			}
			for _, by := range grouping.FindAllStringSubmatch(r.Expr, -1) {
				for one := range strings.SplitSeq(by[1], ", ") {
					if one != "instance" && !slices.Contains(there, one) {
						t.Errorf("%s: %s has no label %s", r.Alert, u[1], one)
					}
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("there are %d alerts", len(seen))
	}
}
