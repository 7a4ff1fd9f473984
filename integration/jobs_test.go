package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/lockstep"
	"pifs/integration/posix"
)

// jobs are what children that are this binary can do.
func jobs() map[string]func(args []string) error {
	return map[string]func([]string) error{
		"fill":       func(a []string) error { return fill(a[0], number(a[1]), number(a[2])) },
		"verify":     func(a []string) error { return verify(a[0], number(a[1]), number(a[2])) },
		"fsync":      func(a []string) error { return fsyncFiles(a[0]) },
		"acked":      func(a []string) error { return verifyAcked(a[0], a[1:]) },
		"poke":       func(a []string) error { return poke(a[0], number(a[1])) },
		"many":       func(a []string) error { return createMany(a[0], int(number(a[1]))) },
		"first":      func(a []string) error { return firstEntry(a[0]) },
		"count":      func(a []string) error { return countEntries(a[0], int(number(a[1]))) },
		"removeMany": func(a []string) error { return removeMany(a[0], int(number(a[1]))) },
		"lockstep":   func(a []string) error { return lockstep.Serve(int(number(a[0])), os.Stdin, os.Stdout) },
		"hold":       func(a []string) error { return hold(a[0]) },
		"tree":       func(a []string) error { return makeTree(a[0], int(number(a[1])), int(number(a[2]))) },
		"syncPath":   func(a []string) error { return syncPath(a[0]) },
		"untilFull":  func(a []string) error { return untilFull(a[0], number(a[1])) },
		"fullAcked":  func(a []string) error { return verifyFull(a[0], a[1:]) },
		"carry":      func(a []string) error { return carry(a[0], number(a[1])) },
		"carried":    func(a []string) error { return verifyCarried(a[0], number(a[1]), number(a[2])) },
		"churn":      func(a []string) error { return churn(a[0], int(number(a[1]))) },
		"churned":    func(a []string) error { return churned(a[0]) },
		"posix":      func(a []string) error { return runPosix(a[0], posix.Cases(), a[1]) },
		"uncarried":  func(a []string) error { return runPosix(a[0], posix.Uncarried(), "") },
		"save":       func(a []string) error { return save(a[0], span(a[1]), number(a[2])) },
		"watch":      func(a []string) error { return watch(a[0], span(a[1])) },
		"mapWrite":   func(a []string) error { return mapWrite(a[0], int(number(a[1])), int(number(a[2]))) },
		"mapVerify":  func(a []string) error { return mapVerify(a[0]) },
		"odd":        func(a []string) error { return makeOddTree(a[0]) },
		"manifest":   func(a []string) error { return manifest(a[0]) },
		"work":       func(a []string) error { return job.Do(a[0]) },
		"trims":      func(a []string) error { return trims(a[0], span(a[1]), number(a[2])) },
	}
}

func runJob(name string, args []string) int {
	do := jobs()[name]
	if do == nil {
		do = killJobs()[name]
	}
	if do == nil {
		do = takeoverJobs()[name]
	}
	if do == nil {
		fmt.Fprintln(os.Stderr, "no job", name)
		return 2
	}
	if err := do(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func span(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

// stream returns size bytes that look random and depend on seed only.
func stream(seed, size int64) io.Reader {
	var key [32]byte
	copy(key[:], fmt.Sprintf("integration %d", seed))
	return io.LimitReader(rand.NewChaCha8(key), size)
}

// fill writes a file of the stream of seed.
func fill(path string, seed, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(onlyWriter{f}, stream(seed, size), make([]byte, 1<<20)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// onlyWriter hides ReadFrom, so that CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }

// verify compares a file with the stream of seed.
func verify(path string, seed, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	want, have, r := make([]byte, 1<<20), make([]byte, 1<<20), stream(seed, size)
	for at := int64(0); ; {
		n, err := io.ReadFull(r, want)
		m, _ := io.ReadFull(f, have[:n])
		if m != n || !bytes.Equal(want[:n], have[:n]) {
			return fmt.Errorf("%s differs within 1 MiB after %d", path, at)
		}
		if at += int64(n); err != nil {
			break
		}
	}
	if n, err := f.Read(have[:1]); n != 0 || err != io.EOF {
		return fmt.Errorf("%s is longer than %d", path, size)
	}
	return nil
}

// fsyncSize returns the size of the i-th file of fsyncFiles: inline, one
// chunk, several chunks.
func fsyncSize(i int64) int64 {
	return []int64{100, 8 << 10, 8<<10 + 1, 300 << 10, 3 << 20}[i%5] + i
}

// fsyncFiles writes files for ever, syncs each and its folder, and only then
// prints its number. Every tenth goes through a temporary name, as editors do.
func fsyncFiles(dir string) error {
	for i := int64(0); ; i++ {
		path := filepath.Join(dir, "acked-"+strconv.FormatInt(i, 10))
		tmp := path
		if i%10 == 9 {
			tmp = path + ".tmp"
		}
		if err := fill(tmp, i, fsyncSize(i)); err != nil {
			return err
		}
		if err := syncPath(tmp); err != nil {
			return err
		}
		if err := os.Rename(tmp, path); err != nil {
			return err
		}
		if err := syncPath(dir); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// keep writes a file of the stream of seed and syncs it before it closes it. Its
// name is durable with it: what survives a crash is a prefix.
func keep(path string, seed, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(onlyWriter{f}, stream(seed, size))
	return errors.Join(err, f.Sync(), f.Close())
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// verifyAcked checks the files with the given numbers.
func verifyAcked(dir string, numbers []string) error {
	for _, text := range numbers {
		i := number(text)
		if err := verify(filepath.Join(dir, "acked-"+text), i, fsyncSize(i)); err != nil {
			return err
		}
	}
	return nil
}

// poke changes the byte at off.
func poke(path string, off int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		return err
	}
	b[0] ^= 0x5a
	if _, err := f.WriteAt(b[:], off); err != nil {
		return err
	}
	return f.Close()
}

func manyName(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("entry-%07d", i)) }

func createMany(dir string, n int) error {
	for i := range n {
		f, err := os.OpenFile(manyName(dir, i), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// makeTree makes dirs directories of files small files each, named by number.
func makeTree(dir string, dirs, files int) error {
	for i := range dirs {
		sub := filepath.Join(dir, strconv.Itoa(i))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		for j := range files {
			if err := os.WriteFile(filepath.Join(sub, strconv.Itoa(j)), fmt.Appendf(nil, "file %d of %d\n", j, i), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstEntry prints the microseconds from opendir to the first entry.
func firstEntry(dir string) error {
	start := time.Now()
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); err != nil {
		return err
	}
	fmt.Println(time.Since(start).Microseconds())
	return nil
}

// countEntries checks that dir has n entries, all different.
func countEntries(dir string, n int) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	seen := make(map[string]bool, n)
	for {
		names, err := f.Readdirnames(4096)
		for _, name := range names {
			seen[name] = true
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if len(seen) != n {
		return fmt.Errorf("%d entries, want %d", len(seen), n)
	}
	return nil
}

func removeMany(dir string, n int) error {
	for i := range n {
		if err := os.Remove(manyName(dir, i)); err != nil {
			return err
		}
	}
	return nil
}

// hold opens a file, says so, and keeps it open until stdin ends.
func hold(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
