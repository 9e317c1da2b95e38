module example.com/shop

go 1.26.0

toolchain go1.27.3

require (
	github.com/VictoriaMetrics/metrics v1.35.1
	github.com/go-chi/chi/v5 v5.5.0
)

require (
	github.com/valyala/fastrand v1.1.0 // indirect
	github.com/valyala/histogram v1.2.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)
