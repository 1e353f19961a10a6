package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

func TestASecretIsInItsOneAnswerAndNowhereElse(t *testing.T) {
	const text = "spsbx_canary"
	s := api.NewSecret(text)
	created := api.CreatedCredential{Credential: api.Credential{ID: "cred_1"}, ClientSecret: s}
	operator := api.CreatedOperatorToken{OperatorToken: api.OperatorToken{ID: "op_1"}, Token: s}
	type hidden struct{ s api.Secret }
	var out bytes.Buffer
	for _, v := range []any{s, &s, created, &created, operator, hidden{s}, []any{s}, map[string]any{"s": s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb, v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		fmt.Fprint(&out, fmt.Errorf("wrapped: %v", v))
	}
	data, err := json.Marshal(map[string]any{"s": s, "h": hidden{s}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	if strings.Contains(out.String(), "canary") || strings.Contains(out.String(), fmt.Sprintf("%x", "canary")) {
		t.Errorf("a secret is printed: %s", out.String())
	}

	for _, v := range []any{created, operator} {
		data, err := json.Marshal(v)
		if err != nil || !bytes.Contains(data, []byte(text)) {
			t.Errorf("the answer %s does not hold the secret: %v", data, err)
		}
	}
	var back api.CreatedCredential
	data, _ = json.Marshal(created)
	if err := json.Unmarshal(data, &back); err != nil || back.ClientSecret.Reveal() != text || back.ID != "cred_1" {
		t.Errorf("read back: %+v, %v", back, err)
	}
	if !back.ClientSecret.Equal(s) || back.ClientSecret.Equal(api.Secret{}) {
		t.Error("Equal is wrong")
	}
}

func TestEpochSecondIsANumberOrNow(t *testing.T) {
	for text, want := range map[string]api.EpochSecond{`"now"`: api.Now, `0`: 0, `1700000000`: 1700000000} {
		var got api.EpochSecond
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != text {
			t.Errorf("%s: back as %s, %v", text, back, err)
		}
	}
	for _, text := range []string{`-1`, `"soon"`, `1.5`, `true`, `{}`} {
		var got api.EpochSecond
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s was read as %v", text, got)
		}
	}
}

func TestExpiryIsATimeOrNever(t *testing.T) {
	for text, want := range map[string]time.Time{`"never"`: {}, `"2030-01-31T00:00:00Z"`: time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC)} {
		var got api.Expiry
		if err := json.Unmarshal([]byte(text), &got); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != text {
			t.Errorf("%s: back as %s, %v", text, back, err)
		}
	}
	for _, text := range []string{`"soon"`, `5`} {
		var got api.Expiry
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s was read as %v", text, got)
		}
	}
}
