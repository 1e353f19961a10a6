package phc_test

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/phc"
)

// The hashes are published test vectors: of jBCrypt, of the Argon2 reference
// implementation, of passlib's documentation, and of PBKDF2 with the usual long
// password and salt.
func TestPublishedHashesMatchTheirSecretAndNoOther(t *testing.T) {
	long := "passwordPASSWORDpassword"
	tests := []struct{ name, hash, secret, scheme string }{
		{"bcrypt", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "abc", "bcrypt"},
		{"bcrypt of others", "$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "abc", "bcrypt"},
		{"bcrypt of today", "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "abc", "bcrypt"},
		{"pbkdf2-sha256", "$pbkdf2-sha256$i=4096,l=40$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0$NIyJ28vTKy8y2BS4EW6EzysXNH68GAAYHE4qH7jdU+HGNVGMfaxH6Q", long, "pbkdf2-sha256"},
		{"pbkdf2-sha512", "$pbkdf2-sha512$i=4096$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0$jAUR9Mbll8asYxXY8DYuIl88UBSVuiO4aMAFF03E7nERW1n55gzZUy+jPg91rv4wIlxYOhhs2CvU2uqXJKPTuA", long, "pbkdf2-sha512"},
		{"passlib", "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk", "toomanysecrets", "pbkdf2-sha256"},
		{"argon2id", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", "argon2id"},
		{"argon2i", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", "password", "argon2i"},
		{
			"Keycloak's PBKDF2", `{"credentialData":"{\"hashIterations\":4096,\"algorithm\":\"pbkdf2-sha256\",\"additionalParameters\":{}}",` +
				`"secretData":"{\"value\":\"NIyJ28vTKy8y2BS4EW6EzysXNH68GAAYHE4qH7jdU+HGNVGMfaxH6Q==\",\"salt\":\"c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0\"}"}`,
			long, "pbkdf2-sha256",
		},
		{
			"Keycloak's Argon2", `{"credentialData":{"hashIterations":2,"algorithm":"argon2","additionalParameters":{"memory":["65536"],"type":["id"],"version":["1.3"],"parallelism":["1"],"hashLength":["32"]}},` +
				`"secretData":{"value":"CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=","salt":"c29tZXNhbHQ="}}`,
			"password", "argon2id",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := phc.Parse(tt.hash)
			if err != nil {
				t.Fatal(err)
			}
			if !h.Matches(tt.secret) || h.Scheme() != tt.scheme {
				t.Errorf("%s does not match its secret", h.Scheme())
			}
			for _, other := range []string{"", tt.secret + "x", tt.secret[1:]} {
				if h.Matches(other) {
					t.Errorf("matches %q too", other)
				}
			}
			again, err := phc.Parse(h.String())
			if err != nil || !again.Matches(tt.secret) {
				t.Errorf("what is kept cannot be read: %v", err)
			}
		})
	}
}

func TestAbsurdAndBrokenHashesAreRefused(t *testing.T) {
	salt, key := "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for name, text := range map[string]string{
		"nothing":                  "",
		"a plain secret":           "correct horse battery staple",
		"a cost of hours":          "$2b$31$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
		"the broken bcrypt":        "$2x$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
		"a bcrypt cut short":       "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h",
		"a thousand million":       "$pbkdf2-sha256$i=1000000000,l=32$" + salt + "$" + key,
		"no iterations":            "$pbkdf2-sha256$i=0,l=32$" + salt + "$" + key,
		"a length that lies":       "$pbkdf2-sha256$i=1000,l=64$" + salt + "$" + key,
		"a parameter twice":        "$pbkdf2-sha256$i=1,i=2$" + salt + "$" + key,
		"a sign":                   "$pbkdf2-sha256$i=+1$" + salt + "$" + key,
		"a gigabyte":               "$argon2id$v=19$m=1048576,t=1,p=1$" + salt + "$" + key,
		"many passes":              "$argon2id$v=19$m=65536,t=16,p=1$" + salt + "$" + key,
		"no memory":                "$argon2id$v=19$m=1,t=1,p=1$" + salt + "$" + key,
		"an old Argon2":            "$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + key,
		"another Argon2":           "$argon2d$v=19$m=65536,t=2,p=1$" + salt + "$" + key,
		"a short salt":             "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$" + key,
		"a short key":              "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$c2FsdA",
		"padding":                  "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "=$" + key,
		"scrypt":                   "$scrypt$ln=16,r=8,p=1$" + salt + "$" + key,
		"what is far too long":     "$pbkdf2-sha256$i=1$" + strings.Repeat("A", 4096) + "$" + key,
		"Keycloak's old algorithm": `{"credentialData":{"hashIterations":1,"algorithm":"pbkdf2"},"secretData":{"value":"` + key + `","salt":"` + salt + `"}}`,
		"JSON of something else":   `{"a":1}`,
	} {
		if h, err := phc.Parse(text); err == nil {
			t.Errorf("%s was taken as %s", name, h.Scheme())
		} else if text != "" && strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
}

func TestBcryptLooksAtWholeSecretsOnly(t *testing.T) {
	text, err := bcrypt.GenerateFromPassword([]byte(strings.Repeat("a", 72)), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	h, err := phc.Parse(string(text))
	if err != nil || !h.Matches(strings.Repeat("a", 72)) || h.Matches(strings.Repeat("a", 73)) {
		t.Errorf("what bcrypt cuts off counts: %v", err)
	}
}

func TestEverySecretMatchesItsBcryptHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[ -~]{1,72}`).Draw(t, "secret")
		other := rapid.StringMatching(`[ -~]{1,72}`).Draw(t, "other")
		text, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		h, err := phc.Parse(string(text))
		if err != nil || !h.Matches(secret) || h.Matches(other) != (secret == other) {
			t.Fatalf("%q, %q: %v", secret, other, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i")
	f.Add("$pbkdf2-sha256$i=1,l=32$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add(`{"credentialData":{"hashIterations":1,"algorithm":"argon2"},"secretData":{"value":"","salt":""}}`)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := phc.Parse(text)
		if err != nil {
			return
		}
		if again, err := phc.Parse(h.String()); err != nil || again.Scheme() != h.Scheme() {
			t.Errorf("%q is kept as %q, which is not read: %v", text, h.String(), err)
		}
	})
}
