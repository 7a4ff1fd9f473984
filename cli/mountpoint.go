package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/cache"
	"pifs/cli/home"
	memory "pifs/fsnode/session"
	"pifs/mount"
	"pifs/swarm"
)

// How long a request may wait before it is answered with an I/O error and
// reported. Stores get a quarter of it, which is little for a disk if it is short.
const (
	defaultDeadline = 2 * time.Minute
	minDeadline     = 4 * time.Second
	maxDeadline     = 24 * time.Hour
)

// mountPoint is a volume that the kernel sees.
type mountPoint struct {
	dir      string
	volume   string
	deadline time.Duration
	server   *mount.Server  // nil while it is being mounted; guarded by engine.mu until then
	session  *memory.Memory // nil: the mount ends with this process
	done     chan struct{}  // closed when the kernel has let go and the volume is given back
	err      error          // of giving it back; set before done is closed
}

// mount serves a volume at a folder until somebody unmounts it.
func (e *engine) mount(ctx context.Context, a mountArgs, _ emitter) (mountResult, error) {
	r := mountResult{Dir: a.Dir, Volume: a.Volume}
	var err error
	if r.Created, err = e.chooseVolume(a); err != nil {
		return r, err
	}
	if err := e.notMounted(a.Volume); err != nil {
		return r, err
	}
	if err := checkMountPoint(a.Dir); err != nil {
		return r, err
	}
	v, back, err := e.use(ctx, a.Volume, volumeOptions{ReadOnly: a.ReadOnly, FsyncSwarm: a.FsyncSwarm})
	if err != nil {
		return r, err
	}
	failpoint.Hit(failpoint.MountOpened)
	r.Notice = v.fs.Notice()
	m, err := e.attach(ctx, v, a)
	if err != nil {
		return r, errors.Join(err, back(ctx))
	}
	r.Held = m.session != nil
	e.serve(v, m, back)
	failpoint.Hit(failpoint.MountAttached)
	e.log.Info("mounted", "volume", a.Volume, "dir", a.Dir)
	return r, nil
}

func newMountPoint(a mountArgs) *mountPoint {
	return &mountPoint{dir: a.Dir, volume: a.Volume, deadline: cmp.Or(a.Deadline, defaultDeadline), done: make(chan struct{})}
}

// hurry makes the stores be waited for no longer than the least patient mount
// allows.
func (e *engine) hurry() {
	least := maxDeadline
	for _, m := range e.mountPoints() {
		least = min(least, m.deadline)
	}
	e.stack.swarm.SetPatience(swarm.PatienceWithin(least))
}

// checkMountPoint refuses what cannot be mounted on.
func checkMountPoint(dir string) error {
	err := mount.Preflight(dir)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mount.ErrMounted):
		return fail(errBusy, oneLine(err), err)
	}
	return fail(errMountPoint, oneLine(err), err)
}

// recoverMountPoint clears a dead mount of ours from dir, and says so.
func recoverMountPoint(env Env, dir string) (bool, error) {
	cleared, err := mount.Recover(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil // checkMountPoint has better words for it
	}
	if err != nil {
		return false, fail(errMountPoint, oneLine(err), err)
	}
	if cleared {
		note(env.Stderr, "cleared the dead mount that a daemon had left at %s", dir)
	}
	return cleared, nil
}

// chooseVolume makes the default volume on its first use and compares the
// scope of one that exists.
func (e *engine) chooseVolume(a mountArgs) (created bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys, err := e.keys.Volume(a.Volume)
	if err == nil {
		if a.Scope != "" && a.Scope != keys.Scope {
			return false, fail(home.ErrMismatch,
				fmt.Sprintf("--scope %s: volume %s was created with --scope %s", a.Scope, a.Volume, keys.Scope), nil)
		}
		return false, nil
	}
	if !a.MayCreate {
		return false, fail(errNotFound,
			fmt.Sprintf("there is no volume %q; make it with: pifs volume create %s", a.Volume, a.Volume), err)
	}
	scope := a.Scope
	if scope == "" {
		scope = home.ScopeSwarm
	}
	_, err = e.keys.AddVolume(a.Volume, scope)
	return err == nil, err
}

func (e *engine) notMounted(volume string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v := e.volumes[volume]; v != nil && v.mount != nil {
		return fail(errBusy, fmt.Sprintf("volume %s is mounted already, at %s", volume, v.mount.dir), nil)
	}
	return nil
}

// attach mounts v. The holder, if there is one, has it before anybody can use it.
func (e *engine) attach(ctx context.Context, v *openVolume, a mountArgs) (*mountPoint, error) {
	m := newMountPoint(a)
	e.mu.Lock()
	if v.mount != nil {
		e.mu.Unlock()
		return nil, fail(errBusy, fmt.Sprintf("volume %s is mounted already, at %s", a.Volume, v.mount.dir), nil)
	}
	v.mount = m
	e.mu.Unlock()
	var err error
	if m.session, err = e.beginSession(ctx, v); err != nil {
		e.detached(v)
		close(m.done)
		return nil, err
	}
	server, err := mount.Mount(e.ctx, a.Dir, v.fs, e.mountOptions(a, m.session))
	e.mu.Lock()
	m.server = server
	e.mu.Unlock()
	if err != nil {
		err = fail(errMountPoint, oneLine(err)+"; more stands in "+e.home.Path("log"), err)
		err = errors.Join(err, e.endSession(v, m))
		e.detached(v)
		close(m.done)
		return nil, err
	}
	if m.session != nil {
		if err := e.keep(m, a); err != nil {
			e.log.Warn("the holder is gone: the mount ends with this daemon", "err", err)
		}
	}
	return m, nil
}

// serve answers for a mount in the background; back is called when it has
// ended.
func (e *engine) serve(v *openVolume, m *mountPoint, back func(context.Context) error) {
	e.hurry()
	go v.changed.run(m.done, m.forget, e.log)
	go func() {
		served := m.server.Serve()
		failpoint.Hit(failpoint.UmountDetached)
		// The mount is listed until its volume is closed: a daemon that
		// ends in between would take the last head with it.
		m.err = errors.Join(served, back(e.ctx))
		if err := e.endSession(v, m); err != nil {
			e.log.Warn("end session", "volume", m.volume, "err", err)
		}
		e.detached(v)
		e.hurry()
		e.log.Info("unmounted", "volume", m.volume, "dir", m.dir, "err", m.err)
		close(m.done)
		if e.unmounted != nil {
			e.unmounted()
		}
	}()
}

func (e *engine) detached(v *openVolume) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v.mount = nil
}

// mounts returns how many volumes are mounted.
func (e *engine) mounts() int { return len(e.mountPoints()) }

func (e *engine) mountPoints() []*mountPoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []*mountPoint
	for _, v := range e.volumes {
		if v.mount != nil {
			out = append(out, v.mount)
		}
	}
	return out
}

// umount commits what was written and takes the mount away. A lazy one hides
// the mount at once and lets the rest happen when its last user has gone.
func (e *engine) umount(ctx context.Context, a umountArgs, emit emitter) (umountResult, error) {
	points := e.mountPoints()
	i := slices.IndexFunc(points, func(m *mountPoint) bool { return m.dir == a.Dir })
	if i < 0 {
		return umountResult{}, fail(errNotFound, fmt.Sprintf("this home has nothing mounted at %s", a.Dir), nil)
	}
	m := points[i]
	if a.Lazy {
		return umountResult{Left: len(points)}, m.server.Unmount(true)
	}
	v, back, err := e.use(ctx, m.volume, volumeOptions{ReadOnly: true})
	if err != nil {
		return umountResult{}, err
	}
	r, err := e.finish(ctx, v, m, emit)
	if err := errors.Join(err, back(ctx)); err != nil {
		return r, err
	}
	select {
	case <-m.done:
	case <-ctx.Done():
		return r, ctx.Err()
	}
	r.Left, r.Daemon, r.Stays = e.mounts(), os.Getpid(), e.stays
	return r, m.err
}

// finish commits, delivers and unmounts. What cannot be committed, since shards
// are out of reach, stays in the home, and blocks that the stores do not take now
// in the outbox; the caller is told.
func (e *engine) finish(ctx context.Context, v *openVolume, m *mountPoint, emit emitter) (r umountResult, err error) {
	r.Head, err = e.commit(ctx, v, "", emit)
	if errors.Is(err, blockstore.ErrLost) {
		r.Uncommitted = oneLine(err)
		err = v.fs.Save(ctx)
	}
	if err != nil {
		return r, err
	}
	err = e.drain(ctx, emit)
	var left *cache.Undelivered
	if errors.As(err, &left) {
		r.Undelivered = oneLine(left)
	} else if err != nil {
		return r, err
	}
	failpoint.Hit(failpoint.UmountCommitted)
	return r, m.unmount()
}

// unmount asks the kernel to let go; when it is busy the error says why.
func (m *mountPoint) unmount() error {
	err := m.server.Unmount(false)
	if !errors.Is(err, syscall.EBUSY) {
		return err
	}
	var users []string
	for _, p := range mount.Busy(m.dir) {
		users = append(users, fmt.Sprintf("%s (pid %d) has %s", p.Name, p.PID, p.Path))
	}
	line := m.dir + " is busy; end what uses it, or: pifs umount --lazy " + m.dir
	if len(users) > 0 {
		line = m.dir + " is busy: " + strings.Join(users, "; ")
	}
	return fail(errBusy, line, err)
}

// unmountAll ends every mount, for a daemon that must end: one that is kept
// busy is detached, its users see errors once the daemon is gone.
func (e *engine) unmountAll(ctx context.Context) error {
	var all error
	for _, m := range e.mountPoints() {
		if err := e.stopMount(ctx, m); err != nil {
			all = errors.Join(all, fmt.Errorf("unmount %s: %w", m.dir, err))
		}
	}
	return all
}

func (e *engine) stopMount(ctx context.Context, m *mountPoint) error {
	err := m.server.Unmount(false)
	if err == nil {
		<-m.done
		return m.err
	}
	v, back, useErr := e.use(ctx, m.volume, volumeOptions{ReadOnly: true})
	if useErr != nil {
		return errors.Join(err, useErr)
	}
	err = m.server.Unmount(true)
	_, commitErr := e.commit(ctx, v, "", nil)
	return errors.Join(err, commitErr, back(ctx))
}

// forget makes the kernel ask again for what is stale.
func (m *mountPoint) forget(s stale) error {
	if s.name != "" {
		return m.server.InvalidateEntry(s.ino, s.name)
	}
	return m.server.InvalidateInode(s.ino)
}
