package ferry

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// listener is what a gate stands before; *net.TCPListener and *net.UnixListener are such.
type listener interface {
	net.Listener
	SetDeadline(t time.Time) error
}

// gate is a listener that can stop accepting and start again.
//
// It stops by a deadline in the past, which never throws away a connection: Accept fails before it takes one, or it
// returns the one that it took. The descriptor stays open, because duplicating a descriptor again for each start would
// make the shared socket blocking for a moment, in the other process too.
type gate struct {
	listener

	mu     sync.Mutex
	change *sync.Cond
	open   bool // connections are wanted
	parked bool // Accept waits at the shut gate or is over, so nothing is half accepted
	closed bool
}

func newGate(l listener) *gate {
	g := &gate{listener: l}
	g.change = sync.NewCond(&g.mu)
	return g
}

// Accept waits until the gate is open and a connection arrives.
func (g *gate) Accept() (net.Conn, error) {
	for {
		if !g.pass() {
			return nil, net.ErrClosed
		}
		conn, err := g.listener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
			return conn, err
		}
	}
}

// pass waits for the open gate; it is false when the listener is closed.
func (g *gate) pass() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.open && !g.closed {
		g.parked = true
		g.change.Wait()
	}
	g.parked = g.closed
	return !g.closed
}

// set opens the gate, or shuts it: connections that arrive from then on wait in the kernel's queue.
func (g *gate) set(open bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	deadline := time.Time{}
	if !open {
		deadline = time.Unix(1, 0)
	}
	if err := g.SetDeadline(deadline); err != nil {
		return err
	}
	g.open = open
	g.change.Broadcast()
	return nil
}

// state says whether connections are accepted, and whether it is certain that none is being accepted.
func (g *gate) state() (accepting, quiet bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open && !g.closed, g.parked
}

// Close closes this process's descriptor; a shared socket goes on listening in the processes that hold it too.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	g.change.Broadcast()
	return g.listener.Close()
}
