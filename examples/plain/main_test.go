package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestRoutes(t *testing.T) {
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/healthz":   {http.StatusOK, "ok\n"},
		"/hello/Ada": {http.StatusOK, "Hello, Ada.\n"},
		"/":          {http.StatusNotFound, "404 page not found\n"},
	} {
		answer := httptest.NewRecorder()
		routes().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != want.code || answer.Body.String() != want.body {
			t.Errorf("%s: %d %q, want %d %q", path, answer.Code, answer.Body, want.code, want.body)
		}
	}
}
