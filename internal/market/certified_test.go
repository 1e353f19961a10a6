package market_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// certified returns a certificate that says what change makes it say.
func certified(t *testing.T, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon.Add(time.Hour)}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rdn is a relative name of one attribute after the other: object identifier, value.
func rdn(pairs ...any) pkix.RelativeDistinguishedNameSET {
	var set pkix.RelativeDistinguishedNameSET
	for i := 0; i < len(pairs); i += 2 {
		set = append(set, pkix.AttributeTypeAndValue{Type: pairs[i].(asn1.ObjectIdentifier), Value: pairs[i+1]})
	}
	return set
}

func TestACertifiedNameIsOneOfTheCertificatesToTheLetter(t *testing.T) {
	country, org, unit, cn := asn1.ObjectIdentifier{2, 5, 4, 6}, asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 11}, asn1.ObjectIdentifier{2, 5, 4, 3}
	sequence := pkix.RDNSequence{rdn(country, "US"), rdn(org, "Acme, Health+Co"), rdn(unit, "Claims", cn, "client \"1\"")}
	raw, err := asn1.Marshal(sequence)
	if err != nil {
		t.Fatal(err)
	}
	spiffe, _ := url.Parse("spiffe://example/client")
	c := certified(t, func(c *x509.Certificate) {
		c.RawSubject = raw
		c.DNSNames = []string{"client.example", "*.wild.example"}
		c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 7), net.ParseIP("2001:db8::7")}
		c.URIs = []*url.URL{spiffe}
		c.EmailAddresses = []string{"client@Example.com"}
	})
	for text, want := range map[string]bool{
		`subject_dn:OU=Claims+CN=client \"1\",O=Acme\, Health\+Co,C=US`:                   true,
		`subject_dn:CN=client \"1\"+OU=Claims,O=Acme\, Health\+Co,C=US`:                   true, // a set has no order
		`subject_dn:cn=client \221\22 + ou=Claims , o=Acme\2c Health\2bCo , c=US`:         true, // other spellings of the same
		`subject_dn:2.5.4.3=client \"1\"+OU=Claims,O=Acme\, Health\+Co,2.5.4.6=#13025553`: true,
		`subject_dn:C=US,O=Acme\, Health\+Co,OU=Claims+CN=client \"1\"`:                   false, // a sequence has
		`subject_dn:OU=Claims+CN=client \"1\",O=Acme\, Health\+Co`:                        false, // a part
		`subject_dn:OU=Claims+CN=client \"1\",O=Acme\, Health\+Co,C=US,DC=example`:        false, // more
		`subject_dn:OU=Claims+CN=CLIENT \"1\",O=Acme\, Health\+Co,C=US`:                   false, // another letter
		`subject_dn:OU=Claims,CN=client \"1\",O=Acme\, Health\+Co,C=US`:                   false, // two names for one
		`subject_dn:OU=Claims+CN=client \"1\",O=Acme\, Health\+Co,L=US`:                   false,
		`san_dns:client.example`:          true,
		`san_dns:CLIENT.example`:          true,
		`san_dns:a.wild.example`:          false,
		`san_dns:other.example`:           false,
		`san_uri:spiffe://example/client`: true,
		`san_uri:spiffe://example/other`:  false,
		`san_ip:192.0.2.7`:                true,
		`san_ip:::ffff:192.0.2.7`:         true,
		`san_ip:2001:DB8:0::7`:            true,
		`san_ip:192.0.2.8`:                false,
		`san_email:client@example.com`:    true,
		`san_email:Client@example.com`:    false,
		`san_email:client@example.org`:    false,
	} {
		n, err := market.ParseCertifiedName(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if n.Matches(c) != want {
			t.Errorf("%s: matches %t", text, !want)
		}
	}
	bare := certified(t, func(*x509.Certificate) {})
	for _, text := range []string{"subject_dn:CN=client", "san_dns:client.example", "san_ip:192.0.2.7", "san_uri:spiffe://example/client", "san_email:client@example.com"} {
		if n, err := market.ParseCertifiedName(text); err != nil || n.Matches(bare) {
			t.Errorf("%s: a certificate that says nothing matches, or %v", text, err)
		}
	}
}

func TestADistinguishedNameThatCannotBeReadIsRefused(t *testing.T) {
	for _, text := range []string{
		"CN", "=client", "CN=", "NICKNAME=x", "CN=a,", "CN=a,,C=US", `CN=a\`, `CN=a\x`, "CN=#zz", "CN=#0403010203", "2=a", "a.b=c", "CN=#",
	} {
		if n, err := market.ParseCertifiedName("subject_dn:" + text); err == nil {
			t.Errorf("%s was read as %v", text, n)
		}
	}
}

// A name that is read is one that its own spelling matches, or none does: nothing
// panics.
func FuzzCertifiedName(f *testing.F) {
	for _, s := range []string{"subject_dn:CN=a,O=b", `subject_dn:CN=\2c\`, "subject_dn:2.5.4.3=#0c0161", "san_dns:a", "san_ip:::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := market.ParseCertifiedName(text)
		if err != nil {
			return
		}
		if n.Matches(&x509.Certificate{RawSubject: []byte{0x30, 0}}) {
			t.Fatalf("%q matches a certificate that names nobody", text)
		}
		if again, err := market.ParseCertifiedName(n.String()); err != nil || again != n {
			t.Fatalf("%q reads again as %v: %v", text, again, err)
		}
	})
}
