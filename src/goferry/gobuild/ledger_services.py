"""The services of a release as the ledger keeps them."""

from __future__ import annotations

import msgspec

from goferry.config import model
from goferry.gobuild import mains
from goferry.gobuild.facts import Facts
from goferry.kernel.errors import Misuse
from goferry.kernel.services import Declared

ALWAYS = {
    "main", "binary", "listen", "health", "args", "env", "env_file", "port", "ready_within_ms", "bake_ms", "drain_ms",
}  # fmt: skip
"""The keys that every release says. A newer one is said where it isn't the default: older agents refuse it by name."""


class ServiceUnknown(Misuse):
    """A service names a main package that is not part of this build.

    Usual causes: a typing error in `services.NAME.main`, or a main package that `builds.mains` leaves out.
    """

    name = "service-main-unknown"


def services(config: model.Project, facts: Facts) -> dict[str, dict[str, object]]:
    """Return name → declaration, with `binary`: the program that its main builds. Times are integer milliseconds.

    Raises:
        ServiceUnknown: with the nearest main package.
    """
    return {name: _record(name, service, facts) for name, service in config.services.items()}


def _record(name: str, service: model.Service, facts: Facts) -> dict[str, object]:
    by_path = {main.path: main for main in facts.mains}
    by_path.update({main.package: main for main in facts.mains})
    found = by_path.get(service.main) or by_path.get(mains.spelled(service.main))
    if found is None:
        known = sorted(main.path for main in facts.mains)
        raise ServiceUnknown(
            f"services.{name}.main is {service.main!r}, which is not a main package of this build",
            state="Nothing was built.",
            advice=mains.nearest(mains.spelled(service.main), known),
            service=name,
            mains=known,
        )
    listen = {key: value for key, value in msgspec.structs.asdict(service.listen).items() if value}
    own: dict[str, object] = {"main": found.path, "binary": found.program, "listen": listen}
    record = {field: own[field] if field in own else _value(service, field) for field in Declared._fields}
    usual = Declared._field_defaults
    return {field: value for field, value in record.items() if field in ALWAYS or value != usual[field]}


def _value(service: model.Service, field: str) -> object:
    """Return a field of a release's service, which goferry.yml has by the same name; seconds as milliseconds there."""
    if field.endswith("_ms"):
        return round(getattr(service, field.removesuffix("_ms")) * 1000)
    return msgspec.to_builtins(getattr(service, field))
