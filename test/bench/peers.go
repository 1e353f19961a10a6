package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of peers, in tables and in the report.
const (
	reverseProxy   = "httputil.ReverseProxy, tuned"
	answersItself  = "net/http, which answers itself"
	haproxyChecked = "haproxy, RS256 each time"
	nginxPlain     = "nginx, nothing checked"
)

// peer is a server that ours is compared with.
type peer struct {
	name    string
	program string // on PATH; empty: this one
	checks  bool   // it verifies the token's signature
	start   func(p *processes, g gate) error
}

// gate is where a peer is to stand, and what it needs to check tokens.
type gate struct {
	address  string
	upstream string
	name     string // for files
	key      string // a file, PEM
	issuer   string
	jwks     string // a URL
}

// peers lists them: what a proxy of Go costs first, which is the measure, then those
// that have to be installed.
func peers() []peer {
	return []peer{
		{name: reverseProxy, start: func(p *processes, g gate) error { return p.self("proxy", g.address, g.upstream) }},
		{name: answersItself, start: func(p *processes, g gate) error { return p.self("upstream", g.address, "") }},
		{name: nginxPlain, program: "nginx", start: startNginx},
		{name: "haproxy, nothing checked", program: "haproxy", start: startHAProxy(false)},
		{name: haproxyChecked, program: "haproxy", checks: true, start: startHAProxy(true)},
		{name: "caddy, nothing checked", program: "caddy", start: startCaddy},
		{name: "traefik, nothing checked", program: "traefik", start: startTraefik(false)},
		{name: "traefik, its fast proxy", program: "traefik", start: startTraefik(true)},
		{name: "krakend, nothing checked", program: "krakend", start: startKrakenD(false)},
		{name: "krakend, RS256 each time", program: "krakend", checks: true, start: startKrakenD(true)},
	}
}

// open starts those of the peers that are wanted and installed, or all for none, and
// tells the others. One that does not start, or does not do what it is for, is left
// out: no more depends on it than its own row.
func (b *bench) open(p *processes, upstream string, s *server, tokens []string, wanted ...string) ([]*call, error) {
	g := gate{upstream: upstream, jwks: "http://" + s.address("production") + "/.well-known/jwks.json"}
	var err error
	if g.key, g.issuer, err = p.signingKey(s, tokens[0]); err != nil {
		return nil, err
	}
	var rows []*call
	for i, peer := range peers() {
		if len(wanted) > 0 && !slices.Contains(wanted, peer.name) {
			continue
		}
		if _, err := exec.LookPath(peer.program); peer.program != "" && err != nil {
			b.leaveOut(peer.name, "not installed")
			continue
		}
		g.address, g.name = free(), fmt.Sprintf("peer%d", i)
		err := peer.start(p, g)
		if err == nil {
			err = probe(g.address, tokens[0], peer.checks)
		}
		if err != nil && peer.program == "" {
			return nil, fmt.Errorf("%s: %w", peer.name, err)
		}
		if err != nil {
			b.leaveOut(peer.name, err.Error())
			continue
		}
		rows = append(rows, &call{
			Server: peer.name, pid: p.last().cmd.Process.Pid, measures: peer.name == reverseProxy,
			load: &load{address: g.address, requests: calling(tokens, onePath), status: 200, at: inFlight},
		})
	}
	return rows, nil
}

// leftOut is a server that was not measured.
type leftOut struct {
	Server string `json:"server"`
	Why    string `json:"why"`
}

func (b *bench) leaveOut(name, why string) {
	l := leftOut{name, why}
	if slices.Contains(b.report.LeftOut, l) {
		return
	}
	b.report.LeftOut = append(b.report.LeftOut, l)
	b.say("left out: %s: %s\n", name, why)
}

// probe sees whether a server lets a token pass, in an answer that the load can read,
// and, if it is to check tokens, stops one whose signature is another.
func probe(address, token string, checks bool) error {
	answer := func(token string) (int, error) {
		c := connection{address: address}
		defer c.close()
		return c.do(calling([]string{token}, onePath)[0], time.Now().Add(answerIn))
	}
	status, err := answer(token)
	for range 50 { // its upstream, or the keys, may be new to it
		if err == nil && status == http.StatusOK {
			break
		}
		time.Sleep(100 * time.Millisecond)
		status, err = answer(token)
	}
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("it answers a good token with %d", status)
	}
	if !checks {
		return nil
	}
	if status, err = answer(tampered(token)); err == nil && status != http.StatusUnauthorized {
		err = fmt.Errorf("it answers a token that was tampered with by %d", status)
	}
	return err
}

// tampered is a token with another signature of the same length.
func tampered(token string) string {
	at := strings.LastIndexByte(token, '.') + 10
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}

func startNginx(p *processes, g gate) error {
	return p.nginx(g.name, g.address, 2, fmt.Sprintf(`upstream u { server %s; keepalive 128; keepalive_requests 1000000000; }
 server { listen %s; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr; } }`, g.upstream, g.address))
}

const haproxyCheck = ` http-request set-var(txn.b) http_auth_bearer
 http-request deny deny_status 401 unless { var(txn.b),jwt_header_query('$.alg') -m str RS256 }
 http-request deny deny_status 401 unless { var(txn.b),jwt_payload_query('$.iss') -m str %s }
 http-request deny deny_status 401 unless { var(txn.b),jwt_verify("RS256","%s") 1 }
 http-request set-var(txn.exp) var(txn.b),jwt_payload_query('$.exp','int')
 http-request set-var(txn.now) date()
 http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }
`

func startHAProxy(check bool) func(p *processes, g gate) error {
	return func(p *processes, g gate) error {
		rules := ""
		if check {
			rules = fmt.Sprintf(haproxyCheck, g.issuer, g.key)
		}
		conf, err := p.file(g.name+".cfg", fmt.Sprintf("global\n nbthread 2\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"+
			" http-reuse always\nfrontend f\n bind %s\n%s default_backend b\nbackend b\n server s %s\n", g.address, rules, g.upstream))
		if err != nil {
			return err
		}
		return p.start(g.address, "haproxy", "-db", "-f", conf)
	}
}

func startCaddy(p *processes, g gate) error {
	conf, err := p.file(g.name+".caddyfile", fmt.Sprintf(`{
	admin off
	auto_https off
	persist_config off
	log default {
		level ERROR
	}
}
http://%s {
	reverse_proxy %s {
		transport http {
			compression off
			keepalive_idle_conns 0
			keepalive_idle_conns_per_host 1024
		}
	}
}
`, g.address, g.upstream))
	if err != nil {
		return err
	}
	return p.start(g.address, "caddy", "run", "--adapter", "caddyfile", "--config", conf)
}

func startTraefik(fast bool) func(p *processes, g gate) error {
	return func(p *processes, g gate) error {
		routes, err := p.file(g.name+"-routes.yml", fmt.Sprintf(`http:
  routers:
    all: {rule: "PathPrefix(`+"`/`"+`)", service: upstream}
  services:
    upstream:
      loadBalancer: {servers: [{url: "http://%s"}]}
`, g.upstream))
		if err != nil {
			return err
		}
		text := fmt.Sprintf(`global: {checkNewVersion: false, sendAnonymousUsage: false}
log: {level: ERROR}
entryPoints:
  calls: {address: "%s"}
providers:
  file: {filename: "%s", watch: false}
serversTransport: {maxIdleConnsPerHost: 1024}
`, g.address, routes)
		if fast {
			text += "experimental: {fastProxy: {}}\n"
		}
		conf, err := p.file(g.name+".yml", text)
		if err != nil {
			return err
		}
		return p.start(g.address, "traefik", "--configFile="+conf)
	}
}

func startKrakenD(check bool) func(p *processes, g gate) error {
	return func(p *processes, g gate) error {
		text, err := krakendConf(g, check)
		if err != nil {
			return err
		}
		conf, err := p.file(g.name+".json", text)
		if err != nil {
			return err
		}
		return p.start(g.address, "krakend", "run", "--config", conf)
	}
}

// krakendConf has KrakenD pass the one path on as it is.
func krakendConf(g gate, check bool) (string, error) {
	host, port, err := net.SplitHostPort(g.address)
	if err != nil {
		return "", err
	}
	type object = map[string]any
	endpoint := object{
		"endpoint": onePath, "method": "GET", "output_encoding": "no-op",
		"backend": []object{{"host": []string{"http://" + g.upstream}, "url_pattern": onePath, "encoding": "no-op"}},
	}
	if check {
		endpoint["extra_config"] = object{"auth/validator": object{
			"alg": "RS256", "jwk_url": g.jwks, "issuer": g.issuer, "disable_jwk_security": true, "cache": true, "operation_debug": false,
		}}
	}
	text, err := json.Marshal(object{
		"version": 3, "listen_ip": host, "port": json.Number(port), "max_idle_connections_per_host": 1024, "disable_compression": true,
		"endpoints":    []object{endpoint},
		"extra_config": object{"telemetry/logging": object{"level": "ERROR", "stdout": true}, "router": object{"disable_access_log": true}},
	})
	return string(text), err
}

// signingKey writes the key that verifies the server's tokens to a file, and
// returns its name, and the token's issuer.
func (p *processes) signingKey(s *server, token string) (file, issuer string, err error) {
	var claims struct {
		Issuer string `json:"iss"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	c := connection{address: s.address("production")}
	defer c.close()
	if err == nil {
		_, err = c.do([]byte("GET /.well-known/jwks.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), time.Now().Add(answerIn))
	}
	var set struct{ Keys []struct{ N, E, Alg string } }
	if err == nil {
		err = json.Unmarshal(c.body, &set)
	}
	if err != nil || len(set.Keys) == 0 {
		return "", "", fmt.Errorf("the server's keys: %w", err)
	}
	n, err := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
	if err != nil {
		return "", "", err
	}
	name := filepath.Base(s.folder) + ".pem" // of each server its own
	file, err = p.file(name, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	return file, claims.Issuer, err
}
