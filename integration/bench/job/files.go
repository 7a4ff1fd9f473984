package job

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// create makes Count files of Size bytes in the folder Path, each with bytes
// of its own, and syncs each if Every is not 0.
func create(s Spec) (work, error) {
	data, err := Random.Bytes(s.Size+s.Count, s.Seed)
	return func() error {
		for i := range s.Count {
			path := filepath.Join(s.Path, strconv.FormatInt(s.First+i, 10))
			if err := writeFile(path, data[i:i+s.Size], s.Every != 0); err != nil {
				return err
			}
		}
		return nil
	}, err
}

// perFolder is how many files of a volume that fill made share a folder.
const perFolder = 1000

// filled returns the path of the i-th file that fill makes below dir.
func filled(dir string, i int64) string {
	return filepath.Join(dir, fmt.Sprintf("folder-%d", i/perFolder), fmt.Sprintf("file-%d", i))
}

// filler is what the i-th file of fill holds.
func filler(i int64, seed uint64) []byte {
	return fmt.Appendf(nil, "file %d of the volume, written in round %d\n", i, seed)
}

// fill makes the files number First to First+Count-1, in folders below Path.
func fill(s Spec) (work, error) {
	return func() error {
		for i := s.First; i < s.First+s.Count; i++ {
			path := filled(s.Path, i)
			if i == s.First || i%perFolder == 0 {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
			}
			if err := os.WriteFile(path, filler(i, s.Seed), 0o644); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// touch writes Count of the Size files that fill made, evenly spread.
func touch(s Spec) (work, error) {
	return func() error {
		for i := range s.Count {
			at := i * s.Size / s.Count
			if err := os.WriteFile(filled(s.Path, at), filler(at, s.Seed), 0o644); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// statSome asks for Count of the Size files that create made in Path.
func statSome(s Spec) (work, error) {
	r := rand.New(rand.NewPCG(s.Seed, 3))
	paths := make([]string, s.Count)
	for i := range paths {
		paths[i] = filepath.Join(s.Path, strconv.FormatInt(r.Int64N(s.Size), 10))
	}
	return statAll(paths), nil
}
