// Package faultfs is a file system in memory that knows what a disk would.
// It is mounted under the whole program, SQLite included, and
//
//   - records every call that changes something, so that the disk after the
//     first n calls can be had again, as it is (kill -9) or as a loss of power
//     may leave it;
//   - makes the n-th such call fail.
//
// Terms:
//
//   - A call is an Op. Ops are numbered from 1 in the order in which they took
//     effect.
//   - What a file holds is cached; what survives a loss of power is durable.
//     Bytes and sizes become durable by fsync of the file, names by fsync of
//     the directory, and by nothing else. Modes are durable at once.
//   - A page is 4 KiB of a file, a sector 512 bytes: writes to the disk may be
//     torn between sectors.
//   - An fsync that failed has dropped what was not durable, as Linux does:
//     the bytes can still be read, and the next fsync says that all is well.
//   - A mark is a note of the program under test in the record: what it began
//     and what was acknowledged to it.
package faultfs
