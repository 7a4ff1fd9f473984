package fsnode

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

// entry is the value of a directory's Merkle tree under a name: all that
// rsync -aX would carry, and the root below.
type entry struct {
	_struct  bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Mode     uint32
	UID, GID uint32
	Mtime    Time
	Size     uint64 // of a file or symlink; 0 for others
	Rdev     uint32
	Target   string
	Xattrs   []Xattr
	Inline   []byte    // of a file up to InlineMax bytes
	File     *FileRoot // nil: inlined, or not a file
	Dir      *mst.Root // nil: empty, or not a directory
}

// side is the value of a directory's companion tree under a name: what is
// particular to one volume.
type side struct {
	_struct      bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Ino          Ino
	Ctime, Atime Time
	Dir          *mst.Root // the companion tree of a directory; nil: empty, or not one
}

// headTree is what a head says to whoever may read the volume.
type headTree struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Version uint8
	Root    entry
	Side    side
	Count   volumeCount
}

const headTreeV1 = 1

func entryOf(r *record) entry {
	e := entry{Mode: r.Mode, UID: r.UID, GID: r.GID, Mtime: r.Mtime, Rdev: r.Rdev, Target: r.Target}
	if !r.isDir() {
		e.Size = r.Size
	}
	if len(r.Xattrs) > 0 {
		e.Xattrs = r.Xattrs
	}
	if r.Inlined && len(r.Inline) > 0 {
		e.Inline = r.Inline
	}
	return e
}

func sideOf(ino Ino, r *record) side {
	return side{Ino: ino, Ctime: r.Ctime, Atime: r.Atime, Dir: set(get(r.Trees).Side)}
}

func (e *entry) isDir() bool  { return e.Mode&modeType == modeDir }
func (e *entry) isFile() bool { return e.Mode&modeType == modeFile }

// decodeEntry reads an entry and refuses one that no commit would write.
func decodeEntry(b []byte) (entry, error) {
	var e entry
	if err := blockstore.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("decode directory entry: %w", err)
	}
	if len(e.Inline) > InlineMax || e.Size > maxFile || len(e.Target) > maxTarget || e.Mtime.Nsec >= 1e9 ||
		e.File != nil && *e.File == (FileRoot{}) || e.Dir != nil && *e.Dir == (mst.Root{}) ||
		len(e.Inline) > 0 && uint64(len(e.Inline)) != e.Size || e.isFile() && e.Size <= InlineMax && uint64(len(e.Inline)) != e.Size {
		return e, fmt.Errorf("decode directory entry: out of bounds: %w", blockstore.ErrFormat)
	}
	return e, nil
}

func decodeSide(b []byte) (side, error) {
	var s side
	if err := blockstore.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("decode companion entry: %w", err)
	}
	if s.Ino == 0 || s.Ino >= VirtualIno || s.Dir != nil && *s.Dir == (mst.Root{}) {
		return s, fmt.Errorf("decode companion entry: inode %d: %w", s.Ino, blockstore.ErrFormat)
	}
	return s, nil
}

// treeBlocks is the volume's blocks as its Merkle trees use them.
type treeBlocks struct{ v *Volume }

var _ mst.Blocks = treeBlocks{}

func (b treeBlocks) Put(ctx context.Context, plain []byte) (blockstore.Ref, error) {
	return b.v.o.Blocks.PutNode(ctx, b.v.sealer, plain)
}

func (b treeBlocks) Get(ctx context.Context, ref blockstore.Ref) ([]byte, error) {
	return b.v.o.Blocks.Get(ctx, b.v.sealer, ref)
}

// readCipher seals what only readers of the volume may see of a head.
func (v *Volume) readCipher() (cipher.AEAD, error) {
	blk, err := aes.NewCipher(v.o.Keys.Read[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(blk)
}

func (v *Volume) sealHead(purpose string, x any) ([]byte, error) {
	aead, err := v.readCipher()
	if err != nil {
		return nil, err
	}
	plain, err := blockstore.Marshal(x)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, append([]byte(purpose), v.o.Keys.ID[:]...)), nil
}

func (v *Volume) openHead(purpose string, sealed []byte, x any) error {
	aead, err := v.readCipher()
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, nil, sealed, append([]byte(purpose), v.o.Keys.ID[:]...))
	if err != nil {
		return fmt.Errorf("open %s of head: %w", purpose, blockstore.ErrCorrupt)
	}
	return blockstore.Unmarshal(plain, x)
}
