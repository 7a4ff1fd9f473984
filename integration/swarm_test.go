package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// site is a home of its own with an address of its own on loopback, as a
// machine would have.
type site struct {
	*drive
	addr   string   // of the node, as a multiaddr
	offers []string // flags of its init, besides
	cmd    *exec.Cmd
	said   *lockedBuffer
}

// lockedBuffer is what a process said so far.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newSites returns n homes that are no nodes yet. All of 127.0.0.0/8 is
// loopback, so that each has an address which nothing else uses, and ports
// below those that the kernel gives away.
func newSites(t *testing.T, n int) []*site {
	t.Helper()
	net := fmt.Sprintf("127.%d.%d", 1+rand.IntN(254), rand.IntN(255))
	var sites []*site
	for i := range n {
		s := &site{drive: newDrive(t), addr: fmt.Sprintf("/ip4/%s.%d/tcp/7437", net, i+1)}
		t.Cleanup(func() { s.stop() })
		sites = append(sites, s)
	}
	return sites
}

// init makes the site a node.
func (s *site) init(jurisdiction string, flags ...string) {
	s.t.Helper()
	s.pifs(append([]string{
		"node", "init", "--operator", "operator of " + jurisdiction, "--jurisdiction", jurisdiction, "--region", "here",
		"--capacity", "1G", "--listen", s.addr, "--listen", strings.Replace(s.addr, "/tcp/7437", "/udp/7437/quic-v1", 1),
	}, flags...)...)
}

// run starts the node and returns when it answers.
func (s *site) run(flags ...string) {
	s.t.Helper()
	s.said = new(lockedBuffer)
	program := "pifs"
	if s.program != "" {
		program = s.program
	}
	s.cmd = exec.Command(program, append([]string{"node", "run"}, flags...)...)
	s.cmd.Env = append(append(os.Environ(), "PIFS_HOME="+s.home), s.env...)
	s.cmd.Dir = "/"
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.space.start(s.cmd); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the node runs", func() bool {
		o := s.try("node", "status", "--json")
		return o.status == 0 && s.node().PID == s.cmd.Process.Pid
	})
}

// stop ends the node as a machine that is switched off does.
func (s *site) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.ended(); err != nil {
		s.t.Errorf("the node ended: %v\n%s", err, s.said.String())
	}
}

// ended waits for the node's end.
func (s *site) ended() error {
	cmd := s.cmd
	s.cmd = nil
	timer := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if what := outcry([]byte(s.said.String())); what != "" {
		s.t.Errorf("the node said something with a %s:\n%s", what, s.said.String())
	}
	return err
}

// nodeStatus is the part of pifs node status --json that tests look at.
type nodeStatus struct {
	ID, Swarm, SwarmID          string
	PID, Members, Connected     int
	Epoch                       uint64
	Capacity                    int64
	Member, Founder             bool
	Evidence                    int
	Shards, Stored              uint64
	Addrs                       []string
	Operator, Jurisdiction, Key string
	Repair                      struct{ Passes, Endangered, Queue, Repaired int }
	Proofs                      struct{ Recent, Convicted, Leaves int }
}

func (s *site) node() (r nodeStatus) {
	s.t.Helper()
	s.decode(&r, "node", "status", "--json")
	return r
}

// swarmStatus is the part of pifs swarm status --json that tests look at.
type swarmStatus struct {
	Nodes, Answering int
	Capacity         uint64
	Jurisdictions    []struct{ Name string }
	Repair           struct {
		Told, Stripes, Endangered, Queue, Repaired int

		Nodes         int `json:"survives_nodes"`
		Jurisdictions int `json:"survives_jurisdictions"`
	}
}

func (s *site) swarmStatus() (r swarmStatus) {
	s.t.Helper()
	s.decode(&r, "swarm", "status", "--json")
	return r
}

// nodeList is what pifs swarm nodes --json prints.
type nodeList struct {
	Swarm, SwarmID string
	Epoch          uint64
	Nodes          []struct {
		ID, Operator, Jurisdiction string
		Capacity                   uint64
		Addrs                      []string
		Founder, Self              bool
	}
}

func (s *site) nodes() (r nodeList) {
	s.t.Helper()
	s.decode(&r, "swarm", "nodes", "--json")
	return r
}

func (s *site) decode(v any, args ...string) {
	s.t.Helper()
	s.parse(v, s.pifs(args...))
}

func (s *site) parse(v any, text string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		s.t.Fatalf("%v in what pifs printed: %q", err, text)
	}
}

// scope returns the secret of the home's scope, as it stands there.
func (s *site) scope() string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.home, "keys", "genesis"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

// ids returns the members that a site knows, in one line.
func (s *site) ids() string {
	s.t.Helper()
	var ids []string
	for _, n := range s.nodes().Nodes {
		ids = append(ids, n.ID)
	}
	return strings.Join(ids, " ")
}

// agree waits until all sites know the same n members.
func agree(t *testing.T, n int, sites ...*site) {
	t.Helper()
	for _, s := range sites {
		eventually(t, fmt.Sprintf("%s knows %d members, as %s does", s.home, n, sites[0].home), func() bool {
			r := s.nodes()
			return len(r.Nodes) == n && s.ids() == sites[0].ids()
		})
	}
}

// founded returns running nodes of one swarm, the first of which is the
// founder's.
func founded(t *testing.T, jurisdictions ...string) []*site {
	t.Helper()
	return foundedWith(t, "24h", jurisdictions...)
}

// foundedWith is founded with rounds of another length.
func foundedWith(t *testing.T, round string, jurisdictions ...string) []*site {
	t.Helper()
	return foundedOn(t, newSites(t, len(jurisdictions)), round, jurisdictions...)
}

// foundedOn makes sites that are nothing yet the nodes of one swarm.
func foundedOn(t *testing.T, sites []*site, round string, jurisdictions ...string) []*site {
	t.Helper()
	for i, s := range sites {
		s.init(jurisdictions[i], s.offers...)
	}
	sites[0].pifs("swarm", "create", "--round", round, "lab")
	sites[0].run()
	invitation := strings.TrimSpace(sites[0].pifs("swarm", "invite", "--uses", fmt.Sprint(len(sites))))
	for _, s := range sites[1:] {
		s.pifs("swarm", "join", invitation)
		s.run()
	}
	agree(t, len(sites), sites...)
	return sites
}

// TestSwarmMembership lets four machines form a swarm: each joins with one
// command, all know all, also after all were switched off, and without whoever
// left or was removed. The founder's node need not run for the others to meet.
func TestSwarmMembership(t *testing.T) {
	sites := founded(t, "DE", "CH", "JP", "US")
	founder := sites[0]
	for i, s := range sites {
		r := s.node()
		if !r.Member || r.Founder != (i == 0) || r.Swarm != "lab" || len(r.Addrs) != 2 || r.Capacity != 1<<30 {
			t.Errorf("node %d: %+v", i, r)
		}
		if s.scope() != founder.scope() {
			t.Errorf("node %d has another scope", i)
		}
	}
	for _, s := range sites {
		s.stop()
	}
	for _, s := range sites[1:] {
		s.run()
	}
	for _, s := range sites[1:] {
		eventually(t, "the others meet without the founder's node", func() bool { return s.node().Connected > 0 })
	}
	if o := sites[3].try("swarm", "leave"); o.status != 13 || !strings.Contains(o.stderr, "--force") {
		t.Errorf("leaving without the founder's node: status %d: %s", o.status, o.stderr)
	}
	founder.run()
	sites[3].pifs("swarm", "leave")
	if err := sites[3].ended(); err != nil {
		t.Errorf("the node of a home that left ended: %v", err)
	}
	agree(t, 3, sites[:3]...)
	all := founder.swarmStatus()
	if all.Nodes != 3 || all.Answering != 3 || all.Capacity != 3<<30 || len(all.Jurisdictions) != 3 {
		t.Errorf("%+v", all)
	}
	sites[1].stop()
	if some := founder.swarmStatus(); some.Nodes != 3 || some.Answering != 2 {
		t.Errorf("with a node switched off: %+v", some)
	}
	sites[1].run()
	stolen := sites[2].node().ID
	founder.pifs("swarm", "remove", stolen)
	agree(t, 2, sites[:2]...)
	if o := sites[1].try("swarm", "remove", founder.node().ID); o.status != 5 {
		t.Errorf("a member removes another: status %d: %s", o.status, o.stderr)
	}
}

// TestSwarmInvitations has homes come with invitations that are used up, expired,
// cut, or of a founder who does not answer. A home that is no node joins, too.
func TestSwarmInvitations(t *testing.T) {
	sites := newSites(t, 4)
	founder := sites[0]
	founder.init("DE")
	founder.pifs("swarm", "create", "lab")
	once := strings.TrimSpace(founder.pifs("swarm", "invite"))
	user := sites[1]
	if o := user.try("swarm", "join", once); o.status != 13 || !strings.Contains(o.stderr, "the founder's node has to run") {
		t.Errorf("nobody is there: status %d: %s", o.status, o.stderr)
	}
	founder.run()
	user.pifs("swarm", "join", once)
	if n := user.nodes(); len(n.Nodes) != 2 || user.node().Capacity != 0 {
		t.Errorf("%+v", n)
	}
	for _, tt := range []struct {
		invitation string
		status     int
		says       string
	}{
		{once, 5, "used up"},
		{once[:len(once)-9], 2, "not complete"},
		{"pifs:i1:", 2, "not complete"},
		{strings.TrimSpace(founder.pifs("swarm", "invite", "--expires", "1ms")), 5, "expired"},
	} {
		if o := sites[2].try("swarm", "join", tt.invitation); o.status != tt.status || !strings.Contains(o.stderr, tt.says) {
			t.Errorf("status %d: %s; want %d, %s", o.status, o.stderr, tt.status, tt.says)
		}
	}
	if o := user.try("swarm", "join", once); o.status != 6 {
		t.Errorf("joining twice: status %d: %s", o.status, o.stderr)
	}
	user.pifs("swarm", "leave")
	agree(t, 1, founder)
	if o := user.try("swarm", "nodes"); o.status != 3 {
		t.Errorf("nodes after leaving: status %d: %s", o.status, o.stderr)
	}
	user.pifs("swarm", "join", once) // its use was counted
	agree(t, 2, founder, user)
	if _, err := os.Stat(filepath.Join(user.home, "swarm.left")); err != nil {
		t.Error(err)
	}
}

// TestFounderDies kills the founder's node again and again while homes join and
// try until they are told that they did. In the end exactly they are members,
// the invitation is used up, and nobody has evidence of two histories.
func TestFounderDies(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const newcomers, deaths = 5, 6
	sites := newSites(t, newcomers+2)
	founder, late := sites[0], sites[newcomers+1]
	founder.init("DE")
	founder.pifs("swarm", "create", "lab")
	founder.run()
	invitation := strings.TrimSpace(founder.pifs("swarm", "invite", "--uses", fmt.Sprint(newcomers)))
	var joining sync.WaitGroup
	for _, s := range sites[1 : newcomers+1] {
		joining.Go(func() {
			for try := 0; try < 200; try++ {
				o := s.try("swarm", "join", invitation)
				if o.status == 0 {
					return
				}
				if o.status != 13 {
					t.Errorf("join: status %d: %s", o.status, o.stderr)
					return
				}
			}
			t.Error("a home did not get in")
		})
	}
	for range deaths {
		<-time.After(time.Duration(rng.IntN(400)) * time.Millisecond) // some time into what the founder does
		if err := founder.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = founder.ended() // by the signal
		founder.run()
	}
	joining.Wait()
	agree(t, newcomers+1, founder)
	if o := late.try("swarm", "join", invitation); o.status != 5 || !strings.Contains(o.stderr, "used up") {
		t.Errorf("one more: status %d: %s", o.status, o.stderr)
	}
	for _, s := range sites[1 : newcomers+1] {
		s.pifs("swarm", "status") // compares records with the founder's node
		if n := s.node(); n.Evidence != 0 || !n.Member {
			t.Errorf("%+v", n)
		}
	}
	agree(t, newcomers+1, sites[:newcomers+1]...)
}

// TestNodeMetrics looks at the figures and profiles of a node, as Prometheus
// and pprof do. An idle one uses less than 100 MiB of memory.
func TestNodeMetrics(t *testing.T) {
	s := founded(t, "DE")[0]
	s.stop()
	for _, bad := range []string{"9437", "0.0.0.0:9437", "example.org:9437", "[::]:9437"} {
		if o := s.try("node", "run", "--metrics", bad); o.status != 2 {
			t.Errorf("--metrics %s: status %d: %s", bad, o.status, o.stderr)
		}
	}
	at := strings.Split(s.addr, "/")[2] + ":9437"
	s.run("--metrics", at)
	text := fetch(t, "http://"+at+"/metrics")
	for _, want := range []string{"pifs_swarm_members 1", "pifs_swarm_member 1", "pifs_node_capacity_bytes 1.073741824e+09", "pifs_node_shards 0", "pifs_node_free_bytes ", "pifs_repair_passes_total 0", "pifs_sweep_deleted_shards_total 0", "pifs_scrub_bad_shards_total 0", "go_goroutines ", "process_resident_memory_bytes "} {
		if !strings.Contains(text, want) {
			t.Errorf("the figures do not have %q", want)
		}
	}
	_, after, _ := strings.Cut(text, "\nprocess_resident_memory_bytes ")
	number, _, _ := strings.Cut(after, "\n")
	if bytes, err := strconv.ParseFloat(number, 64); err != nil || bytes > 100<<20 {
		t.Errorf("an idle node uses %s bytes of memory: %v", number, err)
	}
	t.Logf("an idle node uses %s bytes of memory", number)
	if text := fetch(t, "http://"+at+"/debug/pprof/goroutine?debug=1"); !strings.Contains(text, "goroutine profile") {
		t.Errorf("a profile of goroutines: %s", text)
	}
}

// fetch returns what a server of a node answers.
func fetch(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: deadline}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v", url, resp.Status, err)
	}
	return string(body)
}

// TestNodeServesMounts mounts a volume of a home whose node runs: the node's
// process serves it, and goes on after the umount.
func TestNodeServesMounts(t *testing.T) {
	s := founded(t, "DE")[0]
	s.mount()
	s.sh(`echo x > "$D/file"; cat "$D/file"`)
	if pid := s.status().Daemon; pid != s.node().PID || pid != s.cmd.Process.Pid {
		t.Errorf("process %d serves", pid)
	}
	if o := s.try("swarm", "leave", "--force"); o.status != 4 {
		t.Errorf("leave while mounted: status %d: %s", o.status, o.stderr)
	}
	s.umount()
	if s.node().PID != s.cmd.Process.Pid {
		t.Error("the node ended with the mount")
	}
	s.stop()
	s.mount() // and a home that is mounted serves its node
	if r := s.node(); r.PID != s.status().Daemon || !r.Member {
		t.Errorf("%+v", r)
	}
	if o := s.try("node", "run"); o.status != 4 {
		t.Errorf("a second process for the home: status %d: %s", o.status, o.stderr)
	}
	if got := s.sh(`cat "$D/file"`); got != "x" {
		t.Errorf("%q", got)
	}
	s.umount()
}
