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

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/shop/internal/orders"
)

const (
	maxBody  = 4 << 10
	maxDelay = 5 * time.Second
)

type shop struct {
	store  *orders.Store
	log    *slog.Logger
	orders prometheus.Counter
}

// Router serves the shop's orders from store.
func Router(store *orders.Store, log *slog.Logger, version string) http.Handler {
	registry := prometheus.NewRegistry()
	s := &shop{store: store, log: log, orders: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "shop_orders_total", Help: "Orders stored by this process.",
	})}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "shop_requests_total", Help: "Requests answered, by method and status.",
	}, []string{"method", "code"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "shop_request_seconds", Help: "Time to answer.", Buckets: []float64{.001, .005, .025, .1, .5, 1, 5},
	}, nil)
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "shop_build_info", Help: "Always 1; the version is the label.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	registry.MustRegister(s.orders, requests, seconds, build)

	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return promhttp.InstrumentHandlerDuration(seconds, promhttp.InstrumentHandlerCounter(requests, next))
	})
	router.Post("/orders", s.create)
	router.Get("/orders/ids", s.ids)
	router.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return router
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
