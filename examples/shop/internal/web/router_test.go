package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/shop/internal/orders"
)

func router(t *testing.T) http.Handler {
	t.Helper()
	store, err := orders.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return Router(store, slog.New(slog.NewTextHandler(io.Discard, nil)), "v1.2.3")
}

func ask(handler http.Handler, method, path, body string) (int, string) {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(body)))
	return answer.Code, answer.Body.String()
}

func TestOrdersAreStored(t *testing.T) {
	shop := router(t)
	for _, id := range []string{"a", "b"} {
		if code, body := ask(shop, "POST", "/orders", `{"id": "`+id+`"}`); code != http.StatusCreated {
			t.Errorf("%s: %d %s", id, code, body)
		}
	}
	if code, body := ask(shop, "GET", "/orders/ids", ""); code != http.StatusOK || body != "a\nb\n" {
		t.Errorf("%d %q", code, body)
	}
	_, metrics := ask(shop, "GET", "/metrics", "")
	for _, want := range []string{"shop_orders_total 2", `shop_build_info{version="v1.2.3"} 1`, `shop_requests_total{method="POST",code="201"} 2`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
}

func TestASlowOrderIsAnsweredLate(t *testing.T) {
	began := time.Now()
	if code, _ := ask(router(t), "POST", "/orders?delay=50ms", `{"id": "slow"}`); code != http.StatusCreated {
		t.Error(code)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Error(took)
	}
}

func TestBadOrdersAreRefused(t *testing.T) {
	shop := router(t)
	for _, c := range []struct{ path, body string }{
		{"/orders", ``},
		{"/orders", `{"id": "a b"}`},
		{"/orders", `{"id": "a", "price": 0}`},
		{"/orders", `{"id": "` + strings.Repeat("x", maxBody) + `"}`},
		{"/orders?delay=6s", `{"id": "a"}`},
		{"/orders?delay=-1s", `{"id": "a"}`},
		{"/orders?delay=soon", `{"id": "a"}`},
	} {
		if code, _ := ask(shop, "POST", c.path, c.body); code != http.StatusBadRequest {
			t.Errorf("%s %.40s: %d", c.path, c.body, code)
		}
	}
	if _, body := ask(shop, "GET", "/orders/ids", ""); body != "" {
		t.Errorf("stored %q", body)
	}
}
