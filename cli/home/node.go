package home

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"pifs/blockstore"
)

const nodeVersion = 1

// NodeConfig is what `pifs node init` settled: what a node of this home offers,
// and where.
type NodeConfig struct {
	Version      int      `json:"version"`
	Operator     string   `json:"operator"`
	Jurisdiction string   `json:"jurisdiction"` // ISO 3166-1 alpha-2
	Region       string   `json:"region"`
	Capacity     int64    `json:"capacity"` // bytes
	Listen       []string `json:"listen"`   // multiaddrs
	Stores       []string `json:"stores"`   // absolute paths of the folders for shards
	Sum          string   `json:"sum,omitempty"`
}

// NodeDir returns the folder of the node: its identity, configuration and,
// unless others were named, shards.
func (h *Home) NodeDir() string { return h.Path("node") }

// SwarmDir returns the folder of what the home knows of its swarm.
func (h *Home) SwarmDir() string { return h.Path("swarm") }

func (h *Home) nodePath() string { return filepath.Join(h.NodeDir(), "node.json") }

// Node returns the node's configuration; nil if the home has none.
func (h *Home) Node() (*NodeConfig, error) {
	var c NodeConfig
	path := h.nodePath()
	_, err := readEither(path, readConfig, func(raw []byte) error {
		c = NodeConfig{}
		if err := decode(raw, &c, nodeVersion); err != nil {
			return fmt.Errorf("parse %s: %w: %w", path, ErrDamaged, err)
		}
		if err := checkSum(&c, &c.Sum); err != nil {
			return fmt.Errorf("parse %s: %w", path, err)
		}
		if c.Version != nodeVersion {
			return fmt.Errorf("parse %s: format version %d is not known to this program: %w", path, c.Version, ErrMismatch)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// CreateNode makes the folders of a node, which must be empty or missing, and
// its configuration, durable on return: ErrMismatch if there is one already.
func (h *Home) CreateNode(c NodeConfig) error {
	if old, err := h.Node(); err != nil || old != nil {
		if err == nil {
			err = fmt.Errorf("create node: %s has one already: %w", h.Dir, ErrMismatch)
		}
		return err
	}
	if err := blockstore.MakeDir(h.NodeDir()); err != nil {
		return fmt.Errorf("create node: %w", err)
	}
	if len(c.Stores) == 0 {
		c.Stores = []string{filepath.Join(h.NodeDir(), "stores", "0")}
	}
	for _, dir := range c.Stores {
		if err := newStore(dir); err != nil {
			return err
		}
	}
	if err := checkDistinct(c.Stores); err != nil {
		return err
	}
	c.Version = nodeVersion
	raw, err := summed(&c, &c.Sum, "  ")
	if err != nil {
		return fmt.Errorf("encode node: %w", err)
	}
	return writeBoth(h.nodePath(), append(raw, '\n'))
}
