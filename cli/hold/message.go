package hold

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Item is what is kept for the next daemon.
type Item struct {
	Name  string
	Note  json.RawMessage // opaque to the holder
	Files []*os.File
}

// The verbs of messages.
const (
	verbKeep    = "keep"    // either way: an item; it replaces the one of its name
	verbDrop    = "drop"    // forget an item
	verbGo      = "go"      // to the daemon: these were all items
	verbServing = "serving" // everything that was kept is in use again
	verbEnd     = "end"     // the daemon ends regularly: do not start another
	verbNext    = "next"    // the program to start when this daemon is gone
)

type message struct {
	Verb string
	Name string          `json:",omitempty"`
	Note json.RawMessage `json:",omitempty"`
	Path string          `json:",omitempty"`

	Holder    int `json:",omitempty"` // with go: its process
	Takeovers int `json:",omitempty"` // and how many daemons went on for another, this one included
}

const (
	maxMessage = 64 << 10
	maxFiles   = 4 // of an item
)

// send sends a message with descriptors; the caller keeps its own.
func send(c *net.UnixConn, m message, files []*os.File) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(b) > maxMessage || len(files) > maxFiles {
		return fmt.Errorf("send %s %s: it is too large", m.Verb, m.Name)
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := c.WriteMsgUnix(b, oob, nil); err != nil {
		return fmt.Errorf("send %s %s: %w", m.Verb, m.Name, err)
	}
	return nil
}

// receive returns the next message; io.EOF when the other side is gone.
func receive(c *net.UnixConn) (m message, files []*os.File, err error) {
	b, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*maxFiles))
	n, noob, _, _, err := c.ReadMsgUnix(b, oob)
	if errors.Is(err, unix.ECONNRESET) || err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return m, nil, err
	}
	if files, err = filesIn(oob[:noob]); err != nil {
		return m, nil, err
	}
	if err := json.Unmarshal(b[:n], &m); err != nil {
		closeAll(files)
		return m, nil, fmt.Errorf("decode message: %w", err)
	}
	return m, files, nil
}

func filesIn(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	parts, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("receive descriptors: %w", err)
	}
	var files []*os.File
	for i := range parts {
		fds, err := unix.ParseUnixRights(&parts[i])
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("receive descriptors: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "kept"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
