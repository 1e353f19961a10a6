package strictyaml_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

func TestParseRefusesWhatHasTwoReadings(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a repeated key", "a: 1\nb: 2\na: 3", `line 3: the key "a" stands here for the second time; the first is in line 1`},
		{"a repeated key of JSON", "{\"a\": 1,\n \"\\u0061\": 2}", `line 2: the key "a" stands here for the second time; the first is in line 1`},
		{"an anchor", "a: &x 1", "line 1: anchors and aliases are not allowed"},
		{"an alias", "a: &x [1]\nb: *x", "line 2: anchors and aliases are not allowed"},
		{"a merge key", "a:\n  <<: {b: 1}", "line 2: merge keys (<<) are not allowed"},
		{"a tag", "a: !!binary aGk=", "line 1: the tag !!binary is not allowed"},
		{"a member id without quotes", "a: 1\nid: 0000000001", "line 2: 0000000001 can be read as more than one number; put it in quotes"},
		{"a hexadecimal number", "a: 0x1F", "line 1: 0x1F can be read as more than one number"},
		{"an underscore in a number", "a: 1_000", "line 1: 1_000 can be read as more than one number"},
		{"an infinite number", "a: .inf", "line 1: .inf can be read as more than one number"},
		{"a number out of range", "a: 1e999", "line 1: 1e999 is out of range"},
		{"a number out of range in JSON", `{"a": 1e999}`, "line 1: 1e999 is out of range"},
		{"a key that is a list", "? [a]\n: 1", "line 1: a key must be a plain text"},
		{"two documents", "a: 1\n---\nb: 2", "line 2: the file holds more than one YAML document"},
		{"a syntax error", "a: 1\n b: [", "not well-formed YAML"},
		{"nothing", "", "line 1: the file is empty"},
		{"only a comment", "# hello\n", "line 1: the file is empty"},
		{"text that is not UTF-8", "a: \xff", "line 1: the file is not UTF-8 text"},
		{"a nest", strings.Repeat("[", 102) + strings.Repeat("]", 102), "nested too deeply; at most 100"},
		{"a nest of YAML", strings.Repeat("- ", 102) + "a", "nested too deeply; at most 100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := strictyaml.Parse([]byte(tt.text))
			var problems strictyaml.Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestParseKeepsOrderAndReadsYAMLAndJSONAlike(t *testing.T) {
	const want = `{"z":1,"a":[true,null,"x",-2.5e3],"200":{"date":"2026-01-31","html":"<b>&"}}`
	for name, text := range map[string]string{
		"YAML": "z: 1\na:\n  - true\n  - ~\n  - x\n  - -2.5e3\n200:\n  date: 2026-01-31\n  html: <b>&\n",
		"JSON": "{\"z\": 1,\t\"a\": [true, null, \"x\", -2.5e3],\n\"200\": {\"date\": \"2026-01-31\", \"html\": \"<b>&\"}}",
	} {
		n, err := strictyaml.Parse([]byte(text))
		if err != nil {
			t.Fatal(name, err)
		}
		if got := string(n.AppendJSON(nil)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		var value any
		if err := json.Unmarshal([]byte(want), &value); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(value, n.Value()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got := n.At("/200/date").Text(); got != "2026-01-31" {
			t.Errorf("%s: /200/date is %q", name, got)
		}
		if n.At("/a/9") != nil || n.At("/a/x") != nil || n.At("/q/r") != nil {
			t.Errorf("%s: found what is not there", name)
		}
	}
}

func TestReaderTellsAllProblemsByLine(t *testing.T) {
	n, err := strictyaml.Parse([]byte("name: 7\ncolour: red\nlist: [a, a, 3]\nwait: soon\nlong: 90m\nflag: \"yes\"\nsize: 1.5\n"))
	if err != nil {
		t.Fatal(err)
	}
	var (
		r    strictyaml.Reader
		text string
		list []string
		wait time.Duration
		flag bool
		size int64
	)
	r.Map(n, "the thing", strictyaml.Fields{
		"name": r.Text("name", &text), "list": r.Texts("list", &list), "wait": r.Duration("wait", 0, time.Hour, &wait),
		"long": r.Duration("long", 0, time.Hour, &wait), "flag": r.Bool("flag", &flag), "size": r.Int("size", 1, 9, &size),
	})
	want := strings.Join([]string{
		`line 1: name is a number; it must be a text`,
		`line 2: the thing has no member "colour"; allowed are: flag, list, long, name, size, wait`,
		`line 3: list names "a" twice; once is enough`,
		`line 3: an item of list is a number; it must be a text`,
		`line 4: wait "soon" is not a duration; write it as 90s, 1h30m or a whole number of seconds`,
		`line 5: long is 1h30m0s; it must be from 0s to 1h0m0s`,
		`line 6: flag is a text; it must be true or false`,
		`line 7: size is 1.5; it must be a whole number from 1 to 9`,
	}, "\n")
	if diff := cmp.Diff(want, r.Err().Error()); diff != "" {
		t.Error(diff)
	}
}

// FuzzParse holds that what is accepted means the same as JSON, and survives
// being written and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: 1", "a: &x [*x]", "- {b: ~}\n- c", "{\"a\": [1, \"\\ud83d\\ude00\"]}", "? a\n: b", "a: |\n  x\n", "\t{", "a: 'x''y'", "%YAML 1.1\n---\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := strictyaml.Parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "line 0:") {
				t.Errorf("no line: %v", err)
			}
			return
		}
		text := n.AppendJSON(nil)
		var want any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("wrote %q, which is not JSON: %v", text, err)
		}
		again, err := strictyaml.Parse(text)
		if err != nil {
			t.Fatalf("wrote %q, which is refused: %v", text, err)
		}
		if diff := cmp.Diff(want, again.Value()); diff != "" {
			t.Fatal(diff)
		}
	})
}
