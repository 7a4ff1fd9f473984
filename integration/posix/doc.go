// Package posix is what a process can see of a file system through system
// calls, as small cases whose outcome is text. The same case run on two file
// systems gives the same text exactly if they behave alike.
//
// Terms:
//
//	case    what one process does in an empty directory
//	trace   the lines that tell what came of it: errnos, attributes, contents
//	role    what a second process does that a case starts
//
// A trace says nothing that may differ between two runs on one file system:
// no inode numbers, no absolute times, no sizes of directories.
package posix
