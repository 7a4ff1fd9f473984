// Command torture runs everything that is random or exhaustive for as long as
// it is told to, and watches one mount meanwhile.
//
//	make torture TORTURE_TIME=8h
//
// Terms:
//
//	soak    a mount that is kept for the whole time under a mixed load of
//	        bounded size
//	sample  what the daemon of the soak uses at one moment
//	trial   a test of the project in its long form, run again and again: the
//	        kill campaigns, the enumeration of crash points, the lock-step
//	        model, real programs, the volume's model, fuzzing
//	flat    of a series of samples: over its second half it does not grow, as
//	        far as its scatter lets one say so
//
// The exhaustive trials do a part of everything each time that their turn
// comes, so that an hour has seen all trials and a night all points.
//
// It prints a summary, leaves it with all samples, a plot and the whole output
// of every run in integration/torture/out, and fails when a trial failed, when the soak read
// something else than it wrote, or when a series is not flat.
package main
