package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The exit statuses of pifs that the demo expects.
const (
	ok       = 0
	damaged  = 7
	repaired = 9
)

const maxOverhead = 1.70 // stored bytes over compressed ones, at class (3,5)

type step struct {
	title string
	run   func() error
}

func (d *demo) steps() []step {
	one, two := d.dir+"/src", d.dir+"/src2"
	return []step{
		{"mount a new drive with five stores", func() error { return d.pifs(ok, "mount", d.dir) }},
		{"cp -a " + d.src, func() error { return d.quiet("cp", "-a", d.src, one) }},
		{"pifs sync: everything in full stripes, and a head", d.syncOnce},
		{"rsync -aHAX again transfers nothing", func() error { return d.nothingToTransfer(one) }},
		{"rsync -c agrees with every checksum", func() error { return d.quiet("rsync", "-acHAXn", "--itemize-changes", d.src+"/", one+"/") }},
		{"diff -r finds no difference", func() error { return d.quiet("diff", "-r", "--no-dereference", d.src, one) }},
		{"cp -a to a second name costs less than 2 %", func() error { return d.second(one, two) }},
		{"drop the cache, move two of five stores away", d.loseTwo},
		{"diff -r finds no difference without them", func() error { return d.readDegraded(one) }},
		{"put the stores back, one of them damaged", d.putBack},
		{"pifs check --repair mends it, pifs check is clean", d.repair},
		{"diff -r finds no difference", func() error { return d.quiet("diff", "-r", "--no-dereference", d.src, two) }},
		{"unmount", func() error { return d.pifs(ok, "umount", d.dir) }},
	}
}

func (d *demo) syncOnce() error {
	if err := d.pifs(ok, "sync", d.dir); err != nil {
		return err
	}
	if err := d.status(&d.once); err != nil {
		return err
	}
	if d.once.Overhead > maxOverhead || d.once.Overhead < 1 || d.once.Outbox != 0 {
		return fmt.Errorf("overhead %.3f, %d blocks in the outbox", d.once.Overhead, d.once.Outbox)
	}
	return nil
}

// nothingToTransfer runs rsync for real and looks at its own count.
func (d *demo) nothingToTransfer(to string) error {
	text, err := d.output("rsync", "-aHAX", "--stats", "--itemize-changes", d.src+"/", to+"/")
	if err != nil {
		return err
	}
	if !strings.Contains(text, "Number of regular files transferred: 0\n") || strings.Contains(text, ">f") {
		return fmt.Errorf("the second rsync transferred something: %.2000s", text)
	}
	return nil
}

func (d *demo) second(one, two string) error {
	if err := d.quiet("cp", "-a", one, two); err != nil {
		return err
	}
	if err := errors.Join(d.pifs(ok, "sync", d.dir), d.status(&d.twice)); err != nil {
		return err
	}
	if grown := d.twice.Unique - d.once.Unique; grown*50 >= d.once.Unique {
		return fmt.Errorf("unique bytes grew from %d by %d", d.once.Unique, grown)
	}
	return nil
}

func (d *demo) store(n string) string { return filepath.Join(d.home, "stores", n) }
func (d *demo) away(n string) string  { return filepath.Join(d.base, "away-"+n) }

// loseTwo unmounts first: an open store would go on being read where it was
// moved to, and show nothing.
func (d *demo) loseTwo() error {
	return errors.Join(
		d.pifs(ok, "cache", "drop"),
		d.pifs(ok, "umount", d.dir),
		os.Rename(d.store("1"), d.away("1")),
		os.Rename(d.store("3"), d.away("3")),
		d.pifs(ok, "mount", d.dir))
}

func (d *demo) readDegraded(one string) error {
	if err := d.quiet("diff", "-r", "--no-dereference", d.src, one); err != nil {
		return err
	}
	if err := d.status(&d.degraded); err != nil {
		return err
	}
	if d.degraded.MayDie != 0 || d.degraded.Cache.Degraded == 0 {
		return fmt.Errorf("%d stores may still die, %d reads needed a decode: the stores were not away", d.degraded.MayDie, d.degraded.Cache.Degraded)
	}
	return nil
}

func (d *demo) putBack() error {
	return errors.Join(
		d.pifs(ok, "umount", d.dir),
		os.Rename(d.away("1"), d.store("1")),
		os.Rename(d.away("3"), d.store("3")),
		overwrite(d.store("3")),
		d.pifs(ok, "mount", d.dir))
}

// overwrite damages every pack of a store in sixteen places.
func overwrite(store string) error {
	packs, err := filepath.Glob(store + "/pack-*")
	if err != nil || len(packs) == 0 {
		return errors.Join(err, fmt.Errorf("no packs in %s", store))
	}
	for _, p := range packs {
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		fi, err := f.Stat()
		for i := int64(1); err == nil && i <= 16; i++ {
			_, err = f.WriteAt([]byte("this was a shard"), fi.Size()/17*i)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) repair() error {
	return errors.Join(
		d.pifs(damaged, "check"),
		d.pifs(repaired, "check", "--repair"),
		d.pifs(ok, "check"))
}
