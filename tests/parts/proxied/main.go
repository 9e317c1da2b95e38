// Command proxied serves what a proxy can get wrong: long requests, server-sent events, WebSockets, and gRPC's wire format
// over HTTP/2 without TLS, on one port at $ADDR. With `call URL CERTIFICATE` it is a client of the last instead.
package main

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var version = "v0.0.0"

func main() {
	if len(os.Args) == 4 && os.Args[1] == "call" {
		if err := call(os.Args[2], os.Args[3]); err != nil {
			log.Fatal(err)
		}
		return
	}
	server := http.Server{Addr: os.Getenv("ADDR"), Handler: http.HandlerFunc(serve), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	log.Fatal(server.ListenAndServe())
}

func serve(w http.ResponseWriter, r *http.Request) {
	milliseconds, _ := strconv.Atoi(r.URL.Query().Get("ms"))
	pause := time.Duration(milliseconds) * time.Millisecond
	flush := http.NewResponseController(w).Flush
	switch {
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
		echoMessages(w, r)
	case r.Header.Get("Upgrade") == "websocket":
		webSocket(w, r)
	case strings.HasSuffix(r.URL.Path, "/events"):
		w.Header().Set("Content-Type", "text/event-stream")
		for number := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", number)
			flush()
			time.Sleep(pause)
		}
	default:
		time.Sleep(pause)
		body, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, version, os.Getenv("GOFERRY_SERVICE"), r.Method, r.URL.RequestURI(), r.Proto, r.Host,
			r.Header.Get("X-Forwarded-Proto"), body)
	}
}

// echoMessages answers each message of a stream of gRPC with itself, at once, and ends with the status OK.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	for {
		message, err := read(r.Body)
		if err != nil {
			break
		}
		write(w, message)
		http.NewResponseController(w).Flush()
	}
	w.Header().Set("Grpc-Status", "0")
}

func read(from io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(from, message)
	return message, err
}

func write(to io.Writer, message []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	_, err := to.Write(append(head, message...))
	return err
}

// webSocket echoes frames as they come, masks taken off.
func webSocket(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	connection, stream, err := http.NewResponseController(w).Hijack()
	if err != nil {
		log.Print(err)
		return
	}
	defer connection.Close()
	fmt.Fprintf(stream, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	for stream.Flush() == nil && frame(stream) == nil {
	}
}

// frame echoes one short frame.
func frame(stream *bufio.ReadWriter) error {
	var head [6]byte
	if _, err := io.ReadFull(stream, head[:]); err != nil {
		return err
	}
	payload := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(stream, payload); err != nil {
		return err
	}
	for index := range payload {
		payload[index] ^= head[2+index%4]
	}
	_, err := stream.Write(append([]byte{head[0], byte(len(payload))}, payload...))
	return err
}

// call sends two messages over one stream, two seconds apart, and prints what comes back with the trailers. The URL's
// host is the name that the certificate is for; the server is reached at $REACHED.
func call(url, certificate string) error {
	data, err := os.ReadFile(certificate)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	transport.Dial = func(network, _ string) (net.Conn, error) { return net.Dial(network, os.Getenv("REACHED")) }
	body, messages := io.Pipe()
	request, err := http.NewRequest(http.MethodPost, url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	go write(messages, []byte("one"))
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	first, err := read(answer.Body)
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	go func() {
		write(messages, []byte("two"))
		messages.Close()
	}()
	second, err := read(answer.Body)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	fmt.Println(answer.Proto, string(first), string(second), answer.Trailer.Get("Grpc-Status"))
	return err
}
