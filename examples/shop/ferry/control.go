package ferry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"
)

// health is what GET /healthz answers, on the control socket and in public.
type health struct {
	Status    string `json:"status"` // "ok", else why the service is not ready
	Version   string `json:"version"`
	Digest    string `json:"digest"` // SHA-256 of the running executable, lower-case hex
	PID       int    `json:"pid"`
	Accepting bool   `json:"accepting"`
	Active    int    `json:"active"` // open public connections
}

func (s *Service) serveHealth(w http.ResponseWriter, _ *http.Request) {
	accepting, _ := s.gate.state()
	answer := health{"ok", s.Version, s.digest, os.Getpid(), accepting, s.active()}
	code := http.StatusOK
	if s.Ready != nil {
		if err := s.Ready(); err != nil {
			answer.Status, code = err.Error(), http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(answer)
}

// listenControl makes the unix socket at path, for the owner alone. It is renamed into place, so that whoever finds it
// can connect.
func listenControl(path string) (net.Listener, error) {
	made := path + "~"
	if err := os.Remove(made); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // at the end the path may belong to a successor already
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		l.Close()
	}
	return l, err
}

// serveControl serves the control endpoint on the unix socket at path.
func (s *Service) serveControl(path string, failed chan<- error) (*http.Server, error) {
	l, err := listenControl(path)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+s.Health, s.serveHealth)
	mux.HandleFunc("POST /accept", act(s.accept, http.StatusOK))
	mux.HandleFunc("POST /drain", act(s.drain, http.StatusAccepted))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { failed <- server.Serve(l) }()
	return server, nil
}

func act(do func() error, code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := do(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(code)
	}
}

// public is the service's handler with health beside it, each response marked while the service drains.
func (s *Service) public() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		marked := &marker{ResponseWriter: w, service: s}
		if r.URL.Path == s.Health && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			s.serveHealth(marked, r)
		} else {
			s.Handler.ServeHTTP(marked, r)
		}
		marked.mark() // a handler that wrote nothing
	})
}

// marker adds "Connection: close" when the header is written, not when the request arrives, so that a response to a
// slow request that came before the drain is marked too.
type marker struct {
	http.ResponseWriter

	service *Service
	wrote   bool
}

func (m *marker) mark() {
	if !m.wrote && m.service.isDraining() {
		m.Header().Set("Connection", "close")
	}
}

func (m *marker) WriteHeader(code int) {
	m.mark()
	m.wrote = m.wrote || code >= http.StatusOK || code == http.StatusSwitchingProtocols
	m.ResponseWriter.WriteHeader(code)
}

func (m *marker) Write(data []byte) (int, error) {
	if !m.wrote {
		m.WriteHeader(http.StatusOK)
	}
	return m.ResponseWriter.Write(data)
}

func (m *marker) Flush() {
	if !m.wrote {
		m.WriteHeader(http.StatusOK)
	}
	http.NewResponseController(m.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (m *marker) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// ownDigest hashes the file that this process runs, even if its path names another file by now.
func ownDigest() (string, error) {
	file, err := os.Open("/proc/self/exe")
	if errors.Is(err, fs.ErrNotExist) {
		var path string
		if path, err = os.Executable(); err == nil {
			file, err = os.Open(path)
		}
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
