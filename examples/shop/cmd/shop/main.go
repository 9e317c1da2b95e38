// Command shop is the shop's command line: it places orders and asks the service how it is.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Set by the linker.
var (
	version = "v0.0.0-dev"
	commit  = "unknown"
	date    = "unknown"
)

const usage = `usage: shop [-url URL] COMMAND
  order ID   place an order
  ids        list the ids of all orders
  health     show the version that answers
  version    show the version of this program
`

func main() {
	url := flag.String("url", "http://127.0.0.1:8080", "address of the shop")
	flag.Usage = func() { fmt.Fprint(flag.CommandLine.Output(), usage) }
	flag.Parse()
	os.Exit(run(*url, flag.Args(), os.Stdout, os.Stderr))
}

// run does one command and returns the exit status: 0 done, 1 failed, 2 wrong usage.
func run(url string, args []string, out, errors io.Writer) int {
	client := &http.Client{Timeout: 10 * time.Second}
	var err error
	switch {
	case len(args) == 1 && args[0] == "version":
		fmt.Fprintf(out, "shop %s (%s, %s)\n", version, commit, date)
	case len(args) == 1 && args[0] == "health":
		err = show(out)(client.Get(url + "/healthz"))
	case len(args) == 1 && args[0] == "ids":
		err = show(out)(client.Get(url + "/orders/ids"))
	case len(args) == 2 && args[0] == "order":
		body, _ := json.Marshal(map[string]string{"id": args[1]})
		err = show(out)(client.Post(url+"/orders", "application/json", bytes.NewReader(body)))
	default:
		fmt.Fprint(errors, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(errors, "shop:", err)
		return 1
	}
	return 0
}

// show prints the body of a response; a status other than 2xx is an error.
func show(out io.Writer) func(*http.Response, error) error {
	return func(response *http.Response, err error) error {
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode/100 != 2 {
			text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
			return fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(text))
		}
		_, err = io.Copy(out, response.Body)
		return err
	}
}
