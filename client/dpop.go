package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// DPoPKey is a key that tokens are bound to (RFC 9449): whoever steals a token
// cannot use it without the key, which stays in this process. Give it to
// [Config.DPoP]; [Transport] then proves, request by request, that it has it. It may
// be used by many goroutines.
type DPoPKey struct {
	key *ecdsa.PrivateKey
	jwk json.RawMessage

	mu     sync.Mutex
	nonces map[string]string // the newest that each origin gave
}

// maxOrigins bounds how many servers' nonces are kept.
const maxOrigins = 100

// NewDPoPKey returns a new key, which lives as long as the process: tokens are got
// anew after a start.
func NewDPoPKey() (*DPoPKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a DPoP key: %w", err)
	}
	return DPoPKeyOf(key)
}

// DPoPKeyOf returns a key of the program's own, on P-256.
func DPoPKeyOf(key *ecdsa.PrivateKey) (*DPoPKey, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return nil, errors.New("client: a DPoP key is an ECDSA key on P-256")
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("read the DPoP key: %w", err)
	}
	jwk := fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:]))
	return &DPoPKey{key: key, jwk: json.RawMessage(jwk), nonces: map[string]string{}}, nil
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// proof returns a proof for one request (RFC 9449 §4.2): with a token, or without
// one at a token endpoint.
func (k *DPoPKey) proof(method string, target *url.URL, token string) (string, error) {
	var jti [16]byte
	_, _ = rand.Read(jti[:]) // never fails
	at := url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path, RawPath: target.RawPath}
	if at.Path == "" {
		at.Path = "/"
	}
	claims := struct {
		JTI      string `json:"jti"`
		Method   string `json:"htm"`
		URI      string `json:"htu"`
		IssuedAt int64  `json:"iat"`
		Hash     string `json:"ath,omitempty"`
		Nonce    string `json:"nonce,omitempty"`
	}{JTI: b64(jti[:]), Method: method, URI: at.String(), IssuedAt: now().Unix(), Nonce: k.nonce(target)}
	if claims.Method == "" {
		claims.Method = http.MethodGet
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims.Hash = b64(sum[:])
	}
	header, err := json.Marshal(struct {
		Type      string          `json:"typ"`
		Algorithm string          `json:"alg"`
		Key       json.RawMessage `json:"jwk"`
	}{"dpop+jwt", "ES256", k.jwk})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := b64(header) + "." + b64(body)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a DPoP proof: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + b64(signature), nil
}

// sign puts a proof on a request.
func (k *DPoPKey) sign(req *http.Request, token string) error {
	proof, err := k.proof(req.Method, req.URL, token)
	if err != nil {
		return err
	}
	req.Header.Set("DPoP", proof)
	return nil
}

func origin(u *url.URL) string { return u.Scheme + "://" + strings.ToLower(u.Host) }

func (k *DPoPKey) nonce(of *url.URL) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.nonces[origin(of)]
}

// take keeps the nonce that an answer gives (RFC 9449 §8.2).
func (k *DPoPKey) take(of *url.URL, resp *http.Response) {
	nonce := resp.Header.Get("DPoP-Nonce")
	if nonce == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	at := origin(of)
	if len(k.nonces) >= maxOrigins && k.nonces[at] == "" {
		clear(k.nonces)
	}
	k.nonces[at] = nonce
}

// asksForNonce reports whether a refused call is to be made again with a nonce (RFC
// 9449 §9).
func asksForNonce(resp *http.Response) bool {
	if resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	for _, challenge := range resp.Header.Values("WWW-Authenticate") {
		if strings.Contains(challenge, `error="use_dpop_nonce"`) {
			return true
		}
	}
	return false
}

// String implements [fmt.Stringer].
func (k *DPoPKey) String() string { return "DPoP key" }

// GoString implements [fmt.GoStringer].
func (k *DPoPKey) GoString() string { return k.String() }

// Format implements [fmt.Formatter] for every verb: the key is not printed.
func (k *DPoPKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }
