package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stint returns how long a program that can go on for ever is to run: usual,
// or what PIFS_PROGRAMS says, such as 10m.
func stint(t *testing.T, usual time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("PIFS_PROGRAMS")
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < usual {
		t.Fatalf("PIFS_PROGRAMS=%q: it is a duration of at least %v", text, usual)
	}
	return d
}

// seconds writes a duration as programs want it.
func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// gitScript makes git depend on nothing but the script.
const gitScript = `
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
`

// TestGit clones a repository with a part of Go's sources into the mount, works
// in it and repacks it.
func TestGit(t *testing.T) {
	d := mounted(t)
	t.Setenv("SRC", goSource(t))
	d.shWithin(heavy, gitScript+`
origin=$(dirname "$D")/origin
git init -q -b main "$origin" && cd "$origin"
for part in archive bytes compress go/ast go/types encoding; do
	mkdir -p "$part" && cp -r "$SRC/$part/." "$part"
	git add -A && git commit -q -m "add $part"
done
git mv bytes octets && git commit -q -m rename

git clone -q "file://$origin" "$D/work" && cd "$D/work"
test -z "$(git status --porcelain)"
git checkout -q -b topic HEAD~3
echo more >> go/ast/ast.go && git commit -q -am topic
git checkout -q main
echo other >> encoding/json/decode.go && git commit -q -am other
git merge -q topic -m merge
echo dirty >> archive/tar/common.go && git stash -q && git stash pop -q && git checkout -q archive
git worktree add -q ../tree topic && git worktree remove ../tree
git gc -q
git repack -q -ad -f
git fsck --full --strict
git rev-parse HEAD^{tree} > ../tree-id
cp -r . "$(dirname "$D")/copy"`)
	d.remount()
	d.shWithin(heavy, gitScript+`
cd "$D/work"
test "$(git rev-parse HEAD^{tree})" = "$(cat ../tree-id)"
test -z "$(git status --porcelain)"
git fsck --full --strict
diff -r . "$(dirname "$D")/copy"
git log --stat > /dev/null`)
}

// TestGoBuild builds and vets a module with everything that go writes on the
// mount, and runs what it built.
func TestGoBuild(t *testing.T) {
	d := mounted(t)
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/klauspost/compress").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("MODULE", strings.TrimSpace(string(out)))
	d.shWithin(heavy, `
cp -r "$MODULE" "$D/module" && chmod -R u+w "$D/module" && cd "$D/module"
mkdir -p cmd/pack "$D/tmp"
cat > cmd/pack/main.go <<'END'
package main

import (
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

func main() {
	w, err := zstd.NewWriter(os.Stdout)
	if err == nil {
		_, err = io.Copy(w, os.Stdin)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
END
export GOCACHE=$D/cache GOTMPDIR=$D/tmp TMPDIR=$D/tmp GOFLAGS=-buildvcs=false GOWORK=off GOTOOLCHAIN=local
go build -o "$D/pack" ./cmd/pack
go vet ./zstd ./cmd/pack
go build -x -o "$D/pack" ./cmd/pack 2> "$D/again"
! grep -q compile "$D/again" # the cache knows it all
"$D/pack" < go.sum > "$D/packed" || "$D/pack" < go.mod > "$D/packed"
"$D/pack" < cmd/pack/main.go > "$D/packed"
test "$(od -An -tx4 -N4 "$D/packed")" = " fd2fb528"`)
	d.remount()
	d.shWithin(heavy, `test "$("$D/pack" < "$D/module/cmd/pack/main.go" | sha256sum)" = "$(sha256sum < "$D/packed")"`)
}

// TestSortAndSplit sorts 40 MB in pieces on the mount and splits them.
func TestSortAndSplit(t *testing.T) {
	d := mounted(t)
	d.shWithin(heavy, `
mkdir "$D/tmp" "$D/parts"
seq 4800000 | awk '{ print ($1 * 7919) % 4800011 " " $1 }' > "$D/in"
sort -n -S 3M -T "$D/tmp" -o "$D/out" "$D/in"
sort -n -c "$D/out"
test "$(wc -l < "$D/out")" = 4800000
test "$(sort -n "$D/in" | sha256sum)" = "$(sha256sum < "$D/out")"
sort -n -S 3M -T "$D/tmp" -o "$D/in2" "$D/in" && cp "$D/out" "$D/expect" && sort -n -o "$D/out" "$D/out" && cmp "$D/out" "$D/expect"
cd "$D/parts" && split -b 1000001 -a 3 -d ../out
test -z "$(ls "$D/tmp")"
cat "$D"/parts/* | cmp - "$D/out"
sha256sum "$D/out" > "$D/sum"`)
	d.remount()
	d.shWithin(heavy, `sha256sum -c --quiet "$D/sum"; cat "$D"/parts/* | cmp - "$D/out"`)
}

// TestSaveWhileReading saves a file over and over as editors do, and moves
// others over it, while readers read it: none sees it torn, short or missing.
func TestSaveWhileReading(t *testing.T) {
	d := mounted(t)
	end := stint(t, 4*time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), end+heavy)
	defer cancel()
	d.job(deadline, "save", d.dir+"/text", "0s", "0")
	var jobs []*writer
	for i := range 2 {
		jobs = append(jobs, startJob(ctx, t, "watch", d.dir+"/text", end.String()))
		jobs = append(jobs, startJob(ctx, t, "save", d.dir+"/text", end.String(), strconv.Itoa(i)))
	}
	for i, j := range jobs {
		var said []string
		for j.lines.Scan() {
			said = append(said, j.lines.Text())
		}
		if err := j.cmd.Wait(); err != nil {
			t.Errorf("job %d: %v: %q", i, err, said)
		} else if n, err := strconv.Atoi(strings.Join(said, "")); err != nil || n < 5 {
			t.Errorf("job %d did too little to show anything: %q", i, said)
		}
	}
	left := d.sh(`ls "$D"`)
	if left != "text" {
		t.Errorf("left: %s", left)
	}
}

// TestMappedWriters writes disjoint pages of one file from several processes
// through shared mappings, with msync, and reads them back after a remount.
func TestMappedWriters(t *testing.T) {
	d := mounted(t)
	const writers, size = 4, 24 << 20
	path := filepath.Join(d.dir, "mapped")
	d.sh(`truncate -s ` + strconv.Itoa(size) + ` "$D/mapped"`)
	ctx, cancel := context.WithTimeout(context.Background(), heavy)
	defer cancel()
	var jobs []*writer
	for i := range writers {
		jobs = append(jobs, startJob(ctx, t, "mapWrite", path, strconv.Itoa(i), strconv.Itoa(writers)))
	}
	for i, j := range jobs {
		if err := j.cmd.Wait(); err != nil {
			t.Errorf("writer %d: %v", i, err)
		}
	}
	d.job(deadline, "mapVerify", path)
	d.remount()
	d.job(deadline, "mapVerify", path)
}

// ownGroup makes a child the leader of a process group.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends a child that leads a group, and all of that, as a crash does.
func killGroup(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Errorf("kill group %d: %v", cmd.Process.Pid, err)
	}
}
