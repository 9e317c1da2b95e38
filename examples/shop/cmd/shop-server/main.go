// Command shop-server takes orders over HTTP and hands over to its next version without losing one.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"example.com/shop/ferry"
	"example.com/shop/internal/orders"
	"example.com/shop/internal/web"
)

// Set by the linker.
var (
	version = "v0.0.0-dev"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	listen := flag.String("listen", first(os.Getenv("ADDR"), "127.0.0.1:8080"), "own address ($ADDR)")
	data := flag.String("data", dataFolder(), "folder for the orders ($SHOP_DATA, else $STATE_DIRECTORY)")
	debug := flag.Bool("debug", os.Getenv("SHOP_DEBUG") != "", "log every order ($SHOP_DEBUG)")
	show := flag.Bool("version", false, "print the version and end")
	flag.Parse()
	if *show {
		fmt.Printf("shop-server %s (%s, %s)\n", version, commit, date)
		return
	}
	level := slog.LevelInfo
	if *debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if err := run(log, *listen, *data); err != nil {
		log.Error("ended", "error", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger, listen, data string) error {
	store, err := orders.Open(data)
	if err != nil {
		return err
	}
	defer store.Close()
	service := &ferry.Service{
		Handler: web.Router(store, log, version),
		Version: version,
		Address: listen,
		Ready:   store.Check,
	}
	log.Info("starting", "version", version, "commit", commit, "date", date, "pid", os.Getpid(), "data", data)
	defer log.Info("stopped", "version", version, "pid", os.Getpid())
	return service.Run(context.Background())
}

// dataFolder is the same for every version of the service on a machine, so that all of them see all orders.
func dataFolder() string {
	own := filepath.Join(os.TempDir(), "shop-data-"+strconv.Itoa(os.Getuid()))
	return first(os.Getenv("SHOP_DATA"), os.Getenv("STATE_DIRECTORY"), own)
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
