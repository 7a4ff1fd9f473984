package failpoint

// Point names a moment. Those in -ing are right before a step, the others
// right after one.
type Point string

// The stores' packs.
const (
	PackCreated        Point = "pack-created"          // empty, its name not durable
	PackHeaderWritten  Point = "pack-header-written"   // of a large record: the shard is still missing
	PackAppended       Point = "pack-appended"         // a record is written, not synced
	PackSynced         Point = "pack-synced"           // records are durable, not indexed
	PackIndexWriting   Point = "pack-index-committing" // the transaction is complete, not committed
	PackIndexCommitted Point = "pack-index-committed"
	PackEvacuated      Point = "pack-evacuated" // compaction: live records are copied, not indexed
	PackRemoved        Point = "pack-removed"   // compaction: the pack is gone, the index still knows it
)

// Garbage collection.
const (
	HeadsForgotten Point = "heads-forgotten" // durably, nothing is collected
	CollectDoomed  Point = "collect-doomed"  // rows of garbage have moved, no shard is deleted
	PackBuried     Point = "pack-buried"     // a deleted record says so, its bytes are there
	CollectDeleted Point = "collect-deleted" // shards are deleted, the rows still say that they are to be
)

// The block cache: index, outbox, journal of fresh bytes.
const (
	BlockIndexWriting   Point = "block-index-committing"
	BlockIndexCommitted Point = "block-index-committed"
	BlockIndexRemoved   Point = "block-index-removed" // repair: the new one is empty yet
	BlockIndexAdopted   Point = "block-index-adopted" // repair: full again, the mark still says otherwise
	OutboxPinned        Point = "outbox-pinned"       // bytes are written, no row names them
	OutboxReset         Point = "outbox-reset"        // removed, not made again
	JournalStarted      Point = "journal-started"     // a segment is created, its name not durable
	JournalAppended     Point = "journal-appended"    // written, not synced
	JournalSynced       Point = "journal-synced"      // durable, no row names it
	JournalTrimmed      Point = "journal-trimmed"     // a segment that nobody needs is deleted
)

// Volumes.
const (
	OperationHalf    Point = "operation-half"   // a new inode has no name yet, under the volume's lock
	FlushStored      Point = "flush-stored"     // a file's fresh bytes are in blocks that nothing names
	SaveBytesDurable Point = "save-bytes"       // all that the rows will name is durable
	MetaWriting      Point = "meta-committing"  // the transaction is complete, not committed
	MetaCommitted    Point = "meta-committed"   // memory does not know yet
	RecoverQueued    Point = "recover-queued"   // a crash's fresh bytes are about to be stored
	ReloadSaved      Point = "reload-saved"     // a lost database: some folders are back
	ReloadWalked     Point = "reload-walked"    // all names are back, the references not counted
	CommitFilesBuilt Point = "commit-files"     // files are stored and have roots
	CommitTreesBuilt Point = "commit-trees"     // directories have roots
	CommitManifest   Point = "commit-manifest"  // the manifest's segment is written
	CommitDurable    Point = "commit-durable"   // all that the head will name is durable
	CommitHeadKept   Point = "commit-head"      // the head is in the chain, the database does not know
	CommitInstalled  Point = "commit-installed" // memory knows, the database does not
	VolumeClosing    Point = "volume-closing"   // committed, files not closed
)

// The swarm: chains of heads, stores.
const (
	FileLinked    Point = "file-linked"    // a new chain or identity has its name, which is not durable
	HeadWritten   Point = "head-written"   // a frame is appended, not synced
	HeadSynced    Point = "head-synced"    // durable, nobody was told
	ChainTornKept Point = "chain-torn"     // a torn end is kept beside, not cut off
	StoreReopened Point = "store-reopened" // a store came back
)

// The home and the daemon.
const (
	FileReplacing   Point = "file-replacing"   // a keyring or configuration is written beside the old one
	FileReplaced    Point = "file-replaced"    // it has its name, which is not durable
	HomeKeysMade    Point = "home-keys"        // a new home has keys and no configuration
	HomeStoresMade  Point = "home-stores"      // stores have identities that the configuration does not know
	DaemonListening Point = "daemon-listening" // nobody was told
	MountOpened     Point = "mount-opened"     // the volume is open, the kernel not asked
	MountAttached   Point = "mount-attached"   // the kernel has mounted, nobody was told
	UmountCommitted Point = "umount-committed" // the kernel has not let go
	UmountDetached  Point = "umount-detached"  // the kernel has let go, the volume is not closed
	DaemonEnding    Point = "daemon-ending"    // everything is closed, the lock is held
)

// All returns every point.
func All() []Point {
	return []Point{
		PackCreated, PackHeaderWritten, PackAppended, PackSynced, PackIndexWriting, PackIndexCommitted, PackEvacuated, PackRemoved,
		HeadsForgotten, CollectDoomed, PackBuried, CollectDeleted,
		BlockIndexWriting, BlockIndexCommitted, BlockIndexRemoved, BlockIndexAdopted, OutboxPinned, OutboxReset,
		JournalStarted, JournalAppended, JournalSynced, JournalTrimmed,
		OperationHalf, FlushStored, SaveBytesDurable, MetaWriting, MetaCommitted, RecoverQueued, ReloadSaved, ReloadWalked,
		CommitFilesBuilt, CommitTreesBuilt, CommitManifest, CommitDurable, CommitHeadKept, CommitInstalled, VolumeClosing,
		FileLinked, HeadWritten, HeadSynced, ChainTornKept, StoreReopened,
		FileReplacing, FileReplaced, HomeKeysMade, HomeStoresMade, DaemonListening, MountOpened, MountAttached,
		UmountCommitted, UmountDetached, DaemonEnding,
	}
}
