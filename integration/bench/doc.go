// Command bench measures a mounted volume against two yardsticks in the same
// run: a null file system behind the same request loop, which keeps names in
// memory and throws data away, and the bare disk that the volume's home is on.
//
//	go run ./integration/bench [-quick] [-only write,create] [-runs N]
//
// What is compared is never more than seconds apart: every workload runs on
// each of the three in turn, the order changing from run to run. Medians,
// spreads and ratios go to standard output, the raw numbers to
// integration/bench/out/bench.json and a plot to bench.svg beside it.
//
// Terms:
//
//	target    what is measured: pifs, null or disk
//	workload  what is done to it, such as copying Go's source tree
//	sample    what one workload took on one target in one run
//	settled   when all that a workload wrote is in full stripes and a head
//	          names it (pifs) or on the disk (disk); not part of a sample's
//	          seconds unless the workload says so
package main
