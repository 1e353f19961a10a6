package manifest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func TestPlansAreRead(t *testing.T) {
	c := load(t, folder(map[string]*string{"products.yaml": new(`
- name: P_One
  title: One
  plans:
    - name: standard
      rate: {per_second: 10, burst: 20}
      quota: {day: 1000, month: 20000}
      operations:
        list: {rate: {per_minute: 6}}
    - {name: gold, title: More}
`)}), nil)
	want := []market.Plan{
		{
			Name: "standard", Limits: market.PlanLimits{Rate: market.PlanRate{Calls: 10, Per: time.Second, Burst: 20}, Day: 1000, Month: 20000},
			Operations: map[string]market.PlanLimits{"list": {Rate: market.PlanRate{Calls: 6, Per: time.Minute, Burst: 6}}},
		},
		{Name: "gold", Title: "More"},
	}
	if diff := cmp.Diff(want, c.Products[0].Plans); diff != "" {
		t.Error(diff)
	}
	if lines := strings.Join(manifest.Diff(load(t, folder(nil), nil), c), "\n"); !strings.Contains(lines, "plans changed from none to standard (10 calls a second, 20 at once, 1000 a day, 20000 a month; list 6 calls a minute, 6 at once), gold (without limits)") {
		t.Errorf("told as\n%s", lines)
	}
}

func TestEachMistakeInAPlanIsOneClearLine(t *testing.T) {
	for name, c := range map[string]struct{ plan, want string }{
		"no name":             {"{rate: {per_second: 1}}", `products.yaml:5: the plan has no name`},
		"a name in capitals":  {"{name: Gold}", `products.yaml:5: the plan name "Gold" cannot be used; allowed are small letters`},
		"the same name twice": {"{name: a}\n    - {name: a}", `products.yaml:6: the plan "a" is listed twice; the first is in line 5`},
		"two rates":           {"{name: a, rate: {per_second: 1, per_minute: 1}}", `products.yaml:5: a rate has per_second or per_minute; give one of them`},
		"no rate":             {"{name: a, rate: {burst: 1}}", `products.yaml:5: a rate has per_second or per_minute; give one of them`},
		"a quota of nothing":  {"{name: a, quota: {day: 0}}", `products.yaml:5: day is 0; it must be`},
		"a month under a day": {"{name: a, quota: {day: 10, month: 5}}", `products.yaml:5: the quota of a month, 5, is less than that of a day, 10`},
		"no such operation":   {"{name: a, operations: {lists: {quota: {day: 1}}}}", `products.yaml:5: no API of the product has an operation "lists"; there are: list`},
		"an unknown member":   {"{name: a, quotas: {}}", `products.yaml:5: a plan has no member "quotas"; allowed are: name, operations, quota, rate, title`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Load(folder(map[string]*string{"products.yaml": new("- {name: P_Two, title: Two}\n- name: P_One\n  title: One\n  plans:\n    - " + c.plan + "\n")}), manifest.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestDiffTellsLimitsInWords(t *testing.T) {
	from := load(t, folder(nil), nil)
	to := load(t, folder(map[string]*string{"books/manifest.yaml": new(books +
		"request: {rate: {per_second: 10, burst: 20}, concurrency: {app: 3, api: 9}, tin: {header: tin, pointer: /tin, required: true}, submitter: {header: id, host_header: hosts}}\n")}), nil)
	lines := strings.Join(manifest.Diff(from, to), "\n")
	for _, want := range []string{
		"rate changed from none to 10 calls a second, 20 at once",
		"concurrency changed from none to 3 of an app, 9 of all",
		"TIN rule changed from none to header tin, pointer /tin, required",
		"submitter rule changed from none to header id, host header hosts",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, lines)
		}
	}
}
