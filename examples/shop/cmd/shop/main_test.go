package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "well") })
	mux.HandleFunc("GET /orders/ids", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a") })
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) })
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, c := range []struct {
		args string
		code int
		text string
	}{
		{"health", 0, "well"},
		{"ids", 0, "a"},
		{"version", 0, "shop v0.0.0-dev"},
		{"order x", 1, "400 Bad Request: no"},
		{"", 2, "usage"},
		{"ids more", 2, "usage"},
	} {
		var out, errors bytes.Buffer
		if code := run(server.URL, strings.Fields(c.args), &out, &errors); code != c.code {
			t.Errorf("%q: exit %d, want %d", c.args, code, c.code)
		}
		if text := out.String() + errors.String(); !strings.Contains(text, c.text) {
			t.Errorf("%q: %q, want %q", c.args, text, c.text)
		}
	}
}
