package job

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
)

// places returns where Count blocks of the first Size bytes begin, each within
// another run of apart bytes, in random order.
func (s Spec) places(apart int64) ([]int64, error) {
	if slots := s.Size / apart; s.Count > slots {
		return nil, fmt.Errorf("%d places of %d bytes do not fit into %d", s.Count, apart, s.Size)
	}
	r := rand.New(rand.NewPCG(s.Seed, 2))
	places := make([]int64, s.Count)
	for i, slot := range r.Perm(int(s.Size / apart))[:s.Count] {
		within := apart / s.Block // blocks in a slot
		places[i] = int64(slot)*apart + r.Int64N(within)*s.Block
	}
	return places, nil
}

// readRandom reads Count blocks of Block bytes of Path, no two of them in the
// same Apart bytes.
func readRandom(s Spec) (work, error) {
	places, err := s.places(max(s.Apart, s.Block))
	if err != nil {
		return nil, err
	}
	buf := make([]byte, s.Block)
	return func() error {
		f, err := os.Open(s.Path)
		if err != nil {
			return err
		}
		defer f.Close()
		for _, at := range places {
			if _, err := f.ReadAt(buf, at); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// overwrite writes Count blocks of Block bytes over those of Path, with an
// fsync after Every of them.
func overwrite(s Spec) (work, error) {
	places, err := s.places(s.Block)
	if err != nil {
		return nil, err
	}
	data, err := Random.Bytes(s.Block+s.Count, s.Seed)
	return func() error {
		f, err := os.OpenFile(s.Path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		for i, at := range places {
			if _, err = f.WriteAt(data[i:int64(i)+s.Block], at); err != nil {
				break
			}
			if s.Every > 0 && int64(i+1)%s.Every == 0 {
				if err = f.Sync(); err != nil {
					break
				}
			}
		}
		return errors.Join(err, f.Close())
	}, err
}
