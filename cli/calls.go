package cli

import "time"

// The names of the engine's calls. Arguments and results are below; they are
// what --json prints.
const (
	callMount        = "mount"
	callUmount       = "umount"
	callUpgrade      = "upgrade"
	callSync         = "sync"
	callStatus       = "status"
	callAudit        = "audit"
	callCheck        = "check"
	callLog          = "log"
	callSnapshot     = "snapshot"
	callUnsnapshot   = "snapshot-delete"
	callPrune        = "prune"
	callDiff         = "diff"
	callRestore      = "restore"
	callClone        = "clone"
	callInfo         = "info"
	callCacheDrop    = "cache-drop"
	callVolumeCreate = "volume-create"
	callVolumeList   = "volume-list"
	callVolumeRemove = "volume-remove"
	callSwarmLeave   = "swarm-leave"
	callSwarmMove    = "swarm-move"
)

type none struct{}

type mountArgs struct {
	Dir        string
	Volume     string
	Scope      string // "" : swarm for a new volume, any for one that exists
	ReadOnly   bool
	AllowOther bool
	FsyncSwarm bool
	MayCreate  bool // the volume's name was not given: create the default one
	Deadline   time.Duration
}

type mountResult struct {
	Dir     string `json:"dir"`
	Volume  string `json:"volume"`
	Created bool   `json:"created"`          // the volume is new
	Notice  string `json:"notice,omitempty"` // what opening it did that people should know
	Held    bool   `json:"held"`             // it outlives its daemon
}

type upgradeArgs struct {
	Exe string // the program that goes on
}

type upgradeResult struct {
	Daemon int `json:"daemon"` // that goes: its pid
}

type umountArgs struct {
	Dir  string
	Lazy bool
}

type umountResult struct {
	Head        *headLine `json:"head,omitempty"`        // committed by it; nil when lazy
	Uncommitted string    `json:"uncommitted,omitempty"` // why there is no head of it
	Undelivered string    `json:"undelivered,omitempty"` // what the stores did not take
	Left        int       `json:"left"`                  // mounts that the daemon still serves
	Daemon      int       `json:"daemon"`                // its pid
	Stays       bool      `json:"stays"`                 // whatever is left: it serves a node
}

type volumeArgs struct{ Volume string }

type volumeRemoveResult struct {
	Bytes int64  `json:"bytes"`          // freed
	Kept  string `json:"kept,omitempty"` // why nothing could be freed yet
}

type syncArgs struct{ Volume string } // "": every open volume

type syncResult struct {
	Heads []headLine `json:"heads"`
}

// headLine is one head of a volume.
type headLine struct {
	Volume string    `json:"volume"`
	Seq    uint64    `json:"seq"`
	Root   string    `json:"root"`
	Time   time.Time `json:"time"`
	Name   string    `json:"name,omitempty"` // of a snapshot

	Forgotten bool `json:"forgotten,omitempty"` // its blocks may be gone
}

type snapshotArgs struct{ Volume, Name string }

type pruneArgs struct {
	Volume string // "": all
	Forget bool   // heads are forgotten: all that are not among the Keep newest nor younger than Within
	Keep   int
	Within time.Duration
	DryRun bool
}

type pruneResult struct {
	DryRun  bool           `json:"dryRun"`
	Volumes []prunedVolume `json:"volumes"`
	Blocks  int64          `json:"blocks"` // freed
	Bytes   int64          `json:"bytes"`  // of their shards
}

type prunedVolume struct {
	Volume    string   `json:"volume"`
	Forgotten []uint64 `json:"forgotten"` // seqs of heads
}

type diffArgs struct{ Volume, A, B string }

// diffLine is one difference between two heads.
type diffLine struct {
	Kind string `json:"kind"` // added, removed, changed
	Path string `json:"path"`
	What string `json:"what,omitempty"`
}

type restoreArgs struct{ Volume, Head, Path, To string }

type restoreResult struct {
	Restored int `json:"restored"` // files and directories
}

type cloneArgs struct{ Volume, Src, Dst string }

type cloneResult struct {
	Path   string `json:"path"`   // of the clone, inside the volume
	Cloned int64  `json:"cloned"` // files, directories and others
}

type infoArgs struct{ Volume, Path string }

type checkArgs struct {
	Volume string // "": all
	Repair bool
}

// checkLine is one damaged thing.
type checkLine struct {
	Volume  string `json:"volume"`
	Path    string `json:"path,omitempty"`
	What    string `json:"what"`
	Address string `json:"address,omitempty"`
	Fixed   bool   `json:"fixed"`
	Lost    bool   `json:"lost"`
}

// checkResult sums a check up. It is kept as the volume's last check.
type checkResult struct {
	Volume  string    `json:"volume"`
	Time    time.Time `json:"time"`
	Heads   int64     `json:"heads"`
	Files   int64     `json:"files"`
	Dirs    int64     `json:"dirs"`
	Blocks  int64     `json:"blocks"`
	Shards  int64     `json:"shards"`
	Damaged int64     `json:"damaged"`
	Fixed   int64     `json:"fixed"`
	Lost    int64     `json:"lost"`
}

type checkResults struct {
	Volumes []checkResult `json:"volumes"`
}

type dropResult struct {
	Bytes int64 `json:"bytes"`
}

type volumeCreateArgs struct{ Name, Scope string }

// volumeLine is one volume of the home.
type volumeLine struct {
	Name    string    `json:"name"`
	Scope   string    `json:"scope"`
	Created time.Time `json:"created"`
	Mount   string    `json:"mount,omitempty"`
}

type volumeListResult struct {
	Volumes []volumeLine `json:"volumes"`
}

// statusResult is what `pifs status --json` prints. Sizes are in bytes.
type statusResult struct {
	Home    string         `json:"home"`
	Daemon  int            `json:"daemon"`           // pid, 0 when none runs
	Version string         `json:"version"`          // of the program that answers
	Holder  *holderLine    `json:"holder,omitempty"` // nil: mounts end with the daemon
	Class   string         `json:"class"`
	Ladder  string         `json:"ladder"`
	MayDie  int            `json:"mayDie"` // stores that can still be lost
	Stores  []storeLine    `json:"stores"`
	Swarm   *swarmLine     `json:"swarm,omitempty"` // nil: the home is in none
	Volumes []volumeStatus `json:"volumes"`

	Logical    uint64 `json:"logical"`    // sum of all file sizes
	Unique     int64  `json:"unique"`     // plaintext of the distinct blocks
	Compressed int64  `json:"compressed"` // the blocks
	Stored     int64  `json:"stored"`     // the shards
	Disk       int64  `json:"disk"`       // the pack files
	Blocks     int64  `json:"blocks"`
	Shards     int64  `json:"shards"`

	DedupRatio       float64 `json:"dedupRatio"`       // logical / unique
	CompressionRatio float64 `json:"compressionRatio"` // unique / compressed
	Overhead         float64 `json:"overhead"`         // stored / compressed

	Cache  cacheLine `json:"cache"`
	Dirty  int64     `json:"dirty"`          // written, and not in blocks yet
	Outbox int64     `json:"outbox"`         // blocks that too few stores have
	Owed   int64     `json:"owed"`           // blocks that are safe, but lack shards
	Move   *moveLine `json:"move,omitempty"` // nil: the home is in no swarm

	Process  processLine  `json:"process"`
	Activity activityLine `json:"activity"`
}

// activityLine is what the process that answers has done since it opened the
// home, or the volume. The figures do not depend on how fast it was.
type activityLine struct {
	Requests     map[string]uint64 `json:"requests,omitempty"` // of the kernel, by kind
	Transactions uint64            `json:"transactions"`       // of SQLite, that changed something
	Queries      uint64            `json:"queries,omitempty"`  // of a volume's database, for what memory did not have
	ShardReads   uint64            `json:"shardReads,omitempty"`
}

// holderLine is the parent of a daemon whose mounts outlive it.
type holderLine struct {
	PID       int  `json:"pid"`
	Takeovers int  `json:"takeovers"`      // how often a daemon went on for another
	Gone      bool `json:"gone,omitempty"` // so that mounts end with the daemon after all
}

// processLine is what the process that answers uses itself.
type processLine struct {
	Heap       uint64 `json:"heap"` // bytes of live and dead objects
	Goroutines uint64 `json:"goroutines"`
}

type storeLine struct {
	Path   string `json:"path"`
	ID     string `json:"id"`
	State  string `json:"state"` // ok, or why it does not answer
	Shards int64  `json:"shards"`
	Bytes  int64  `json:"bytes"`
}

type cacheLine struct {
	Memory      int64 `json:"memory"`
	MemoryLimit int64 `json:"memoryLimit"`
	Disk        int64 `json:"disk"`
	DiskLimit   int64 `json:"diskLimit"`
	Hits        int64 `json:"hits"`
	DiskHits    int64 `json:"diskHits"`
	Misses      int64 `json:"misses"`
	Degraded    int64 `json:"degraded"` // reads that needed a decode
}

type volumeStatus struct {
	Name      string       `json:"name"`
	Scope     string       `json:"scope"`
	Mount     string       `json:"mount,omitempty"`
	ReadOnly  bool         `json:"readOnly,omitempty"`
	Head      *headLine    `json:"head,omitempty"`
	Logical   uint64       `json:"logical"`
	Inodes    uint64       `json:"inodes"`
	Dirty     int64        `json:"dirty"`
	Open      int          `json:"open"`             // handles of files and folders
	Known     int          `json:"known"`            // inodes that the kernel remembers
	Waiting   int          `json:"waiting"`          // requests of the kernel that are not answered yet
	Oldest    *requestLine `json:"oldest,omitempty"` // of them
	Activity  activityLine `json:"activity"`         // of this volume alone
	LastCheck *checkResult `json:"lastCheck,omitempty"`
	Error     string       `json:"error,omitempty"` // why it cannot be opened
}

// requestLine is a request of the kernel.
type requestLine struct {
	Op      string  `json:"op"`
	Inode   uint64  `json:"inode"`
	Path    string  `json:"path,omitempty"` // inside the volume, where it is known
	PID     uint32  `json:"pid"`            // of the thread that asked; 0: the kernel itself
	Seconds float64 `json:"seconds"`        // since it asked
}

// infoResult is what `pifs info --json` prints.
type infoResult struct {
	Path    string      `json:"path"`
	Root    string      `json:"root"`
	Size    uint64      `json:"size"`
	Inline  bool        `json:"inline"` // kept in its folder's tree node
	MayLose int         `json:"mayLose"`
	Chunks  []chunkLine `json:"chunks"`
}

type chunkLine struct {
	Offset  int64       `json:"offset"`
	Length  int64       `json:"length"`
	Address string      `json:"address"`
	Class   string      `json:"class"`
	Shards  []shardLine `json:"shards"`
}

type shardLine struct {
	ID    string `json:"id"`
	Store string `json:"store"`
	State string `json:"state"`
}
