package market_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

func TestASecretTellsItsEnvironmentAndItsTypingErrors(t *testing.T) {
	text, hint := market.NewSecret("spsbx")
	plain := text.Reveal()
	if !regexp.MustCompile(`^spsbx_[0-9A-Za-z]{49}$`).MatchString(plain) {
		t.Fatalf("the secret has the form %q", regexp.MustCompile(`[0-9A-Za-z]`).ReplaceAllString(plain, "x"))
	}
	if prefix, intact := market.SecretForm(text); prefix != "spsbx" || !intact {
		t.Errorf("a fresh secret: %q, %v", prefix, intact)
	}
	if want := plain[:len("spsbx_")+4] + "…"; hint != want {
		t.Errorf("the hint shows more, or less, than four characters")
	}
	for i := range plain {
		for _, c := range "0Az" {
			typo := plain[:i] + string(c) + plain[i+1:]
			if typo == plain {
				continue
			}
			if prefix, intact := market.SecretForm(secret.New(typo)); intact && prefix != "" {
				t.Fatalf("a typing error at %d passes", i)
			}
		}
	}
	for _, other := range []string{"", "x", "a_b", strings.Repeat("x", 60), plain + "x", plain[1:]} {
		if prefix, intact := market.SecretForm(secret.New(other)); intact {
			t.Errorf("%d characters pass as a secret of %q", len(other), prefix)
		}
	}
}

func TestHashesDependOnTheirKey(t *testing.T) {
	a, b := market.NewHasher(secret.New("key a")), market.NewHasher(secret.New("key b"))
	again := market.NewHasher(secret.New("key a"))
	if a.Hash("x") != again.Hash("x") || a.Hash("x") == b.Hash("x") || a.Hash("x") == a.Hash("y") {
		t.Error("a hash must depend on key and text, and on nothing else")
	}
	if text := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Contains(text, "key a") {
		t.Error("a hasher prints its key")
	}
}
