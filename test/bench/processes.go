package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// processes are the servers beside ours, ended at the end.
type processes struct {
	folder  string
	running []*process
}

// process is one of them.
type process struct {
	cmd   *exec.Cmd
	said  string // a file
	ended chan struct{}
}

// beside does something beside an upstream, and ends what it starts.
func (b *bench) beside(do func(p *processes, upstream string) error) (err error) {
	p := &processes{folder: b.folder}
	defer func() {
		b.served += p.used()
		err = errors.Join(err, p.stop())
	}()
	upstream, err := p.upstream()
	if err != nil {
		return err
	}
	return do(p, upstream)
}

// start starts a server that is to listen at address.
func (p *processes) start(address, program string, args ...string) error {
	cmd := exec.Command("nice", append([]string{"-n", "5", program}, args...)...) //nolint:gosec,noctx // as ours is started; stop ends it
	cmd.Dir = p.folder
	said, err := os.Create(filepath.Join(p.folder, fmt.Sprintf("said%d", len(p.running))))
	if err != nil {
		return err
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	// What a peer keeps for itself goes where it is removed, and it tells nobody.
	cmd.Env = append(os.Environ(), "HOME="+p.folder, "XDG_CONFIG_HOME="+p.folder, "XDG_DATA_HOME="+p.folder, "USAGE_DISABLE=1")
	if err := cmd.Start(); err != nil {
		return err
	}
	started := &process{cmd: cmd, said: said.Name(), ended: make(chan struct{})}
	p.running = append(p.running, started)
	go func() {
		_ = cmd.Wait() // how it ends is its own affair
		close(started.ended)
	}()
	for range 200 {
		conn, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-started.ended:
			return fmt.Errorf("%s ended at once: %s", program, started.lastWords())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not listen: %s", program, started.lastWords())
}

// lastWords is the end of what it said.
func (r *process) lastWords() string {
	text, err := os.ReadFile(r.said)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// patience is how long a server has to end.
const patience = 5 * time.Second

// stop ends all of them.
func (p *processes) stop() error {
	var err error
	for _, r := range p.running {
		err = errors.Join(err, r.stop())
	}
	p.running = nil
	return err
}

func (r *process) stop() error {
	if err := r.cmd.Process.Signal(os.Interrupt); errors.Is(err, os.ErrProcessDone) {
		return nil
	} else if err != nil {
		return err
	}
	select {
	case <-r.ended:
	case <-time.After(patience):
		if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-r.ended
	}
	return nil
}

// used is the CPU time of all of them.
func (p *processes) used() time.Duration {
	var total time.Duration
	for _, r := range p.running {
		total += processTime(r.cmd.Process.Pid)
	}
	return total
}

// last is the one that was started last.
func (p *processes) last() *process { return p.running[len(p.running)-1] }

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

// self starts this program in another role.
func (p *processes) self(role, address, upstream string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return p.start(address, program, "-role", role, "-at", address, "-upstream", upstream)
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
