// Command bench measures a mounted volume against three yardsticks in the same
// run: a null file system behind the same library and request loop, which
// keeps names in memory and throws data away; gocryptfs, which encrypts files
// as a whole and nothing else; and the bare disk that all of them lie on.
//
//	make bench
//	go run ./integration/bench -help
//	go run ./integration/bench -quick -run 'untar|ls-lR'
//
// What is compared is never more than minutes apart: every workload runs on
// each target in turn, which begins changing from run to run, and ratios are
// made within runs. Medians, spreads, ratios and goals go to standard output,
// all numbers to integration/bench/out/bench.json, plots to bench.svg and
// commit.svg beside it.
//
// Inputs are made once, from fixed seeds. Whatever touches a mount is a child
// process, which is ready before the clock starts (job).
//
// Terms:
//
//	target    what is measured: pifs, null, gocryptfs or disk; or a volume of
//	          a certain size, for what depends on that
//	workload  what is done to it, such as unpacking Go's source tree
//	sample    what one workload took on one target in one run
//	settled   when all that a workload wrote is in full stripes and a head
//	          names it (pifs) or on the disk; a figure beside the seconds of a
//	          sample, but part of the processor time and the transactions
//	again     the kernel still has what is read
//	warm      the kernel has forgotten it, the daemon's caches have not
//	cold      both have; or the target was mounted anew
package main
