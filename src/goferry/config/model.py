"""What goferry.yml may say: one frozen tree with a documented default for every key.

Keys are kebab-case in the file. A class's docstring documents the section and its `Attributes:` lines the keys; the
JSON Schema and docs/configuration.md are generated from here.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from goferry.kernel import services

TargetName = Literal["local", "ssh"]
TARGETS: tuple[str, ...] = get_args(TargetName)
"""Where a release can be deployed; what each one is, `deploy/_NAME_target.py` says."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Base of every section."""


class Go(Section, frozen=True, kw_only=True):
    """The Go toolchain.

    Attributes:
        version: the version to use instead of go.mod's or go.work's (`1.27`, `1.27.3`, `stable`).
        unproven: whether a Go that was on the machine already may be used, unproven.
    """

    version: str = ""
    unproven: bool = True


class Version(Section, frozen=True, kw_only=True):
    """Which tags are versions of the project.

    Attributes:
        scheme: `go` (`v1.4.0`, and from v2 on the module path says the major version), `semver` (the same without that
            rule, with or without v), `calver` (`2026.8.2`) or `any` (whatever can be in a file name; no order, and
            never the latest release). All but `go` are for programs: Go finds no library by such a tag.
        prefix: what stands before the version in a tag (`release-`); `{folder}/` is the module's folder in the
            repository, as Go wants it, and nothing at the top.
    """

    scheme: Literal["go", "semver", "calver", "any"] = "go"
    prefix: str = "{folder}/"


class Builds(Section, frozen=True, kw_only=True):
    """What is compiled and how.

    Attributes:
        targets: platforms as `goos/goarch` or `goos/goarch/variant`; empty means linux/amd64 and linux/arm64.
        mains: packages to build (`./cmd/api`); empty means every main package of the module.
        tags: build tags.
        ldflags: what the linker gets besides `-s -w` and the version variables; a template (`-X main.site={version}`).
        env: environment of the compiler (`GOEXPERIMENT: …`; `GOWORK: 'off'` leaves go.work out); values are templates.
        buildvcs: whether programs carry commit, time and version for `debug.ReadBuildInfo` and `go version -m`.
        binary-name: the name of a program's file, a template; `.exe` follows for Windows.
        archive-name: the name of a platform's archive, a template; `.tar.gz` or `.zip` follows.
        archives: whether a tar.gz (zip for Windows) is made for each target.
        files: more files of the repository for the archives (`LICENSE`, `README.md` are taken when they exist).
    """

    targets: list[str] = []
    mains: list[str] = []
    tags: list[str] = []
    ldflags: list[str] = []
    env: dict[str, str] = {}
    buildvcs: bool = True
    binary_name: str = "{program}_{platform}"
    archive_name: str = "{project}_{number}_{platform}"
    archives: bool = True
    files: list[str] = []


class Image(Section, frozen=True, kw_only=True):
    """The container image.

    Attributes:
        main: the package whose binary is the entry point; empty means the only service's, else the only main.
        name: the image's name; empty means the project's.
        user: numeric user and group that the process runs as.
        max-size: most bytes unpacked for each platform; 0 means no limit.
        labels: more OCI annotations; values are templates.
        env: environment of the process.
        ports: ports that the image declares (`8080/tcp`).
    """

    main: str = ""
    name: str = ""
    user: str = "65532:65532"
    max_size: int = 0
    labels: dict[str, str] = {}
    env: dict[str, str] = {}
    ports: list[str] = []


class Sign(Section, frozen=True, kw_only=True):
    """Sealing.

    Attributes:
        formats: the signature formats that a release must carry; `goferry sign` refuses to seal with fewer keys.
    """

    formats: list[Literal["openpgp", "minisign"]] = []


class Listen(Section, frozen=True, kw_only=True):
    """How a service learns where to listen; exactly one of the four.

    Attributes:
        env: the environment variable that gets `127.0.0.1:PORT`.
        port-env: the environment variable that gets the port alone (`PORT`).
        flag: the flag that gets `127.0.0.1:PORT` (`--listen`).
        socket: the service takes its listening socket by LISTEN_FDS and follows the app contract.
    """

    env: str = ""
    port_env: str = ""
    flag: str = ""
    socket: bool = False


class Tls(Section, frozen=True, kw_only=True):
    """The certificate by which an ssh host serves the service's domains; nginx reads its files whenever it is reloaded.

    Attributes:
        certificate: the file on the host with the certificate and its chain (`/etc/…/fullchain.pem`).
        key: the file on the host with its private key (`/etc/…/privkey.pem`).
    """

    certificate: str = ""
    key: str = ""


class ReverseProxy(Section, frozen=True, kw_only=True):
    """How nginx passes requests on to the service on an ssh host.

    Attributes:
        timeout: seconds without a byte to or from the service after which nginx ends a request with 504.
        body-size: the largest request body (`100MB`; KB, MB and GB are of 1024); empty means no limit.
        websockets: whether connections may be upgraded.
        buffering: whether nginx may hold back parts of an answer; `false` for server-sent events.
        grpc: whether requests by a domain are passed on by HTTP/2 without TLS (h2c), as gRPC needs; wants `tls`.
    """

    timeout: float = 60.0
    body_size: str = ""
    websockets: bool = True
    buffering: bool = True
    grpc: bool = False


class Service(Section, frozen=True, kw_only=True):
    """A process that is deployed.

    Attributes:
        main: its package (`./cmd/api`).
        listen: how it learns where to listen; may be left out where args or env say `{port}`, `{address}` or `{url}`.
        health: the path that answers 200 when it is well.
        args: more arguments; `{host}`, `{port}`, `{address}` (`127.0.0.1:PORT`) and `{url}` are where it listens.
        env: more environment variables, with the same placeholders; secrets belong in env-file.
        env-file: a file on the host with KEY=VALUE lines, read when the process starts.
        port: the public port on 127.0.0.1; 0 means one that the host picks once and keeps, for itself alone where the
            service has a domain.
        domain: the name under which an ssh host serves it on port 80, or 443 with `tls` (`api.example.com`).
        domains: several such names, instead of `domain`; `*.example.com` is every name below.
        path: what the paths of the domain begin with that are this service's (`/api/`); they are passed on as they are.
        tls: the certificate for its domains.
        proxy: how nginx passes requests on to it.
        ready-within: seconds from start to the first good health answer.
        bake: seconds that the new version is watched after the switch before it is committed.
        drain: seconds that the old version may take to finish its requests.
    """

    main: str
    listen: Listen = Listen()
    health: str = services.DEFAULT.health
    args: list[str] = []
    env: dict[str, str] = {}
    env_file: str = ""
    port: int = services.DEFAULT.port
    domain: str = ""
    domains: list[str] = []
    path: str = "/"
    tls: Tls = Tls()
    proxy: ReverseProxy = ReverseProxy()
    ready_within: float = services.DEFAULT.ready_within_ms / 1000
    bake: float = services.DEFAULT.bake_ms / 1000
    drain: float = services.DEFAULT.drain_ms / 1000


class Environment(Section, frozen=True, kw_only=True):
    """Where releases go and under which rules; `development`, `staging` and `production` always exist.

    Attributes:
        inherits: the environment whose keys are the defaults of this one.
        dependencies: `snapshots` (anything), `releases` (no pseudo-versions, no local replacements), or `locked`
            (releases, and go.mod and go.sum tidy and complete).
        accepts: `snapshots` or `releases`: what may be deployed.
        uncommitted: `allowed`, or `refused`: a release may be deployed only when no file was built into it that its
            commit lacks.
        target: `local` or `ssh`.
        hosts: host names for ssh.
        on-silence: what a host does that hears no commit before its deadline.
    """

    inherits: str = ""
    dependencies: Literal["", "snapshots", "releases", "locked"] = ""
    accepts: Literal["", "snapshots", "releases"] = ""
    uncommitted: Literal["", "allowed", "refused"] = ""
    target: Literal["", TargetName] = ""
    hosts: list[str] = []
    on_silence: Literal["", "rollback", "commit"] = ""


class Project(Section, frozen=True, kw_only=True):
    """One project: a module of the repository that is built, sealed and deployed as one release.

    Attributes:
        dir: its folder in the repository.
        project: its name; empty means the module path's last element.
        go: the toolchain.
        version: which tags are versions.
        builds: what is compiled and how.
        image: the container image.
        sign: sealing.
        services: the processes that are deployed, by name.
        environments: where releases go, by name.
    """

    dir: str = "."
    project: str = ""
    go: Go = Go()
    version: Version = Version()
    builds: Builds = Builds()
    image: Image = Image()
    sign: Sign = Sign()
    services: dict[str, Service] = {}
    environments: dict[str, Environment] = {}


class Repository(Project, frozen=True, kw_only=True):
    """The whole file: one project, or several by name.

    Attributes:
        projects: several projects of one repository by name; the other keys are then their defaults.
    """

    projects: dict[str, Project] = {}
