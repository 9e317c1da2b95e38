// Package web is the shop's HTTP interface.
//
//	POST /orders             {"id": "…"} → 201; ?delay=1s answers later (at most 5 s), like a slow order
//	GET  /orders/ids         all ids, one a line
//	GET  /metrics            Prometheus
package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/go-chi/chi/v5"

	"example.com/shop/internal/orders"
)

const (
	maxBody  = 4 << 10
	maxDelay = 5 * time.Second
)

type shop struct {
	store  *orders.Store
	log    *slog.Logger
	orders *metrics.Counter
}

// Router serves the shop's orders from store.
func Router(store *orders.Store, log *slog.Logger, version string) http.Handler {
	set := metrics.NewSet()
	s := &shop{store: store, log: log, orders: set.NewCounter("shop_orders_total")}
	set.NewGauge(fmt.Sprintf("shop_build_info{version=%q}", version), func() float64 { return 1 })

	router := chi.NewRouter()
	router.Use(measure(set))
	router.Post("/orders", s.create)
	router.Get("/orders/ids", s.ids)
	router.Get("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		set.WritePrometheus(w)
	})
	return router
}

// measure counts requests by method and status, and how long they took.
func measure(set *metrics.Set) func(http.Handler) http.Handler {
	seconds := set.NewSummary("shop_request_seconds")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start, answer := time.Now(), &answer{ResponseWriter: w, status: http.StatusOK}
			defer func() {
				seconds.UpdateDuration(start)
				labels := fmt.Sprintf("shop_requests_total{method=%q,code=\"%d\"}", known(r.Method), answer.status)
				set.GetOrCreateCounter(labels).Inc()
			}()
			next.ServeHTTP(answer, r)
		})
	}
}

// answer remembers the status that was sent.
type answer struct {
	http.ResponseWriter

	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// known keeps clients from making up label values.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return method
	}
	return "other"
}

func (s *shop) create(w http.ResponseWriter, r *http.Request) {
	order, delay, err := read(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(delay):
	case <-r.Context().Done(): // the client went away, so there is nobody to tell that the order was stored
		return
	}
	switch err := s.store.Add(order.ID); {
	case errors.Is(err, orders.ErrID):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		s.log.Error("order not stored", "id", order.ID, "error", err)
		http.Error(w, "the order was not stored", http.StatusInternalServerError)
	default:
		s.orders.Inc()
		s.log.Debug("order stored", "id", order.ID, "delay", delay)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(order)
	}
}

type order struct {
	ID string `json:"id"`
}

// read takes the order and the delay from a request.
func read(w http.ResponseWriter, r *http.Request) (order order, delay time.Duration, err error) {
	if text := r.URL.Query().Get("delay"); text != "" {
		delay, err = time.ParseDuration(text)
		if err != nil || delay < 0 || delay > maxDelay {
			return order, 0, fmt.Errorf("delay is a duration of 0s to %s", maxDelay)
		}
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&order); err != nil {
		return order, 0, fmt.Errorf("the body must be {\"id\": \"…\"}: %w", err)
	}
	return order, delay, nil
}

func (s *shop) ids(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := s.store.WriteTo(w); err != nil {
		s.log.Error("ids not sent", "error", err)
		panic(http.ErrAbortHandler) // a list cut short must not look whole
	}
}
