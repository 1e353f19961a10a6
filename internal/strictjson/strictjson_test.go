package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

func TestUnmarshalRefusesWhatHasTwoReadings(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"a repeated member", `{"a":1,"a":2}`, strictjson.ErrMalformed},
		{"a repeated member below the top", `{"b":[{"a":1,"a":2}]}`, strictjson.ErrMalformed},
		{"a member repeated by an escape", `{"a":1,"\u0061":2}`, strictjson.ErrMalformed},
		{"something after the value", `{"a":1} {}`, strictjson.ErrMalformed},
		{"nothing", ``, strictjson.ErrMalformed},
		{"text that is not UTF-8", "{\"a\":\"\xff\"}", strictjson.ErrUTF8},
		{"a nest", strings.Repeat("[", 65) + strings.Repeat("]", 65), strictjson.ErrDepth},
		{"a nest that never closes", strings.Repeat(`{"a":`, 100_000), strictjson.ErrDepth},
		{"an attack: a body full of the slowest numbers", "[" + strings.Repeat("5e-324,", 150_000) + "0]", strictjson.ErrNumbers},
		{"the same, written otherwise", "[" + strings.Repeat("1E+0000,", 1001) + "0]", strictjson.ErrNumbers},
		{"a thousand of them", "[" + strings.Repeat("5e-324,", 1000) + "0]", nil},
		{"words and texts that look like them", "[" + strings.Repeat(`true,false,"1e999",1e99,`, 2000) + "0]", nil},
		{"brackets inside a string", `{"a":"[[[[{{{{\"[[["}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v any
			if err := strictjson.Unmarshal([]byte(tt.text), &v); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestUnmarshalMatchesNamesByCase(t *testing.T) {
	var v struct {
		Exp int `json:"exp"`
	}
	if err := strictjson.Unmarshal([]byte(`{"EXP":7}`), &v); err != nil || v.Exp != 0 {
		t.Errorf("got %d, %v; want 0", v.Exp, err)
	}
}

func TestValuesAreCountedWithoutReadingThem(t *testing.T) {
	for text, want := range map[string]int{
		`7`: 1, `"[,{\",["`: 1, `[1,2,3]`: 4, `{"a":1,"b":[true]}`: 4, `[[],{}]`: 5, ``: 1,
		"[" + strings.Repeat("0,", 1000) + "0]": 101, // and that was enough
	} {
		if got := strictjson.Values([]byte(text), 100); got != want {
			t.Errorf("Values(%.20s) = %d, want %d", text, got, want)
		}
	}
}

func TestAtFollowsAPointer(t *testing.T) {
	var doc any
	if err := strictjson.Unmarshal([]byte(`{"a/b":{"m~n":[10,{"x":"y"}]}}`), &doc); err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]any{"/a~1b/m~0n/1/x": "y", "/a~1b/m~0n/0": 10.0} {
		if got, ok := strictjson.At(doc, pointer); !ok || got != want {
			t.Errorf("At(%q) = %v, %v; want %v", pointer, got, ok, want)
		}
	}
	for _, pointer := range []string{"/a", "/a~1b/m~0n/2", "/a~1b/m~0n/01", "/a~1b/m~0n/-1", "x", "/a~1b/m~0n/1/x/y"} {
		if got, ok := strictjson.At(doc, pointer); ok {
			t.Errorf("At(%q) = %v, want nothing", pointer, got)
		}
	}
}

// FuzzUnmarshal holds that whatever is accepted is accepted by encoding/json
// too and means the same.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{`{}`, `[1,2.5e3,"x"]`, `{"a":{"b":null}}`, `{"a":1,"a":2}`, `"\ud800"`, `[[[[`, "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want any
		if strictjson.Unmarshal(data, &got) != nil {
			return
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", data, err)
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Fatalf("%q read as %s, encoding/json reads %s", data, g, w)
		}
	})
}

func TestAFaultIsToldByItsPlace(t *testing.T) {
	for text, want := range map[string]strictjson.SyntaxError{
		`{"a":`:              {Early: true},
		`{"a": "x`:           {Early: true},
		`{"a": 1,}`:          {Line: 1, Column: 9},
		"{\n  \"a\": 1\n  b": {Line: 3, Column: 3},
		`{'a': 1}`:           {Line: 1, Column: 2},
		`{"a":1} {}`:         {Line: 1, Column: 9},
	} {
		var v any
		var got *strictjson.SyntaxError
		if err := strictjson.Unmarshal([]byte(text), &v); !errors.As(err, &got) || *got != want || !errors.Is(err, strictjson.ErrMalformed) {
			t.Errorf("%q: %v, %+v; want %+v", text, err, got, want)
		}
	}
}
