package ferry

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// slot is a service under test, as one of the processes that share a socket.
type slot struct {
	t       *testing.T
	service *Service
	control *http.Client
	stop    context.CancelFunc
	done    chan error
}

// start runs a service on a duplicate of l, as a process that inherits the socket does.
func start(t *testing.T, l *net.TCPListener, service *Service) *slot {
	t.Helper()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	own, err := net.FileListener(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "ferry") // short: a unix socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	path := filepath.Join(folder, "control")
	ctx, cancel := context.WithCancel(context.Background())
	s := &slot{t: t, service: service, stop: cancel, done: make(chan error, 1), control: &http.Client{
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}},
	}}
	go func() { s.done <- service.serve(ctx, own.(listener), path, func() {}) }()
	t.Cleanup(func() { cancel(); s.control.CloseIdleConnections() })
	for range 5000 {
		if _, err := os.Stat(path); err == nil {
			return s
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("no control socket")
	return nil
}

func (s *slot) post(path string) int {
	s.t.Helper()
	answer, err := s.control.Post("http://control"+path, "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func (s *slot) health() (code int, h health) {
	s.t.Helper()
	answer, err := s.control.Get("http://control/healthz")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&h); err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, h
}

// waitActive waits until so many connections are open: the server notes a change a moment after the client sees it.
func (s *slot) waitActive(want int) {
	s.t.Helper()
	for range 10000 {
		if _, h := s.health(); h.Active == want {
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.t.Fatalf("never %d connections", want)
}

func (s *slot) end(within time.Duration) error {
	s.t.Helper()
	s.stop()
	select {
	case err := <-s.done:
		return err
	case <-time.After(within):
		s.t.Fatalf("not ended within %s", within)
		return nil
	}
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// telling is a handler that tells when it has a request, and then answers as hello does.
func telling(begun chan<- bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		hello(w, r)
	})
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	delay, _ := time.ParseDuration(r.URL.Query().Get("delay"))
	time.Sleep(delay)
	io.WriteString(w, "hello")
})

// wire is a client that shows what a connection really does.
type wire struct {
	t *testing.T
	net.Conn
	*bufio.Reader
}

func dial(t *testing.T, l net.Listener) wire {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return wire{t, conn, bufio.NewReader(conn)}
}

func (w wire) send(path string) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.Conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		w.t.Fatal(err)
	}
}

// receive reads one answer and tells whether it announced the end of the connection.
func (w wire) receive() (closes bool) {
	w.t.Helper()
	answer, err := http.ReadResponse(w.Reader, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "hello" || answer.StatusCode != 200 {
		w.t.Fatal(answer.Status, string(body), err)
	}
	return answer.Close
}

// ended waits for the other side's close and returns how long that took.
func (w wire) ended() time.Duration {
	w.t.Helper()
	began := time.Now()
	if _, err := w.ReadByte(); !errors.Is(err, io.EOF) {
		w.t.Fatalf("%v, want EOF", err)
	}
	return time.Since(began)
}

func TestNothingIsAcceptedBeforeItIsWanted(t *testing.T) {
	t.Parallel()
	l := listen(t)
	s := start(t, l, &Service{Handler: hello, Version: "v1", Drain: 200 * time.Millisecond})
	client := dial(t, l)
	client.send("/")
	time.Sleep(50 * time.Millisecond)
	if code, h := s.health(); code != 200 || h.Accepting || h.Active != 0 || h.Version != "v1" || len(h.Digest) != 64 || h.PID != os.Getpid() {
		t.Errorf("%d %+v", code, h)
	}
	for range 2 { // twice is as good as once
		if code := s.post("/accept"); code != 200 {
			t.Error(code)
		}
	}
	if client.receive() {
		t.Error("the connection is announced to close, without a drain")
	}
	s.waitActive(1)
	if _, h := s.health(); !h.Accepting {
		t.Errorf("%+v", h)
	}
}

func TestADrainMarksAnswersAndSparesConnections(t *testing.T) {
	t.Parallel()
	const window = 1600 * time.Millisecond
	l := listen(t)
	s := start(t, l, &Service{Handler: hello, Drain: window})
	s.post("/accept")
	used, unused, slow, silent := dial(t, l), dial(t, l), dial(t, l), dial(t, l)
	for _, client := range []wire{used, unused} {
		client.send("/")
		if client.receive() {
			t.Fatal("closes before the drain")
		}
	}
	slow.send("/?delay=2400ms")
	s.waitActive(4)
	for range 2 {
		if code := s.post("/drain"); code != 202 {
			t.Error(code)
		}
	}
	late := dial(t, l)
	late.send("/") // stays in the queue for the other process
	time.Sleep(window / 2)
	used.send("/")
	if !used.receive() || used.ended() > window/4 {
		t.Error("an answer during the drain does not end its connection")
	}
	if took := unused.ended(); took < window/4 {
		t.Errorf("an idle connection was closed %s after half of the window", took)
	}
	silent.ended()
	if !slow.receive() {
		t.Error("the answer to a request from before the drain is not marked")
	}
	s.waitActive(0)
	if _, h := s.health(); h.Accepting {
		t.Errorf("%+v", h)
	}
	s.post("/accept")
	if late.receive() {
		t.Error("marked after the drain")
	}
}

func TestUnmarkedSlowAnswersGetAWindowOfTheirOwn(t *testing.T) {
	t.Parallel()
	const window = 800 * time.Millisecond
	l := listen(t)
	begun := make(chan bool)
	s := start(t, l, &Service{Drain: window, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "he")
		w.(http.Flusher).Flush() // the header is out before the drain begins
		begun <- true
		time.Sleep(3 * window / 2)
		io.WriteString(w, "llo")
	})})
	s.post("/accept")
	client := dial(t, l)
	client.send("/")
	<-begun
	s.post("/drain")
	if client.receive() {
		t.Fatal("marked")
	}
	if took := client.ended(); took < window/2 {
		t.Errorf("closed %s after the answer", took)
	}
}

func TestTheEndWaitsForWhatIsBeingServed(t *testing.T) {
	t.Parallel()
	l := listen(t)
	begun := make(chan bool)
	s := start(t, l, &Service{Handler: telling(begun), Drain: 50 * time.Millisecond})
	s.post("/accept")
	client := dial(t, l)
	client.send("/?delay=600ms")
	<-begun
	s.stop()
	if !client.receive() {
		t.Error("not marked")
	}
	if err := s.end(10 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestTheEndIsBounded(t *testing.T) {
	t.Parallel()
	l := listen(t)
	begun := make(chan bool)
	s := start(t, l, &Service{Handler: telling(begun), Drain: 50 * time.Millisecond, Limit: 200 * time.Millisecond})
	s.post("/accept")
	dial(t, l).send("/?delay=9s")
	<-begun
	if err := s.end(8 * time.Second); err == nil || !strings.Contains(err.Error(), "1 connections were cut off") {
		t.Error(err)
	}
}

func TestAServiceThatIsNotReadySaysWhy(t *testing.T) {
	s := start(t, listen(t), &Service{Handler: hello, Ready: func() error { return errors.New("warming up") }})
	if code, h := s.health(); code != 503 || h.Status != "warming up" {
		t.Errorf("%d %+v", code, h)
	}
}

func TestDrainWindow(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 4 * time.Second, "250ms": 250 * time.Millisecond, "5s": 5 * time.Second} {
		if got, err := drainWindow(text); got != want || err != nil {
			t.Errorf("%q: %s %v", text, got, err)
		}
	}
	for _, text := range []string{"5", "0s", "-1s", "2h", "soon"} {
		if _, err := drainWindow(text); err == nil || !strings.Contains(err.Error(), "GOFERRY_DRAIN") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Two slots hand over to each other while clients, kept connections and new ones, send without a second try.
func TestHandOverUnderLoad(t *testing.T) {
	t.Parallel()
	const window = time.Second // longer than a busy machine lets a client wait between two requests
	l := listen(t)
	slots := []*slot{
		start(t, l, &Service{Handler: hello, Version: "blue", Drain: window}),
		start(t, l, &Service{Handler: hello, Version: "green", Drain: window}),
	}
	slots[0].post("/accept")
	over := make(chan bool)
	var clients sync.WaitGroup
	var mu sync.Mutex
	sent, failed := 0, []error{}
	for n := range 8 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: n%4 == 3}, Timeout: 5 * time.Second}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-over:
					return
				case <-time.After(2 * time.Millisecond): // other tests need the machine too
				}
				err := once(client, "http://"+l.Addr().String())
				mu.Lock()
				if sent++; err != nil {
					failed = append(failed, err)
				}
				mu.Unlock()
			}
		})
	}
	for n := range 2 {
		time.Sleep(window)
		slots[(n+1)%2].post("/accept")
		slots[n%2].post("/drain")
	}
	time.Sleep(window)
	if err := slots[1].end(10 * time.Second); err != nil {
		t.Error(err)
	}
	close(over)
	clients.Wait()
	if len(failed) > 0 || sent < 100 {
		t.Errorf("%d of %d failed: %v", len(failed), sent, failed)
	}
}

// once posts a body that the client cannot send again by itself.
func once(client *http.Client, url string) error {
	answer, err := client.Post(url, "text/plain", io.NopCloser(strings.NewReader("once")))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "hello" {
		return fmt.Errorf("%s %q %w", answer.Status, body, err)
	}
	return nil
}
