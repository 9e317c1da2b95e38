// Package ferry lets an HTTP/1.1 service change its version without losing a request.
//
// It is meant to be copied into a service; it needs the standard library alone. A main function becomes
//
//	service := &ferry.Service{Handler: router, Version: version, Address: "127.0.0.1:8080"}
//	if err := service.Run(context.Background()); err != nil {
//		log.Fatal(err)
//	}
//
// # The contract
//
// The environment says how the service was started:
//
//	LISTEN_FDS=1, LISTEN_PID  descriptor 3 is the listening socket; the old and the new version share it
//	GOFERRY_CONTROL=PATH      serve the control endpoint on this unix socket, and accept only when told to
//	GOFERRY_DRAIN=4s          the drain window
//
// Without them the service listens on its own Address and accepts at once. The control endpoint is there before the
// first connection is accepted:
//
//	GET  /healthz  200 (503 while not ready) {"status","version","digest","pid","accepting","active"}
//	POST /accept   200: connections are accepted; again after a drain too
//	POST /drain    202: the service drains and stays warm
//
// The public address answers GET /healthz with the same. SIGTERM drains, then the process ends.
//
// # Draining without loss
//
//  1. No further connection is accepted. Those in the kernel's queue belong to the other process.
//  2. Each response from now on says "Connection: close", so a client that is about to send again opens a new
//     connection. Closing at once, as http.Server.Shutdown does, meets requests that are already on their way.
//  3. A connection on which nothing was sent for a whole drain window is closed.
//  4. Only when no connection is left, or the limit is over, does a service that was told to end shut down.
package ferry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	defaultDrain = 4 * time.Second
	defaultLimit = 30 * time.Second
)

// Service is an HTTP service that hands over to its successor. Set the fields, then call Run once.
type Service struct {
	Handler http.Handler  // what the public address serves
	Version string        // the linked version, reported by health
	Address string        // own address, used when no socket was handed over
	Health  string        // path of health; "" means /healthz
	Ready   func() error  // nil error when the service can do its work; nil func: always
	Drain   time.Duration // drain window; 0 means GOFERRY_DRAIN, else 4 s
	Limit   time.Duration // most time from SIGTERM to the end; 0 means 30 s

	gate   *gate
	digest string

	mu       sync.Mutex
	conns    map[net.Conn]*client
	draining time.Time          // when the drain began; zero while accepting
	stop     context.CancelFunc // ends the sweep of a drain
	ending   bool               // there is no way back
}

// client is what is known of one open public connection.
type client struct {
	idle  time.Time // since when nothing is being served on it; zero while a request is
	swept bool      // it is being closed for want of requests
}

// Run serves until ctx ends or SIGTERM or an interrupt arrives, drains, and returns nil when nothing was cut off.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	listener, err := s.listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return s.serve(ctx, listener, os.Getenv("GOFERRY_CONTROL"), cancel)
}

func (s *Service) serve(ctx context.Context, l listener, control string, received func()) error {
	if err := s.prepare(l); err != nil {
		return err
	}
	failed := make(chan error, 2)
	if control == "" {
		if err := s.accept(); err != nil {
			return err
		}
	} else {
		server, err := s.serveControl(control, failed)
		if err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		defer server.Close()
	}
	server := &http.Server{Handler: s.public(), ConnState: s.track, ReadHeaderTimeout: 10 * time.Second}
	go func() { failed <- server.Serve(s.gate) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		received() // a second signal ends the process at once
		return s.finish(server)
	}
}

// prepare fills in the defaults.
func (s *Service) prepare(l listener) (err error) {
	if s.Health == "" {
		s.Health = "/healthz"
	}
	if s.Limit == 0 {
		s.Limit = defaultLimit
	}
	if s.Drain == 0 {
		if s.Drain, err = drainWindow(os.Getenv("GOFERRY_DRAIN")); err != nil {
			return err
		}
	}
	s.gate, s.conns, s.stop = newGate(l), map[net.Conn]*client{}, func() {}
	if s.digest, err = ownDigest(); err != nil {
		return fmt.Errorf("digest of own executable: %w", err)
	}
	return nil
}

func drainWindow(text string) (time.Duration, error) {
	if text == "" {
		return defaultDrain, nil
	}
	window, err := time.ParseDuration(text)
	if err == nil && (window <= 0 || window > time.Minute) {
		err = fmt.Errorf("%s is not above 0 s and at most 60 s", window)
	}
	if err != nil {
		return 0, fmt.Errorf("GOFERRY_DRAIN: %w", err)
	}
	return window, nil
}

// listen takes the socket that was handed over (sd_listen_fds(3)), else opens Address.
func (s *Service) listen() (listener, error) {
	count, pid := os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID")
	if count == "" || (pid != "" && pid != strconv.Itoa(os.Getpid())) {
		l, err := net.Listen("tcp", s.Address)
		if err != nil {
			return nil, err
		}
		return l.(*net.TCPListener), nil
	}
	for _, name := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		os.Unsetenv(name) // not for the children of this process
	}
	file := os.NewFile(3, "LISTEN_FDS")
	defer file.Close() // FileListener has its own duplicate
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	usable, ok := l.(listener)
	if !ok {
		return nil, fmt.Errorf("descriptor 3 is a %T, not a TCP or unix socket", l)
	}
	return usable, nil
}

// accept begins to accept, or begins again.
func (s *Service) accept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return errors.New("the process is ending")
	}
	s.stop()
	s.draining = time.Time{}
	return s.gate.set(true)
}

// drain begins to drain; a drain that goes on already is left alone.
func (s *Service) drain() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining.IsZero() {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	s.draining, s.stop = time.Now(), stop
	go s.sweep(ctx)
	return s.gate.set(false)
}

// sweep closes connections that were idle for a whole window of the drain, until the drain ends.
func (s *Service) sweep(ctx context.Context) {
	tick := time.NewTicker(max(s.Drain/20, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.closeIdle(ctx, now)
		}
	}
}

// closeIdle ends the wait for the next request by a read deadline in the past. Unlike Close this spares a request
// that was read in the same moment: track takes the deadline away again, and the response will say "close".
func (s *Service) closeIdle(ctx context.Context, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	for conn, c := range s.conns {
		if !c.idle.IsZero() && now.Sub(c.idle) >= s.Drain && now.Sub(s.draining) >= s.Drain {
			c.swept = true
			conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// track is the server's ConnState hook: it knows every open connection and since when it is idle.
func (s *Service) track(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		s.conns[conn] = &client{idle: time.Now()}
	case http.StateActive:
		if c := s.conns[conn]; c != nil && c.swept {
			conn.SetReadDeadline(time.Time{})
		}
		s.conns[conn] = &client{}
	case http.StateHijacked, http.StateClosed:
		delete(s.conns, conn)
	}
}

// finish drains, waits until no connection is left, and shuts the server down.
func (s *Service) finish(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.Limit)
	defer cancel()
	if err := s.drain(); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	s.end()
	defer s.stop()
	s.gate.Close() // from now on a socket that is not shared refuses, instead of letting clients wait
	for !s.quiet() && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	if ctx.Err() != nil {
		open := s.active()
		server.Close()
		return fmt.Errorf("%d connections were cut off after %s", open, s.Limit)
	}
	return server.Shutdown(ctx)
}

func (s *Service) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
}

// quiet tells that no connection is open and none is being accepted.
func (s *Service) quiet() bool {
	_, quiet := s.gate.state() // asked first: a connection accepted before is known to track
	return quiet && s.active() == 0
}

func (s *Service) active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *Service) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.draining.IsZero()
}
