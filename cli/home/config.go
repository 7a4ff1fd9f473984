package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"pifs/blockstore"
)

const (
	configVersion = 1
	maxConfig     = 1 << 20 // bytes of config.json that we are ready to parse
	maxStores     = 256

	defaultStores = 5
	defaultCache  = 4 << 30 // bytes of the block cache on disk
)

// StoreConfig names one shard store.
type StoreConfig struct {
	Path string `json:"path"`         // absolute
	ID   string `json:"id,omitempty"` // identity found there when it was first opened
}

// Config is what a home was created with.
type Config struct {
	Version   int           `json:"version"`
	Created   time.Time     `json:"created"`
	Ladder    string        `json:"ladder"` // phi or lean
	Stores    []StoreConfig `json:"stores"`
	CacheSize int64         `json:"cacheSize"`     // bytes of the block cache on disk
	Sum       string        `json:"sum,omitempty"` // of the rest; whoever edits it by hand removes it
}

// Settings are the parts of the configuration that flags can give. A zero
// field was not given.
type Settings struct {
	Stores    []string // absolute paths
	Ladder    string
	CacheSize int64 // bytes
}

func (h *Home) loadConfig() error {
	path := h.Path("config.json")
	_, err := readEither(path, readConfig, func(raw []byte) error {
		h.Config = Config{}
		if err := decode(raw, &h.Config, configVersion); err != nil {
			return fmt.Errorf("parse %s: %w: %w", path, ErrDamaged, err)
		}
		if err := checkSum(&h.Config, &h.Config.Sum); err != nil {
			return fmt.Errorf("parse %s: %w", path, err)
		}
		return h.Config.check(path)
	})
	return err
}

func readConfig(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if fi.Size() > maxConfig {
		return nil, fmt.Errorf("read configuration: %d bytes are too many: %w", fi.Size(), ErrDamaged)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return raw, nil
}

func (c *Config) check(path string) error {
	switch {
	case c.Version != configVersion:
		return fmt.Errorf("parse %s: format version %d is not known to this program: %w", path, c.Version, ErrMismatch)
	case len(c.Stores) == 0 || len(c.Stores) > maxStores:
		return fmt.Errorf("parse %s: %d stores: %w", path, len(c.Stores), ErrDamaged)
	case c.CacheSize <= 0:
		return fmt.Errorf("parse %s: cache size %d: %w", path, c.CacheSize, ErrDamaged)
	}
	for _, s := range c.Stores {
		if !filepath.IsAbs(s.Path) {
			return fmt.Errorf("parse %s: store path %q is not absolute: %w", path, s.Path, ErrDamaged)
		}
	}
	return nil
}

func (h *Home) createConfig(s Settings) error {
	c := Config{
		Version: configVersion, Created: time.Now().UTC().Truncate(time.Second),
		Ladder: s.Ladder, CacheSize: s.CacheSize,
	}
	if c.Ladder == "" {
		c.Ladder = "phi"
	}
	if c.CacheSize == 0 {
		c.CacheSize = defaultCache
	}
	paths := s.Stores
	for i := 0; len(s.Stores) == 0 && i < defaultStores; i++ {
		paths = append(paths, h.Path("stores", strconv.Itoa(i)))
	}
	for _, p := range paths {
		if err := newStore(p); err != nil {
			return err
		}
		c.Stores = append(c.Stores, StoreConfig{Path: p})
	}
	if err := checkDistinct(paths); err != nil {
		return err
	}
	h.Config = c
	return h.SaveConfig()
}

// newStore makes the folder of a store. It must be new or empty: the shards
// of another home are not ours to mix with.
func newStore(path string) error {
	if err := blockstore.MakeDir(path); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	ents, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	ents = slices.DeleteFunc(ents, func(e fs.DirEntry) bool { return e.Name() == "lost+found" })
	if len(ents) > 0 {
		return fmt.Errorf("create store: %s is not empty: %w", path, ErrMismatch)
	}
	return nil
}

// checkDistinct refuses one folder given twice: two shards of a stripe on it
// would be lost together.
func checkDistinct(paths []string) error {
	var seen []os.FileInfo
	for _, p := range paths {
		fi, err := os.Stat(p)
		if err != nil {
			return fmt.Errorf("create store: %w", err)
		}
		if slices.ContainsFunc(seen, func(o os.FileInfo) bool { return os.SameFile(o, fi) }) {
			return fmt.Errorf("create store: %s is given twice: %w", p, ErrMismatch)
		}
		seen = append(seen, fi)
	}
	return nil
}

// SaveConfig writes the configuration, durable on return.
func (h *Home) SaveConfig() error {
	raw, err := summed(&h.Config, &h.Config.Sum, "  ")
	if err != nil {
		return fmt.Errorf("encode configuration: %w", err)
	}
	return writeBoth(h.Path("config.json"), append(raw, '\n'))
}

// Adapt compares what flags ask for with the home: the stores and the ladder
// are fixed at creation (ErrMismatch), the cache size may change.
func (h *Home) Adapt(s Settings) error {
	if s.Ladder != "" && s.Ladder != h.Config.Ladder {
		return fmt.Errorf("--class %s: this home was created with --class %s: %w", s.Ladder, h.Config.Ladder, ErrMismatch)
	}
	if len(s.Stores) > 0 {
		var have []string
		for _, st := range h.Config.Stores {
			have = append(have, st.Path)
		}
		if !slices.Equal(have, s.Stores) {
			return fmt.Errorf("--store %q: this home was created with the stores %q: %w", s.Stores, have, ErrMismatch)
		}
	}
	if s.CacheSize == 0 || s.CacheSize == h.Config.CacheSize {
		return nil
	}
	h.Config.CacheSize = s.CacheSize
	return h.SaveConfig()
}

// exists reports whether path is there; any other failure than absence counts
// as being there, so that nothing is overwritten by mistake.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
