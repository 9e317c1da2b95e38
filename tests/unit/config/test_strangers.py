"""What `init` recognises in programs of others: where they listen, and where they tell their health."""

import subprocess
import time
from types import SimpleNamespace

import pytest
import yaml

from goferry.cli.main import run
from goferry.config import model, start
from goferry.config.load import load
from goferry.config.survey import survey
from goferry.gobuild import _gosource as gosource, tag_rule
from goferry.gobuild.tags import of
from goferry.pipeline import inspection

MODULE = "example.com/shop"
SERVE = "http.ListenAndServe(addr, nil)"


def go(package, imports, body):
    """Return a Go file; what it imports is named by its paths."""
    return f"package {package}\nimport (\n" + "".join(f'"{path}"\n' for path in imports.split()) + f")\n{body}\n"


def main(imports, body):
    return {"main.go": go("main", f"net/http {imports}", body)}


@pytest.fixture
def written(tmp_path):
    """Write a repository's files and return what `init` would write, as text."""

    def write(files, module=MODULE):
        (tmp_path / "go.mod").write_text(f"module {module}\n")
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return start.proposal(survey(tmp_path))

    return write


ENV, PORT = {"listen": {"env": "ADDR"}}, {"listen": {"port-env": "PORT"}}
STRUCT = "type Config struct {\n%s\n}\nfunc main() { var c Config; load(&c); " + SERVE + " }\n"

LISTENING = {
    "a helper of os.Getenv": (
        main("os", 'func getenv(key, other string) string { return os.Getenv(key) }\nfunc main() { addr := ":" + getenv("PORT", "80"); ' + SERVE + "}"),
        PORT,
    ),
    "a constant": (main("os", 'const variable = "PORT"\nfunc main() { os.Getenv(variable); ' + SERVE + "}"), PORT),
    "caarlos0/env": (main("github.com/caarlos0/env/v11", STRUCT % 'Port int `env:"PORT,required" envDefault:"80"`'), PORT),
    "caarlos0/env, a prefix of an inner struct": (
        main("github.com/caarlos0/env/v11", STRUCT % 'HTTP struct {\nPort int `env:"PORT"`\n} `envPrefix:"HTTP_"`\nRedis struct {\nPort int `env:"PORT"`\n} `envPrefix:"REDIS_"`'),
        {"listen": {"port-env": "HTTP_PORT"}},
    ),
    "caarlos0/env, a prefix of a named struct": (
        main("github.com/caarlos0/env/v11", 'type Web struct {\nAddr string `env:"ADDR"`\n}\n' + STRUCT % 'Web Web `envPrefix:"WEB_"`'),
        {"listen": {"env": "WEB_ADDR"}},
    ),
    "caarlos0/env, a prefix of its options": (
        main("github.com/caarlos0/env/v11", 'type Config struct {\nPort int `env:"PORT"`\n}\nfunc main() { var c Config; env.ParseWithOptions(&c, env.Options{Prefix: "SHOP_"}); ' + SERVE + "}"),
        {"listen": {"port-env": "SHOP_PORT"}},
    ),
    "kelseyhightower/envconfig": (main("github.com/kelseyhightower/envconfig", STRUCT % 'Port string `envconfig:"PORT" default:"80"`'), PORT),
    "cleanenv": (main("github.com/ilyakaznacheev/cleanenv", STRUCT % 'Addr string `yaml:"addr" env:"ADDR,LISTEN" env-default:":80"`'), ENV),
    "a host beside a port": (main("github.com/caarlos0/env", STRUCT % 'Address string `env:"ADDRESS" envDefault:"0.0.0.0"`\nPort int `env:"PORT"`'), PORT),
    "a host that is joined with a port": (main("os", 'func main() { addr := os.Getenv("LISTEN_ADDR"); port := os.Getenv("PORT"); http.ListenAndServe(addr+":"+port, nil) }'), PORT),
    "go-flags": (main("github.com/jessevdk/go-flags", STRUCT % 'Listen string `long:"listen" short:"l" default:":80"`'), {"listen": {"flag": "--listen"}}),
    "pflag": (main("github.com/spf13/pflag", 'func main() { addr := pflag.StringP("listen", "l", ":80", "where"); pflag.Parse(); ' + SERVE + "}"), {"listen": {"flag": "--listen"}}),
    "pflag, the port alone": (main("github.com/spf13/pflag", 'func main() { var p int; pflag.IntVarP(&p, "port", "p", 80, "where"); ' + SERVE + "}"), {"args": ["--port={port}"]}),
    "a log's field is not a flag": (main("go.uber.org/zap flag os", 'func main() { log.Info("x", zap.String("addr", addr)); os.Getenv("PORT"); ' + SERVE + "}"), PORT),
    "a flag set": (main("flag", 'func main() { fs := flag.NewFlagSet("", 0); addr := fs.String("http.addr", ":80", ""); ' + SERVE + "}"), {"listen": {"flag": "--http.addr"}}),
    "viper with BindEnv": (main("github.com/spf13/viper", 'func main() { viper.SetEnvPrefix("shop"); viper.BindEnv("port"); ' + SERVE + "}"), {"listen": {"port-env": "SHOP_PORT"}}),
    "viper with BindEnv and a name": (main("github.com/spf13/viper", 'func main() { viper.SetEnvPrefix("x"); viper.BindEnv("http.port", "PORT"); ' + SERVE + "}"), PORT),
    "viper with AutomaticEnv": (
        main("github.com/spf13/viper strings", 'func main() { viper.SetEnvKeyReplacer(strings.NewReplacer(".", "_")); viper.AutomaticEnv(); addr := viper.GetString("http.addr"); ' + SERVE + "}"),
        {"listen": {"env": "HTTP_ADDR"}},
    ),
    "viper without AutomaticEnv is its file": (main("github.com/spf13/viper os", 'func main() { viper.GetString("addr"); os.Getenv("PORT"); ' + SERVE + "}"), PORT),
    "viper over pflag, a host beside a port": (
        main("github.com/spf13/viper github.com/spf13/pflag", 'func main() { pflag.String("address", "", "listen address"); pflag.Int("port", 80, ""); viper.AutomaticEnv(); viper.GetString("address"); viper.GetInt("port"); ' + SERVE + "}"),
        PORT,
    ),
    "cobra": (
        {
            "main.go": go("main", f"{MODULE}/cmd", "func main() { cmd.Execute() }"),
            "cmd/root.go": go("cmd", "github.com/spf13/cobra", 'var root = &cobra.Command{Use: "shop"}\nfunc Execute() { root.Execute() }\nfunc init() { root.AddCommand(serve) ; root.AddCommand(fetch) }'),
            "cmd/serve.go": go("cmd", f"github.com/spf13/cobra {MODULE}/web", 'var serve = &cobra.Command{Use: "serve [flags]", RunE: func(*cobra.Command, []string) error { return web.Run() }}\nfunc init() { serve.Flags().StringVar(&addr, "addr", ":80", "") }'),
            "cmd/fetch.go": go("cmd", "github.com/spf13/cobra", 'var fetch = &cobra.Command{Use: "fetch", Run: get}\nfunc init() { fetch.Flags().StringVar(&from, "listen", ":1", "") }\nfunc get(*cobra.Command, []string) {}'),
            "web/web.go": go("web", "net/http", "func Run() error { return " + SERVE + " }"),
        },
        {"listen": {"flag": "--addr"}, "args": ["serve"]},
    ),
    "cobra, the root serves": (
        main("github.com/spf13/cobra", 'func main() { c := &cobra.Command{Use: "shop", Run: serve}; c.Flags().IntP("port", "p", 80, ""); c.Execute() }\nfunc serve(*cobra.Command, []string) { ' + SERVE + "}"),
        {"args": ["--port={port}"]},
    ),
    "urfave/cli v2": (
        main("github.com/urfave/cli/v2", 'func main() { (&cli.App{Flags: []cli.Flag{&cli.StringFlag{Name: "listen", Value: ":80", EnvVars: []string{"ADDR", "B"}}}, Action: serve}).Run(os.Args) }\nfunc serve(*cli.Context) error { return ' + SERVE + "}"),
        ENV,
    ),
    "urfave/cli v3, a command": (
        main("github.com/urfave/cli/v3", 'func main() { cmd := &cli.Command{Name: "shop", Commands: []*cli.Command{\n{Name: "serve", Action: serve, Flags: []cli.Flag{&cli.IntFlag{Name: "port", Sources: cli.EnvVars("PORT")}}},\n{Name: "list", Action: list},\n}}; cmd.Run(ctx, os.Args) }\nfunc serve() { ' + SERVE + "}\nfunc list() {}"),
        {**PORT, "args": ["serve"]},
    ),
    "kingpin": (main("gopkg.in/alecthomas/kingpin.v2", 'var addr = kingpin.Flag("web.listen-address", "where").Default(":80").String()\nfunc main() { kingpin.Parse(); ' + SERVE + "}"), {"listen": {"flag": "--web.listen-address"}}),
    "kingpin with a variable": (main("github.com/alecthomas/kingpin/v2", 'var port = kingpin.Flag("port", "where").Envar("PORT").Int()\nfunc main() { kingpin.Parse(); ' + SERVE + "}"), PORT),
    "kong": (main("github.com/alecthomas/kong", 'var cli struct {\nPort int `help:"where" env:"PORT"`\n}\nfunc main() { kong.Parse(&cli); ' + SERVE + "}"), PORT),
    "kong, a flag": (main("github.com/alecthomas/kong", 'var cli struct {\nListenAddr string `help:"where" default:":80"`\n}\nfunc main() { kong.Parse(&cli); ' + SERVE + "}"), {"listen": {"flag": "--listen-addr"}}),
    "rconfig": (main("github.com/Luzifer/rconfig/v2", STRUCT % 'Listen string `flag:"listen" default:":3000"`'), {"listen": {"flag": "--listen"}}),
    "gin, in another package": (
        {
            "cmd/api/main.go": go("main", f"{MODULE}/internal/app", "func main() { app.New().Run() }"),
            "internal/app/app.go": go("app", f"github.com/gin-gonic/gin {MODULE}/internal/config", 'type App struct{}\nfunc New() *App { return &App{} }\nfunc (a *App) Run() { r := gin.New(); r.Run(":" + config.Load().Port) }'),
            "internal/config/config.go": go("config", "os", 'type Config struct { Port string }\nfunc Load() Config { return Config{Port: os.Getenv("PORT")} }'),
        },
        {**PORT, "main": "./cmd/api"},
    ),
    "an address of another service is not its own": (main("os", 'func main() { os.Getenv("REDIS_ADDR"); os.Getenv("METRICS_ADDR"); os.Getenv("SHOP_ADDR"); ' + SERVE + "}"), {"listen": {"env": "SHOP_ADDR"}}),
    "a default with a colon is an address": (main("flag", 'func main() { addr := flag.String("port", ":80", ""); ' + SERVE + "}"), {"listen": {"flag": "--port"}}),
}  # fmt: skip


@pytest.mark.parametrize("case", LISTENING)
def test_where_a_program_listens_is_read_from_its_source(case, written, tmp_path):
    files, wanted = LISTENING[case]
    text = written(files)
    (service,) = yaml.safe_load(text)["services"].values()
    assert service == {"main": ".", **wanted}
    (tmp_path / "goferry.yml").write_text(text)
    assert load(tmp_path).project.services, "and Goferry takes it"


@pytest.mark.parametrize(
    ("files", "line", "reason"),
    [
        (main("os", 'func main() { os.Getenv("PEBBLE_ADDR"); ' + SERVE + "}"), "listen: {env: PEBBLE_ADDR}", "pebble may mean another one's"),
        (
            main("github.com/kelseyhightower/envconfig", 'type Config struct {\nPort int\n}\nfunc main() { var c Config; envconfig.Process("shop", &c); ' + SERVE + "}"),
            "listen: {port-env: SHOP_PORT}",
            "envconfig reads it when it fills Config",
        ),
        (
            main("github.com/alecthomas/kong", 'type Serve struct {\nListen string `help:"where" default:":80"`\n}\nvar cli struct {\nServe Serve `cmd:""`\nList List `cmd:""`\n}\nfunc (s *Serve) Run() { ' + SERVE + "}\nfunc main() { kong.Parse(&cli).Run() }"),
            'listen: {flag: --listen}, args: ["serve"]',
            "the source does not show which one serves",
        ),
        (
            main("github.com/spf13/cobra flag", 'func main() { root.AddCommand(a, b); flag.String("listen", ":1", ""); }\nvar a = &cobra.Command{Use: "web", Run: serve}\nvar b = &cobra.Command{Use: "api", Run: serve}\nfunc serve() { ' + SERVE + "}"),
            'args: ["web"]',
            "several commands serve: web, api",
        ),
    ],
)  # fmt: skip
def test_a_guess_is_a_comment_with_its_reason(files, line, reason, written, tmp_path):
    text = written(files)
    assert yaml.safe_load(text) is None
    shown = next(each for each in text.splitlines() if line in each)
    assert shown.startswith("# ")
    assert "# a guess: " in shown
    assert reason in shown
    assert "main.go:" in shown
    (tmp_path / "goferry.yml").write_text(text)
    assert load(tmp_path).project.services == {}
    asked = "\n".join(each.removeprefix("# ") for each in text.splitlines())
    (tmp_path / "goferry.yml").write_text(asked)
    assert load(tmp_path).project.services, "without its marks it is what it says"


LISTENS = 'func main() { os.Getenv("ADDR"); routes(); ' + SERVE + "}\n"

HEALTH = {
    "gorilla/mux": ("github.com/gorilla/mux", 'func routes() { r := mux.NewRouter(); s := r.PathPrefix("/api").Subrouter(); s.HandleFunc("/healthz", ok) }', "/api/healthz"),
    "gorilla/mux, in one line": ("github.com/gorilla/mux", 'func routes() { r := mux.NewRouter(); r.PathPrefix("/api").Subrouter().Path("/health").HandlerFunc(ok) }', "/api/health"),
    "gorilla/mux, twice": ("github.com/gorilla/mux", 'func routes() { r := mux.NewRouter()\na := r.PathPrefix("/a").Subrouter()\nb := a.PathPrefix("/b").Subrouter()\nb.HandleFunc("/health", ok).Methods("GET") }', "/a/b/health"),
    "gorilla/mux, by POST alone": ("github.com/gorilla/mux", 'func routes() { r := mux.NewRouter(); r.HandleFunc("/status", ok).Methods("POST"); r.HandleFunc("/up", ok) }', "/up"),
    "chi Route": ("github.com/go-chi/chi/v5", 'func routes() { r := chi.NewRouter(); r.Route("/api", func(r chi.Router) { r.Use(x); r.Route("/v1", func(r chi.Router) { r.Get("/health", ok) }) }) }', "/api/v1/health"),
    "chi Group": ("github.com/go-chi/chi/v5", 'func routes() { r := chi.NewRouter(); r.Group(func(r chi.Router) { r.With(x).Get("/health", ok) }) }', "/health"),
    "chi Mount of a function's router": ("github.com/go-chi/chi/v5", 'func routes() { r := chi.NewRouter(); r.Mount("/internal", inner()) }\nfunc inner() http.Handler { r := chi.NewRouter(); r.Get("/healthz", ok); return r }', "/internal/healthz"),
    "chi Mount of a variable": ("github.com/go-chi/chi/v5", 'func routes() { r := chi.NewRouter(); s := chi.NewRouter(); s.Get("/healthz", ok); r.Mount("/x", auth(s)) }', "/x/healthz"),
    "after a sub-router, on the router": ("github.com/go-chi/chi/v5", 'func routes() { r := chi.NewRouter(); r.Route("/api", func(r chi.Router) { r.Get("/things", ok) }); r.Get("/ping", ok) }', "/ping"),
    "gin": ("github.com/gin-gonic/gin", 'func routes() { r := gin.Default(); v1 := r.Group("/v1"); { v1.GET("/health", ok) } }', "/v1/health"),
    "gin, without a slash": ("github.com/gin-gonic/gin", 'func routes() { r := gin.Default(); v1 := r.Group("v1"); v1.GET("health", ok); c.Get("status") }', "/v1/health"),
    "gin, a parameter": ("github.com/gin-gonic/gin", 'func routes() { r := gin.Default(); add(r.Group("/api")) }\nfunc add(g *gin.RouterGroup) { g.GET("/health", ok) }', "/api/health"),
    "echo": ("github.com/labstack/echo/v4", 'func routes() { e := echo.New(); g := e.Group("/api", auth); g.GET("/health", ok) }', "/api/health"),
    "a field": ("github.com/labstack/echo/v4", 'type S struct { api *echo.Group }\nfunc routes() { e := echo.New(); s := &S{api: e.Group("/api")}; s.add() }\nfunc (s *S) add() { s.api.GET("/health", ok) }', "/api/health"),
    "StripPrefix": ("strings", 'func routes() { m := http.NewServeMux(); m.HandleFunc("GET /health", ok); http.Handle("/in/", http.StripPrefix("/in", m)) }', "/in/health"),
    "a constant": ("strings", 'const path = "/health"\nfunc routes() { http.HandleFunc(path, ok) }', "/health"),
    "a constant prefix": ("github.com/gin-gonic/gin", 'const base = "/api"\nfunc routes() { r := gin.New(); r.Group(base).GET("/health", ok) }', "/api/health"),
    "a switch": ("strings", 'func routes() {}\nfunc handle(w http.ResponseWriter, r *http.Request) { switch r.URL.Path { case "/healthz": } }\nvar _ = http.HandlerFunc(handle)', None),
    "a client's call is not a route": ("strings", 'func routes() { http.Get("http://x" + "/healthz"); http.HandleFunc("/ping", ok) }', "/ping"),
    "a variable of the environment before it, as no service has one": ("github.com/gorilla/mux", 'var (\nbaseUrl = ""\n)\nfunc routes() { baseUrl = os.Getenv("BASE_URL"); r := mux.NewRouter(); r.HandleFunc(baseUrl + "/cart", ok); r.HandleFunc(baseUrl+"/_healthz", ok) }', "/_healthz"),
    "the environment before a router": ("github.com/gorilla/mux", 'func routes() { r := mux.NewRouter(); s := r.PathPrefix(os.Getenv("BASE")).Subrouter(); s.HandleFunc("/health", ok) }', "/health"),
    "a constant before it": ("strings", 'const base = "/app"\nfunc routes() { http.HandleFunc(base+"/health", ok) }', "/app/health"),
    "with an underscore": ("strings", 'func routes() { http.HandleFunc("/_health", ok) }', "/_health"),
    "_ping": ("strings", 'func routes() { http.HandleFunc("GET /_ping", ok) }', "/_ping"),
    "-/healthy": ("strings", 'func routes() { http.HandleFunc("/-/healthy", ok) }', "/-/healthy"),
    "-/ready": ("strings", 'func routes() { http.HandleFunc("/-/ready", ok) }', "/-/ready"),
    "__heartbeat__": ("strings", 'func routes() { http.HandleFunc("/__heartbeat__", ok) }', "/__heartbeat__"),
    "health_check": ("strings", 'func routes() { http.HandleFunc("/health_check", ok) }', "/health_check"),
    "the better name": ("strings", 'func routes() { http.HandleFunc("/status", ok); http.HandleFunc("/health", ok) }', "/health"),
}  # fmt: skip


@pytest.mark.parametrize("case", HEALTH)
def test_the_health_path_has_the_prefixes_of_its_routers(case, written):
    imports, body, path = HEALTH[case]
    text = written(main(f"os {imports}", LISTENS + body))
    (service,) = yaml.safe_load(text)["services"].values()
    assert service.get("health") == path
    assert "a guess" not in text


def test_the_health_path_is_followed_into_other_packages(written):
    files = {
        "main.go": go("main", f"net/http os github.com/gorilla/mux {MODULE}/api {MODULE}/users", 'func main() { r := mux.NewRouter(); users.Register(r.PathPrefix("/users").Subrouter()); a := api.New(); a.Mount(r.PathPrefix("/api").Subrouter()); http.ListenAndServe(os.Getenv("ADDR"), r) }'),
        "users/users.go": go("users", "github.com/gorilla/mux", 'func Register(r *mux.Router) { r.HandleFunc("/list", ok) }'),
        "api/api.go": go("api", "net/http github.com/gorilla/mux", 'type API struct{}\nfunc New() API { return API{} }\nfunc (a API) Mount(r *mux.Router) { Register(r) }\nfunc Register(r *mux.Router) { r.HandleFunc("/healthz", ok) }'),
    }  # fmt: skip
    assert yaml.safe_load(written(files))["services"]["shop"]["health"] == "/api/healthz"


@pytest.mark.parametrize(
    ("imports", "body", "reason"),
    [
        ("github.com/gorilla/mux", 'func routes() { r := mux.NewRouter(); s := r.PathPrefix(prefix()).Subrouter(); s.HandleFunc("/healthz", ok) }', "its prefix prefix() is not a literal"),
        ("strings", 'var base = from("BASE", "/app")\nfunc routes() { http.HandleFunc(base+"/healthz", ok) }', "base stands before it and is not a literal"),
        ("strings", 'var base = os.Getenv("BASE")\nfunc routes() { if base == "" { base = "/app" }; http.HandleFunc(base+"/healthz", ok) }', "base stands before it and is not a literal"),
        ("strings", 'func routes(base string) { http.HandleFunc(base+"/healthz", ok) }', "base stands before it and is not a literal"),
        ("github.com/gin-gonic/gin", 'func routes() { r := gin.New(); r.Group("/:tenant").GET("/healthz", ok) }', "its prefix /:tenant holds a parameter"),
        ("example.org/web", 'func routes() { r := web.Application(); r.Get("/healthz", ok) }', "its router comes from web.Application, which was not followed"),
        ("strings", 'var table = []route{{"GET", "/healthz", ok}}\nfunc routes() { register(table) }', "it is named there, in no route that was understood"),
    ],
)  # fmt: skip
def test_where_the_prefix_is_not_plain_the_path_is_a_comment(imports, body, reason, written):
    text = written(main(f"os {imports}", LISTENS + body))
    assert yaml.safe_load(text) == {"services": {"shop": {"main": ".", "listen": {"env": "ADDR"}}}}
    (line,) = [each for each in text.splitlines() if "health:" in each]
    assert line.startswith("    # health: /healthz   # a guess, so /healthz is asked: ")
    assert reason in line
    assert line.endswith(")")


A_ROUTE = "health: /   # a route (main.go:{line})"
CATCH_ALL = "health: /PATH   # not / (main.go:{line}): it takes every path that no other route does"
ROOTS = [
    (("strings", 'http.HandleFunc("/", page)'), CATCH_ALL.format(line=8)),
    (("strings", 'http.Handle("GET /", page)'), CATCH_ALL.format(line=8)),
    (("github.com/gorilla/mux", 'r := mux.NewRouter(); r.PathPrefix("/").Handler(page)'), CATCH_ALL.format(line=8)),
    (("strings", 'http.HandleFunc("GET /{$}", page)'), A_ROUTE.format(line=8)),
    (("strings", 'http.HandleFunc("/", page)\nhttp.HandleFunc("/{$}", page)'), A_ROUTE.format(line=9)),
    (("github.com/gorilla/mux", 'r := mux.NewRouter(); r.HandleFunc("/", page)'), A_ROUTE.format(line=8)),
    (("github.com/gin-gonic/gin", 'r := gin.New(); r.GET("/", page)'), A_ROUTE.format(line=8)),
    (("strings", 'http.HandleFunc("/page", page)'), "health: /PATH"),
]  # fmt: skip


def test_without_a_health_path_the_file_says_what_is_asked(written):
    for routes, offered in ROOTS:
        text = written(main(f"os {routes[0]}", LISTENS + f"func routes() {{ {routes[1]} }}"))
        assert text.endswith(f"  # no health path was recognised, so /healthz is asked; else add  {offered}\n"), routes


def test_a_program_that_only_imports_a_server_does_not_serve(written, tmp_path):
    files = {
        "cmd/tool/main.go": go("main", f"os {MODULE}/lib", 'func main() { lib.Name(); os.Getenv("ADDR") }'),
        "lib/lib.go": go("lib", "net/http", "func Name() {}\nfunc Serve() { " + SERVE + " }"),
    }
    assert written(files) == ""
    assert [each.serves for each in survey(tmp_path).mains] == [False]


@pytest.mark.parametrize(
    "text",
    [
        "package main\nfunc main() {",
        "package main\nimport (\nfunc main() { ((( ` ",
        "}}}})))]",
        'package main\nfunc main() { "',
    ],
)
def test_what_is_no_go_does_no_harm(text, written):
    written({"main.go": text + '\n"net/http" http.ListenAndServe(x, y) r.Get("/healthz", r.Group('})


def tagged(folder, *tags, inner="."):
    """Make a git repository with a program and tags, oldest first."""
    (folder / inner).mkdir(exist_ok=True)
    (folder / inner / "go.mod").write_text(f"module {MODULE}\n")
    (folder / inner / "main.go").write_text("package main\nfunc main() {}\n")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    for tag in tags:
        subprocess.run([*git, "tag", tag], check=True)


@pytest.mark.parametrize(
    ("tags", "inner", "wanted", "reason"),
    [
        (["14.8.0", "14.9.0"], ".", {"scheme": "semver"}, "tag 14.9.0 is not a version to Go, which begins with v; it reads all of the newest 2 tags"),
        (["2026.7.1", "2026.8.2"], ".", {"scheme": "calver"}, "it reads all of the newest 2 tags"),
        (["release-1.2.3"], ".", {"scheme": "semver", "prefix": "release-"}, "it is the only tag"),
        (["v3.0.0"], ".", {"scheme": "semver"}, "is not of module example.com/shop: its path would be example.com/shop/v3"),
        (["1.0.0", "v1.1.0"], ".", None, ""),
        (["v1.0.0", "nightly"], ".", None, ""),
        ([], ".", None, ""),
        (["3.1.0"], "service", {"scheme": "semver", "prefix": ""}, "tag 3.1.0 is not a version of this project, whose tags begin with service/"),
    ],
)  # fmt: skip
def test_a_scheme_is_named_where_the_tags_need_one(tags, inner, wanted, reason, tmp_path, capsys):
    tagged(tmp_path, *tags, inner=inner)
    assert run(["init", "--dir", str(tmp_path)]) == 0
    file = tmp_path / inner / "goferry.yml"
    assert file.exists() == bool(wanted)
    if wanted:
        assert yaml.safe_load(file.read_text()) == {"version": wanted}
        assert reason in file.read_text().splitlines()[0]
        assert file.read_text().startswith("# ")
        assert load(tmp_path / inner).project.version.scheme == wanted["scheme"]
    assert "--target local" not in capsys.readouterr().out


def test_a_scheme_that_reads_few_of_the_tags_is_a_comment():
    rule = of(model.Version(), folder=".", module=MODULE)
    text = tag_rule.needed(["2.0.0", "release-1.2.0", "release-1.1.0", "deploy", "release-1.0.0"], rule)
    assert yaml.safe_load(text) is None
    assert "# a guess: it reads 1 of the newest 4 tags, and not release-1.2.0\n# version: {scheme: semver}\n" in text


def test_tags_that_several_programs_would_take_are_left_to_a_person():
    found = tag_rule.lines(["1.2.0"], {"a": f"{MODULE}/a", "b": f"{MODULE}/b", "c": f"{MODULE}/c"}, ["a", "b"])
    assert set(found) == {"a", "b"}
    for text in found.values():
        assert yaml.safe_load(text) is None
        assert text.startswith("# 2 programs have no tags of their own")
        assert '# version: {scheme: semver, prefix: ""}\n' in text
    assert tag_rule.lines(["a/v1.2.0", "b/v1.0.0"], {"a": f"{MODULE}/a", "b": f"{MODULE}/b"}, ["a", "b"]) == {}


def test_in_a_repository_of_several_modules_the_one_that_serves_gets_the_scheme(tmp_path):
    tagged(tmp_path, "3000.1.0", inner="tool")
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "go.mod").write_text("module example.com/olive\n")
    (tmp_path / "service" / "main.go").write_text(
        main("os", 'func main() { os.Getenv("PORT"); ' + SERVE + "}")["main.go"]
    )
    assert run(["init", "--dir", str(tmp_path)]) == 0
    projects = yaml.safe_load((tmp_path / "goferry.yml").read_text())["projects"]
    assert projects["shop"] == {"dir": "tool"}
    assert projects["olive"]["version"] == {"scheme": "semver", "prefix": ""}
    assert projects["olive"]["services"]["olive"]["listen"] == {"port-env": "PORT"}


def test_a_folder_that_says_nothing_gives_a_service_no_name(written):
    text = written({"cmd/main.go": main("os", 'func main() { os.Getenv("ADDR"); ' + SERVE + "}")["main.go"]})
    assert text.startswith("services:\n  shop: {main: ./cmd, listen: {env: ADDR}}\n")


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ({}, [". serves HTTP, address from ADDR, health at /api/health; goferry init names services"]),
        (
            {"shop": model.Service(main=".")},
            ["services.shop is asked at /healthz; its route is /api/health (main.go:8)"],
        ),
        ({"shop": model.Service(main="./", health="/other")}, []),
        ({"shop": model.Service(main="./other")}, []),
    ],
)
def test_inspect_says_what_the_source_tells_and_the_file_does_not(services, said, written, tmp_path):
    written(
        main(
            "os github.com/gin-gonic/gin",
            LISTENS + 'func routes() { r := gin.New(); r.Group("/api").GET("/health", ok) }',
        )
    )
    opened = SimpleNamespace(config=model.Project(services=services), facts=SimpleNamespace(directory=tmp_path))
    assert inspection.suggestions(opened) == said


@pytest.mark.parametrize("body", ['http.ListenAndServe(":8080", nil)', "http.ListenAndServe(address(), nil)"])
def test_inspect_promises_no_name_that_init_does_not_give(body, written, tmp_path):
    assert written({"main.go": f'package main\nimport "net/http"\nfunc main() {{ {body} }}\n'}) == ""
    opened = SimpleNamespace(config=model.Project(), facts=SimpleNamespace(directory=tmp_path))
    (said,) = inspection.suggestions(opened)
    assert said.startswith(". serves HTTP, address not recognised, ")
    assert said.endswith("; goferry init shows how it is named as a service")


def test_routers_that_are_handed_around_everywhere_are_not_followed_for_ever(written):
    names = [f"f{number}" for number in range(30)]
    calls = "; ".join(f"{name}(r)" for name in names)
    body = "".join(f"func {name}(r *mux.Router) {{ {calls} }}\n" for name in names)
    routes = 'func routes() { var r = web.Router(); f0(r) }\nfunc f99(r *mux.Router) { r.HandleFunc("/healthz", ok) }\n'
    text = written(
        main("os github.com/gorilla/mux example.org/web", LISTENS + routes + body.replace("f29(r)", "f99(r)"))
    )
    assert "# health: /healthz   # a guess" in text


BODY, VALUE, TOP = "func f() {\n%s\n}\n", 'var r = %s\nfunc f() { r.Get("/health", x) }\n', "%s\nfunc f() {}\n"
HOSTILE = [
    *((BODY, unit) for unit in (
        '{Name: "a", Action: ', '{Name: "a", Action: f},\n', 'cobra.Command{Use: "a", Run: ', "StringFlag{", "/*",
        "flag.String(", "os.Getenv(", "app.Flag(", 'app.Flag("addr", ""),', 'app.Flag("addr", "").Default(":80")',
        "env.Options{", "env.Options{Prefix ", 'r.Get("/health", ', 'r.Group("/a", func(r chi.Router) { ',
        'r.Route("/a", func(r chi.Router) {', '"/a/b/health" ', 'case "/health",', "a.AddCommand(b)\n", "a.",
    )),
    *((VALUE, unit) for unit in ('"\\', '\\"', '`\n"', " ", '.Group("/a")', "env.Options{", "app.Flag(", "'\\\"'")),
    *((TOP, unit) for unit in ('const h = "/health"\n', "var a =\n", "}", 'func g(r *mux.Router) { g(r.Group("/a")) }\n')),
]  # fmt: skip


def seconds(act):
    """Return the processor time of a call."""
    since = time.process_time()
    act()
    return time.process_time() - since


@pytest.mark.parametrize(("frame", "unit"), HOSTILE)
def test_hostile_source_takes_time_by_its_length(frame, unit, written):
    libraries = "os flag github.com/urfave/cli/v2 github.com/spf13/cobra github.com/alecthomas/kingpin/v2 "
    libraries += "github.com/caarlos0/env/v11 github.com/go-chi/chi/v5"

    def read(count):
        text = frame % (unit * count)
        files = main(libraries, "func main() { f(); g(r); " + SERVE + " }\n" + text)
        return seconds(lambda: (written(files), gosource.stamps([text])))

    few = min(read(200) for _ in range(3))
    assert any(read(800) < 8 * few + 0.02 for _ in range(3))  # four times the text, where squares would be sixteen


@pytest.mark.parametrize(
    "before",
    [
        "if c == '\"' { return };",
        "f('(', '\\'', '\"');",
        'f(`one\n"two`);',
        'f(`\nmux.Handle("/alive", h)\n`);',
    ],
)
def test_quotes_in_runes_and_raw_strings_open_no_string(before, written):
    text = written(
        main(
            "os",
            'func main() { os.Getenv("ADDR"); mux := http.NewServeMux()\n'
            + before
            + 'mux.Handle("/livez", h)\n'
            + SERVE
            + " }",
        )
    )
    (service,) = yaml.safe_load(text)["services"].values()
    assert service.get("health") == "/livez"


KINGPIN = (
    """func main() {
app.Flag("debug", "").Bool(); app.Flag("%s", "", ).
    Default(":80").
    %s
app.Flag("other", "").Envar("OTHER_ADDR").String()
"""
    + SERVE
    + " }"
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("listen-addr", "String()"), {"listen": {"flag": "--listen-addr"}}),
        (("x", 'Envar("LISTEN_ADDR").String()'), {"listen": {"env": "LISTEN_ADDR"}}),
        (("port", "Int()"), {"args": ["--port={port}"]}),
    ],
)
def test_kingpin_s_chain_ends_with_its_own_calls(said, expected, written):
    text = written(main("github.com/alecthomas/kingpin/v2", KINGPIN % said))
    (service,) = yaml.safe_load(text)["services"].values()
    assert service == {"main": ".", **expected}
