// Package mst keeps an ordered map of keys to values in blocks, as a search
// tree whose shape depends on its content alone: one map, one root, on every
// machine, whatever the order in which it was written.
//
//	entry     a key and its value
//	leaf      a node of entries; height 0
//	index     a node of links, one for each node below it; height ≥ 1
//	link      what an index knows of a child: its last key, how many entries
//	          lie under it, and its ref
//	level     all nodes of one height, left to right
//	cut       the end of a node, decided by a hash of the key it ends with
//	root      height and ref of the node that is alone on its level
//
// A level is a sequence of items, entries or links, and is cut into nodes by
// one rule (split.go): an item ends its node when a hash of its key is below
// a threshold that grows with the item's size. The rule looks back no further
// than the last cut, so a change moves cuts only until old and new sequence
// cut at the same place again, as content-defined chunking does with bytes.
// Update therefore rewrites about one node per level for each change, two
// versions share all other nodes, and Diff passes over what is shared.
//
// This is the prolly tree of Noms and Dolt: A. Boodman et al., "Noms: prolly
// trees" (github.com/attic-labs/noms, doc/intro.md, 2016), with the size-aware
// cut of Dolt. Canonical search trees by key hashes were described as Merkle
// search trees by A. Auvolat and F. Taïani, "Merkle Search Trees: Efficient
// State-Based CRDTs in Open Networks", SRDS 2019; the resynchronising cut is
// that of A. Muthitacharoen et al., "A Low-bandwidth Network File System",
// SOSP 2001.
//
// Nodes come from disks and peers. Every node that is read is checked: the
// canonical encoding, the order of its keys, its range, height and count as
// its parent states them, and that it is cut where the rule says. A tree that
// reads without an error is therefore the tree that Build would have written
// for its entries; anything else is blockstore.ErrFormat.
//
// Limit: whoever chooses keys can choose them so that no hash asks for a cut.
// Nodes are then cut by size alone, stay within their bound, and Update
// rewrites every leaf to the right of a change.
//
// The exact bytes are in FORMAT.md.
package mst
