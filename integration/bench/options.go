package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"pifs/integration/bench/target"
)

// options are the flags.
type options struct {
	only    *regexp.Regexp
	targets []string
	times   int
	sizes   sizes
	list    bool
	dir     string
	keep    string // "": volumes are removed with everything else
	out     string
	args    []string // as given
}

// sizes are how much the workloads do.
type sizes struct {
	stream   int64 // bytes of what is written and read in sequence
	creates  int64 // files made
	synced   int64 // files and blocks that are each synced
	blocks   int64 // small blocks read and written at random
	appends  int64
	folder   int64 // entries of the one folder
	small    int64 // files of the volumes
	large    int64
	huge     int64
	source   string   // the tree that is copied, below GOROOT
	without  []string // what of it is left out, as patterns of rsync
	building string   // what go build builds from it
}

func whole() sizes {
	return sizes{
		stream: 1 << 30, creates: 10_000, synced: 500, blocks: 10_000, appends: 10_000, folder: 1_000_000,
		small: 10_000, large: 1_000_000, huge: 10_000_000, source: "src", building: "cmd/go",
	}
}

// quick is for a look, and not for a claim.
func quick() sizes {
	return sizes{
		stream: 128 << 20, creates: 1_000, synced: 100, blocks: 2_000, appends: 2_000, folder: 20_000,
		small: 2_000, large: 20_000, huge: 100_000,
		source: "src", without: []string{"/cmd", "testdata", "*_test.go"}, building: "strconv",
	}
}

const usage = `Measures a πFS volume, a null file system on the same request loop, gocryptfs and
the bare disk in turn, and prints medians, spreads, ratios and goals. Writes
bench.json, bench.svg and commit.svg. Cold reads are cold only for root.
gocryptfs is left out if it is not installed (Debian: apt-get install gocryptfs).
All of it takes hours, and 30 GB of disk for volumes of 10 million inodes:
choose with -run, or have a look with -quick.

  go run ./integration/bench -quick
  go run ./integration/bench -run 'untar|rm-rf' -targets pifs,null
  go run ./integration/bench -run commit -times 7
  go run ./integration/bench -run 'mount|walk' -keep /var/tmp/volumes

`

func parse(args []string) (options, error) {
	o := options{args: args}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), usage)
		f.PrintDefaults()
	}
	look := f.Bool("quick", false, "small inputs, and three runs: minutes, for a look and not for a claim")
	only := f.String("run", "", "workloads to run, as a regular `expression`, and those that they need")
	targets := f.String("targets", strings.Join(target.All(), ","), "what to compare")
	f.IntVar(&o.times, "times", 0, "how often each workload runs (default 5, or 3 with -quick)")
	size := f.Int64("size", 0, "`MiB` to write and read in sequence (default 1024, or 128 with -quick)")
	f.BoolVar(&o.list, "list", false, "list the workloads and stop")
	f.StringVar(&o.dir, "dir", os.TempDir(), "a folder on the disk to measure; everything lies below it")
	f.StringVar(&o.keep, "keep", "", "a `folder` in which volumes of certain sizes are left, and found again by the next measurement")
	f.StringVar(&o.out, "out", "integration/bench/out", "where figures and plots go")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag; see -help", f.Arg(0))
	}
	o.sizes = whole()
	defaultTimes := 5
	if *look {
		o.sizes, defaultTimes = quick(), 3
	}
	if o.times <= 0 {
		o.times = defaultTimes
	}
	if *size > 0 {
		o.sizes.stream = *size << 20
	}
	o.targets = strings.Split(*targets, ",")
	for _, t := range o.targets {
		if !slices.Contains(target.All(), t) {
			return o, fmt.Errorf("there is no target %q, only %s", t, strings.Join(target.All(), ", "))
		}
	}
	var err error
	o.only, err = regexp.Compile(*only)
	return o, err
}

// list writes what can be measured.
func list(out io.Writer, s sizes) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range workloads(s) {
		fmt.Fprintf(w, "%s\t%s\n", l.Name, l.About)
	}
	return w.Flush()
}
