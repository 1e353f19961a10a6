package httpx

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNothingThatLooksLikeASecretIsUnsuspected(t *testing.T) {
	part := rapid.OneOf(
		rapid.StringMatching(`[0-9A-Za-z]{0,60}`), rapid.StringMatching(`_[0-9A-Za-z]{40}`), rapid.SampledFrom([]string{"_", "eyJ", ".", "-", " ", "/", "é", "__", "a.b"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(part, 0, 8).Draw(t, "parts"), "")
		if secretShape.MatchString(s) && !suspect(s) {
			t.Errorf("%q would be kept", s)
		}
		if got := Redact(s); len(s) <= longest && len(s) >= redactable && got != secretShape.ReplaceAllLiteralString(s, "[redacted]") {
			t.Errorf("%q became %q", s, got)
		}
	})
}
