// Package failpoint names the moments at which a crash is interesting, and in
// a build with the tag failpoint ends the process at one of them as kill -9
// would: nothing is flushed, closed or told.
//
//	PIFS_FAILPOINT=meta-committing:3        dies at the third pass
//	PIFS_FAILPOINT_PANIC=1                  panics there instead, for the program to end itself
//	PIFS_FAILPOINT_MARK=/tmp/mark           a file that says that it did; while it exists nobody dies
//	PIFS_CLOCK=24h                          its clock is wrong by so much
//
// In every other build Hit is an empty function, which the compiler removes, and
// Now the machine's clock.
// The package imports nothing of ours, so that every layer can name its
// moments.
package failpoint
