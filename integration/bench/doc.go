// Command bench measures a mounted volume against three yardsticks in the same
// run: a null file system behind the same request loop, which keeps names in
// memory and throws data away, the bare disk that the volume's home is on, and
// gocryptfs where it is installed (Debian: apt-get install gocryptfs).
//
//	go run ./integration/bench [-quick] [-only write,create] [-runs N]
//
// What is compared is never more than seconds apart: every workload runs on
// each of them in turn, the order changing from run to run. Medians,
// spreads and ratios go to standard output, the raw numbers to
// integration/bench/out/bench.json and a plot to bench.svg beside it.
//
// Terms:
//
//	target    what is measured: pifs, null, disk or gocryptfs
//	workload  what is done to it, such as copying Go's source tree
//	reach     how many times as fast as another target, or as at another
//	          workload, pifs is to be; the table says whether it is
//	sample    what one workload took on one target in one run
//	settled   when all that a workload wrote is in full stripes and a head
//	          names it (pifs) or on the disk (disk); not part of a sample's
//	          seconds unless the workload says so
package main
