package fsnode

import (
	"context"
	"fmt"
	"path"
	"reflect"

	"pifs/fsnode/mst"
)

// Change is a difference between two heads.
type Change struct {
	Kind string // added, removed, changed
	Path string // from the volume's root, without a leading slash
	What string // of a change: content, attributes, type
}

// Diff calls fn for every path that differs between two heads, in the order of
// paths. Equal subtrees are skipped by their roots.
func (v *Volume) Diff(ctx context.Context, a, b HeadInfo, fn func(Change) error) error {
	return v.diffDirs(ctx, "", get(a.tree.Root.Dir), get(b.tree.Root.Dir), fn)
}

func (v *Volume) diffDirs(ctx context.Context, dir string, a, b mst.Root, fn func(Change) error) error {
	return mst.Diff(ctx, treeBlocks{v}, a, b, func(key, va, vb []byte) error {
		return v.diffEntry(ctx, path.Join(dir, string(key)), va, vb, fn)
	})
}

func (v *Volume) diffEntry(ctx context.Context, name string, va, vb []byte, fn func(Change) error) error {
	var ea, eb entry
	var err error
	if va != nil {
		if ea, err = decodeEntry(va); err != nil {
			return err
		}
	}
	if vb != nil {
		if eb, err = decodeEntry(vb); err != nil {
			return err
		}
	}
	switch {
	case va == nil:
		err = fn(Change{Kind: "added", Path: name})
	case vb == nil:
		err = fn(Change{Kind: "removed", Path: name})
	default:
		if what := differs(ea, eb); what != "" {
			err = fn(Change{Kind: "changed", Path: name, What: what})
		}
	}
	if err != nil || !ea.isDir() && !eb.isDir() {
		return err
	}
	if err := v.diffDirs(ctx, name, get(ea.Dir), get(eb.Dir), fn); err != nil {
		return fmt.Errorf("compare %s: %w", name, err)
	}
	return nil
}

// differs says what of two entries is not the same; a directory's content is
// not compared, its entries are.
func differs(a, b entry) string {
	switch {
	case a.Mode&modeType != b.Mode&modeType:
		return "type"
	case !a.isDir() && (get(a.File) != get(b.File) || a.Size != b.Size || a.Target != b.Target || string(a.Inline) != string(b.Inline)):
		return "content"
	}
	a.Dir, b.Dir = nil, nil
	if !reflect.DeepEqual(a, b) {
		return "attributes"
	}
	return ""
}
