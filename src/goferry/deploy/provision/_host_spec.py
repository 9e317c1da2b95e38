"""What a host is to be ready for, read from a repository and the files that the user names; nothing is connected to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path

from goferry.config import model, site_rules
from goferry.config.load import Loaded
from goferry.config.released import project_name
from goferry.deploy.errors import DeployKeyUnusable
from goferry.deploy.provision import _names as names
from goferry.deploy.provision._host_plan import HostSpec, ServiceSpec
from goferry.deploy.provision.needs import ProxySettings
from goferry.kernel import trustfile
from goferry.kernel.errors import Misuse, printable
from goferry.kernel.hostfile import Place, Policy
from goferry.kernel.outcomes import NothingToDeploy, PortTaken
from goferry.kernel.services import PLAIN, SHAPES

_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]{1,60}) ([A-Za-z0-9+/]{40,}={0,3})(?: (.*))?")


def read(
    loaded: Loaded,
    *,
    trust: Path | None,
    keys: Sequence[Path],
    removed: Sequence[Path] = (),
    policy: Policy | None = None,
    bind: str = "",
    install: bool = True,
    prune: bool = False,
) -> tuple[HostSpec, list[str]]:
    """Return the specification, and notes for people; `policy` holds what the options say of it, empty or 0 by default.

    Raises:
        NothingToDeploy: when the project declares no services.
        ServiceNameUnusable: when a host can't have the names. PortTaken: when two services want one port.
        TrustFileInvalid: the trust file is not valid: broken JSON, an unknown field, or a key whose id does
            not match its public part.
        DeployKeyUnusable: the private key's file can't be used.
        Misuse: wrong usage or configuration.
    """
    from goferry.deploy._bundle import bundle  # reads and packs the agent's sources

    services = loaded.project.services
    if not services:
        raise NothingToDeploy(
            "goferry.yml declares no services, so there is nothing to be ready for",
            advice=["let it look:  goferry init", "or:  services: {NAME: {main: ./cmd/NAME, listen: {env: ADDR}}}"],
        )
    address = _bind(bind)
    wanted = tuple(_service(name, each, address) for name, each in sorted(services.items()))
    project = project_name(loaded) or loaded.directory.name
    names.refuse([Place(project, each.name, each.port, each.listen) for each in wanted])
    _refuse_shared_ports(wanted)
    if trust is not None:
        # Judged here, since on the host every deploy would be refused for a file that can't be used.
        trustfile.load(trust)
    spec = HostSpec(
        project=project,
        services=wanted,
        trust=trust.read_bytes() if trust is not None else b"",
        keys=tuple(public_key(path) for path in keys),
        removed=tuple(public_key(path) for path in removed),
        accepts=policy.accepts if policy else "",
        environments=policy.environments if policy else (),
        keep=policy.keep if policy else 0,
        agent=bundle(),
        bind=address,
        install=install,
        prune=prune,
    )
    unused = [name for name, each in sorted(services.items()) if each.env_file]
    place = f"/etc/goferry/env/{spec.project}-"
    return spec, [
        f"env-file of {name} is not read on this host: its secrets belong in {place}{name}" for name in unused
    ]


def _service(name: str, declared: model.Service, bind: str) -> ServiceSpec:
    site, proxy = site_rules.site(declared), declared.proxy
    settings = ProxySettings(
        # What nginx does anyway is left to its own configuration.
        timeout_ms=round(proxy.timeout * 1000) if proxy.timeout != model.ReverseProxy().timeout else 0,
        body=site_rules.size(proxy.body_size),
        websockets=proxy.websockets,
        buffering=proxy.buffering,
        grpc=proxy.grpc,
        closed=bool(site.domains) and not declared.port,
    )
    if site.domains:
        site = site._replace(bind=bind)
    return ServiceSpec(name, _listen(declared.listen), declared.port, round(declared.drain), site, settings)


def _refuse_shared_ports(wanted: Sequence[ServiceSpec]) -> None:
    """Refuse a port that two services want."""
    had: dict[int, str] = {}
    for service in wanted:
        other = had.setdefault(service.port, service.name) if service.port else service.name
        if other != service.name:
            raise PortTaken(
                f"{service.name} can't have port {service.port}: {other} has it",
                state="Nothing was changed.",
                advice=[f"choose another `port` for {service.name} in goferry.yml"],
            )


def _listen(listen: model.Listen) -> str:
    """Return the way to listen as the host file names it; how a service learns its port is up to each release."""
    for shape in SHAPES.values():
        for key in shape.listens:
            if getattr(listen, key):
                return key if key in shape.provisioned else shape.provisioned[0]
    return PLAIN.provisioned[0]


def _bind(text: str) -> str:
    try:
        found = ipaddress.ip_address(text) if text else None
    except ValueError:
        what = f"--bind {printable(text, 60)} is not an IP address"
        raise Misuse(what, advice=["such as:  --bind 127.0.0.1"]) from None
    return "" if found is None else f"[{found}]" if found.version == 6 else str(found)


def public_key(path: Path) -> str:
    """Return the one public key of a file, as authorized_keys takes it.

    Raises:
        DeployKeyUnusable: when it holds none, several, or a private one.
    """
    try:
        text = path.read_text("utf-8", "replace").strip()
    except OSError as error:
        raise DeployKeyUnusable(f"{printable(str(path), 200)}: {error.strerror}") from error
    if "PRIVATE KEY" in text:
        raise DeployKeyUnusable(
            f"{printable(str(path), 200)} is a private key; the host gets the public half",
            advice=["name the .pub file:  --deploy-key FILE.pub"],
        )
    found = _KEY.fullmatch(text)
    if not found:
        raise DeployKeyUnusable(f"{printable(str(path), 200)} is not a public key of OpenSSH's form")
    # A comment is free text, and goes into a file that sshd reads and into messages.
    comment = re.sub(r"[^A-Za-z0-9@._+-]", "-", found[3] or "")[:60]
    return f"{found[1]} {found[2]} {comment}".strip()
