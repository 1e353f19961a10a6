package main

import (
	"bufio"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// processes are the servers beside ours, ended at the end.
type processes struct {
	folder  string
	running []*exec.Cmd
}

// start starts a server that is to listen at address.
func (p *processes) start(address, program string, args ...string) error {
	cmd := exec.Command("nice", append([]string{"-n", "5", program}, args...)...) //nolint:gosec,noctx // as ours is started; stop ends it
	cmd.Dir = p.folder
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	p.running = append(p.running, cmd)
	for range 100 {
		conn, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not listen", program)
}

func (p *processes) stop() error {
	var err error
	for _, cmd := range p.running {
		err = errors.Join(err, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait() // how it ends is its own affair
	}
	return err
}

// used is the CPU time of all of them.
func (p *processes) used() time.Duration {
	var total time.Duration
	for _, cmd := range p.running {
		total += processTime(cmd.Process.Pid)
	}
	return total
}

// free is an address where nobody listens.
func free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		return ""
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *processes) file(name, text string) (string, error) {
	path := filepath.Join(p.folder, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// upstreamAnswer is what every server's upstream answers.
var upstreamAnswer = `{"status":"ok","pad":"` + strings.Repeat("x", 1000) + `"}`

const nginxConf = `worker_processes %d; pid %s; error_log stderr error;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 300;
 client_body_temp_path %[4]s; proxy_temp_path %[4]s; fastcgi_temp_path %[4]s; uwsgi_temp_path %[4]s; scgi_temp_path %[4]s;
 %[3]s }
`

// nginx starts one with that configuration of its http block.
func (p *processes) nginx(name, address string, workers int, http string) error {
	text := fmt.Sprintf(nginxConf, workers, filepath.Join(p.folder, name+".pid"), http, filepath.Join(p.folder, name+"-temp"))
	conf, err := p.file(name+".conf", text)
	if err != nil {
		return err
	}
	return p.start(address, "nginx", "-p", p.folder, "-c", conf, "-g", "daemon off;")
}

// upstream starts what all servers stand before: nginx if there is one, as it
// leaves most of the machine to what is measured.
func (p *processes) upstream() (address string, err error) {
	address = free()
	if _, err := exec.LookPath("nginx"); err != nil {
		return address, p.self("upstream", address, "")
	}
	err = p.nginx("upstream", address, 1, fmt.Sprintf("server { listen %s; default_type application/json; location / { return 200 '%s'; } }", address, upstreamAnswer))
	return address, err
}

// self starts this program in another role.
func (p *processes) self(role, address, upstream string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return p.start(address, program, "-role", role, "-at", address, "-upstream", upstream)
}

// peers starts the servers that ours is compared with: net/http's ReverseProxy,
// which is the measure, and of the others those that are installed.
func (p *processes) peers(upstream string, s *server) ([]*call, error) {
	var rows []*call
	add := func(name, address string, err error) error {
		if err == nil {
			pid := p.running[len(p.running)-1].Process.Pid
			rows = append(rows, &call{Server: name, pid: pid, load: &load{address: address}, measures: len(rows) == 0})
		}
		return err
	}
	address := free()
	if err := add("httputil.ReverseProxy, tuned", address, p.self("proxy", address, upstream)); err != nil {
		return nil, err
	}
	address = free()
	if err := add("net/http, which answers itself", address, p.self("upstream", address, "")); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("nginx"); err == nil {
		address := free()
		err := p.nginx("nginx", address, 2, fmt.Sprintf(`upstream u { server %s; keepalive 128; keepalive_requests 1000000000; }
 server { listen %s; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr; } }`, upstream, address))
		if err := add("nginx, nothing checked", address, err); err != nil {
			return nil, err
		}
	}
	if _, err := exec.LookPath("haproxy"); err == nil {
		key, issuer, err := p.signingKey(s)
		if err != nil {
			return nil, err
		}
		for name, check := range map[string]string{
			"haproxy, nothing checked": "",
			"haproxy, RS256 each time": `http-request set-var(txn.b) http_auth_bearer
 http-request deny deny_status 401 unless { var(txn.b),jwt_header_query('$.alg') -m str RS256 }
 http-request deny deny_status 401 unless { var(txn.b),jwt_payload_query('$.iss') -m str ` + issuer + ` }
 http-request deny deny_status 401 unless { var(txn.b),jwt_verify(txn.alg,"` + key + `") 1 }
 http-request set-var(txn.exp) var(txn.b),jwt_payload_query('$.exp','int')
 http-request set-var(txn.now) date()
 http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }`,
		} {
			address := free()
			check = strings.Replace(check, "jwt_verify(txn.alg", `jwt_verify("RS256"`, 1)
			conf, err := p.file("haproxy"+strconv.Itoa(len(rows))+".cfg", fmt.Sprintf("global\n nbthread 2\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n http-reuse always\nfrontend f\n bind %s\n %s\n default_backend b\nbackend b\n server s %s\n", address, check, upstream))
			if err == nil {
				err = p.start(address, "haproxy", "-db", "-f", conf)
			}
			if err := add(name, address, err); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// signingKey writes the key that verifies the server's tokens to a file, and
// returns its name, and the tokens' issuer.
func (p *processes) signingKey(s *server) (file, issuer string, err error) {
	tokens, err := fetchTokens(s)
	if err != nil {
		return "", "", err
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(tokens[0], ".")[1])
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
	file, err = p.file("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	return file, claims.Issuer, err
}

// play is this program in another role: an upstream, or the tuned ReverseProxy.
func play(role, at, upstream string) error {
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, upstreamAnswer)
	})
	if role == "proxy" {
		target := &url.URL{Scheme: "http", Host: upstream}
		handler = &httputil.ReverseProxy{
			Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
			Transport:  &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 1024, DisableCompression: true},
			BufferPool: &buffers{},
		}
	}
	server := &http.Server{Addr: at, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// buffers is the tuning that everybody who measures ReverseProxy does.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// processTime is the CPU time of a process and its children, proc(5).
func processTime(pid int) time.Duration {
	total := ticks(pid)
	file, err := os.Open(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return total
	}
	defer file.Close()
	words := bufio.NewScanner(file)
	words.Split(bufio.ScanWords)
	for words.Scan() {
		if child, err := strconv.Atoi(words.Text()); err == nil {
			total += ticks(child)
		}
	}
	return total
}

// ticks reads what a process has used; a tick is 10 ms.
func ticks(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
