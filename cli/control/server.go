package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"sync"
	"time"
)

const maxArgs = 1 << 20 // bytes of a call's arguments

// Server answers calls on a unix socket.
type Server struct {
	path    string
	handler Handler
	explain func(error) *Error
	http    *http.Server
	lis     net.Listener
}

// Listen serves h on the socket path, replacing a dead one. The caller holds
// the lock of the home, so nobody else listens there. explain turns the
// errors of h into what crosses the wire.
func Listen(path string, h Handler, explain func(error) *Error) (*Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old control socket: %w", err)
	}
	lis, err := listenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("listen on control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		lis.Close()
		return nil, fmt.Errorf("protect control socket: %w", err)
	}
	s := &Server{path: path, handler: h, explain: explain, lis: &ownerOnly{lis}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/{name}", s.serve)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // only the owner reaches this socket
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return s, nil
}

// Serve answers until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.lis); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve control socket: %w", err)
	}
	return nil
}

// Close takes no more calls and waits for those that run, or until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if e := os.Remove(s.path); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	var args json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxArgs)).Decode(&args); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	_ = flush.Flush()  // tells the caller that somebody is at work; a broken connection shows later
	var one sync.Mutex // events come from several goroutines
	emit := func(e Event) error {
		one.Lock()
		defer one.Unlock()
		if err := out.Encode(e); err != nil {
			return err
		}
		return flush.Flush()
	}
	result, err := s.handler.Call(r.Context(), r.PathValue("name"), args, emit)
	last := Event{Result: result}
	if err != nil {
		last = Event{Error: s.explain(err)}
		last.Error.NotBegun = errors.Is(err, ErrNotBegun)
	}
	_ = emit(last) // a caller that has gone away needs no answer
}
