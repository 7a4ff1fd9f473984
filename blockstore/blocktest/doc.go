// Package blocktest holds what it takes to test stores: a conformance suite
// for every blockstore.Store, a store in memory, and decorators that fail on
// demand.
//
//	Run     the suite; newStore makes an empty store
//	Memory  a store that holds its shards in a map
//	Faulty  a store whose calls fail: before they take effect, or after
//	Disk    a file system for pack files that fails, and that loses what was
//	        not synced when its machine crashes
package blocktest
