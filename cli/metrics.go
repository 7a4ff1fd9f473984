package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsServer serves the figures of a node for Prometheus, and profiles, on a
// loopback address. The zero value serves nothing.
type metricsServer struct {
	registry *prometheus.Registry
	http     *http.Server
	lis      net.Listener
}

// checkMetrics refuses an address that others could reach: profiles tell what
// the process has in memory.
func checkMetrics(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fail(errUsage, fmt.Sprintf("--metrics %s: write it as 127.0.0.1:9437", addr), err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fail(errUsage, fmt.Sprintf("--metrics %s: only loopback addresses, such as 127.0.0.1:9437, since profiles tell much", addr), nil)
	}
	return nil
}

// listenMetrics begins to serve at addr; the figures are those of the process and
// of the collectors.
func listenMetrics(addr string, all ...prometheus.Collector) (*metricsServer, error) {
	m := &metricsServer{registry: prometheus.NewRegistry()}
	all = append(all, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	var err error
	if m.lis, err = net.Listen("tcp", addr); err != nil {
		return nil, fail(errBusy, fmt.Sprintf("--metrics %s: %s", addr, oneLine(err)), err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	m.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return m, nil
}

// serve answers until close.
func (m *metricsServer) serve() error {
	if err := m.http.Serve(m.lis); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

// close answers nobody any more.
func (m *metricsServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswer)
	defer cancel()
	if err := m.http.Shutdown(ctx); err != nil {
		return m.http.Close() // a profile that is being taken is not waited for
	}
	return nil
}
