package mount

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	_ "unsafe" // for linkname
)

// requestPool is where the library takes the buffers from that requests are
// read into. Its version is pinned; makePresent refuses one that looks different.
//
//go:linkname requestPool bazil.org/fuse.reqPool
var requestPool sync.Pool

// makePresent has each buffer that requests are read into written to once when
// it is made. The kernel copies a request into such pages even for a thread that was
// killed meanwhile; for a page that was never touched it does not, loses the
// request, and the caller gets EIO although another server goes on. It must be
// called before anything reads requests, and works once for the process.
var makePresent = sync.OnceValue(func() error {
	if requestPool.New == nil {
		return errors.New("find the buffers of requests: the library keeps them elsewhere")
	}
	made := requestPool.New
	if _, err := bufferOf(made()); err != nil {
		return err
	}
	requestPool.New = func() any {
		m := made()
		if b, err := bufferOf(m); err == nil {
			touch(b)
		}
		return m
	}
	return nil
})

// bufferOf returns the bytes of one of the library's messages.
func bufferOf(message any) ([]byte, error) {
	v := reflect.ValueOf(message)
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if f := v.Elem().FieldByName("buf"); f.IsValid() && f.Type() == reflect.TypeFor[[]byte]() && f.Len() > 0 {
			return f.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("find the buffer of a request: the library's %T has it elsewhere", message)
}

// touch writes to each page of b, which stays as it is.
func touch(b []byte) {
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 0
	}
	b[len(b)-1] = 0
}
