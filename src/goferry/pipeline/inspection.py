"""What `goferry inspect` prints: the project as Goferry sees it, and what a push would mean."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from goferry.artifacts import Uncommitted
from goferry.config import start, survey
from goferry.config.settings import Settings
from goferry.gobuild import ledger_services, mains, stamp
from goferry.gobuild.mains import MainPackage
from goferry.kernel.errors import GoferryError, printable
from goferry.pipeline import build, image
from goferry.pipeline.project import OpenProject, default_out


class Beside(Struct, frozen=True):
    """What goes into the programs and is not in the commit: path → SHA-256, or in a sentence why Go can't tell."""

    files: Mapping[str, str]
    unknown: tuple[str, ...] = ()


def beside(opened: OpenProject, settings: Settings) -> Beside:
    """Ask what a build would read and the commit lacks; where Go can't tell, inspecting goes on."""
    try:
        return Beside(build.beside(opened, default_out(opened.directory), settings))
    except GoferryError as error:
        first = printable(error.what.partition("\n")[0], 300)
        return Beside({}, (f"what is built in beside the commit is unknown ({error.name}): {first}",))


class InspectedProgram(Struct, frozen=True):
    """A main package: `stamps` are the symbols that a build fills in, `build_info` the version that Go puts in it."""

    path: str
    package: str
    program: str
    targets: tuple[str, ...]
    stamps: tuple[str, ...]
    build_info: str


class WhetherImage(Struct, frozen=True):
    """Whether an image is made, and why not; empty when it is."""

    made: bool
    why_not: str


class Inspection(Struct, frozen=True):
    """The project as Goferry sees it; its fields are the keys of what `--json` prints, and they are stable.

    Attributes:
        modules: module path → folder. directory, config_file: paths; the second empty where there is none.
        date: the commit's time, RFC 3339. changes: what differs from the commit, for a person.
        replaced: why a release is refused. scheme: how versions are read. tag: the one that the commit bears, or empty.
        services: name → as the ledger has it (gobuild.ledger_services). toolchain: as of `Toolchain.as_record`.
        hints, suggestions: for a person. push: ref → what a push to it does.
    """

    project: str
    module: str
    modules: Mapping[str, str]
    directory: str
    config_file: str
    version: str
    commit: str
    date: str
    dirty: bool
    changes: tuple[str, ...]
    snapshot: bool
    replaced: tuple[str, ...]
    uncommitted: tuple[Uncommitted, ...]
    scheme: str
    tag: str
    tag_prefix: str
    targets: tuple[str, ...]
    mains: tuple[InspectedProgram, ...]
    services: Mapping[str, Mapping[str, object]]
    image: WhetherImage
    toolchain: Mapping[str, object]
    hints: tuple[str, ...]
    suggestions: tuple[str, ...]
    push: Mapping[str, str]


def record(opened: OpenProject, found: Beside) -> Inspection:
    """Return what is seen of an open project."""
    facts = opened.facts
    return Inspection(
        project=facts.project,
        module=facts.module,
        modules=facts.modules,
        directory=str(facts.directory),
        config_file=str(opened.file) if opened.file else "",
        version=facts.version,
        commit=facts.commit,
        date=facts.date,
        dirty=facts.dirty,
        changes=tuple(facts.changes),
        snapshot=facts.snapshot,
        replaced=tuple(each.what for each in facts.replaced),
        uncommitted=tuple(Uncommitted(path, digest) for path, digest in sorted(found.files.items())),
        scheme=facts.tags.scheme.name,
        tag=facts.tag if facts.bears else "",
        tag_prefix=facts.tags.prefix,
        targets=tuple(str(target) for target in facts.targets),
        mains=tuple(
            InspectedProgram(
                path=main.path,
                package=main.package,
                program=main.program,
                targets=tuple(main.targets),
                stamps=(*main.stamps, *(symbol for symbol, _ in main.variables)),
                build_info=_build_info(opened, main),
            )
            for main in facts.mains
        ),
        services=ledger_services.services(opened.config, facts),
        image=WhetherImage(image.wanted(opened), image.why_none(opened)),
        toolchain=opened.toolchain.as_record(),
        hints=(*facts.hints, *found.unknown),
        suggestions=tuple(suggestions(opened)),
        push=push(opened),
    )


def _build_info(opened: OpenProject, main: MainPackage) -> str:
    """Return the version that `debug.ReadBuildInfo` returns in a program; empty where nothing is stamped."""
    facts = opened.facts
    if not (opened.config.builds.buildvcs and facts.commit):
        return ""
    modules = [path for path in facts.modules if main.package == path or main.package.startswith(path + "/")]
    return stamp.main_version(
        go=facts.go,
        version=facts.version,
        module=max(modules, key=len, default=facts.module),
        top=facts.top,
        date=facts.commit_date,
        commit=facts.commit,
        dirty=facts.dirty,
    )


def suggestions(opened: OpenProject) -> list[str]:
    """Return what the source shows and goferry.yml does not say: programs that serve, and another health path."""
    found = {main.path: main for main in survey.survey(opened.facts.directory).mains if main.module == "."}
    if not opened.config.services:
        serving = [main for main in found.values() if main.serves]
        return [f"{main.path} serves HTTP{start.how_it_listens(main)}; goferry init {_helps(main)}" for main in serving]
    notes = []
    for name, service in opened.config.services.items():
        main = found.get(mains.spelled(service.main))
        health = main.health if main else None
        if health and not health.doubt and service.health == start.DEFAULT != health.path:
            notes.append(f"services.{name} is asked at {start.DEFAULT}; its route is {health.path} ({health.where})")
    return notes


def _helps(main: survey.Main) -> str:
    return "names services" if main.listen or main.args else "shows how it is named as a service"


def config(opened: OpenProject) -> dict[str, object]:
    """Return the configuration with every default in place, keys as in goferry.yml."""
    built: dict[str, object] = msgspec.to_builtins(opened.config)
    return built


def push(opened: OpenProject) -> dict[str, str]:
    """Return what a push to each kind of ref does."""
    tag = f"tag such as {opened.facts.tags.example}"
    return {
        "pull request": "builds, tests and plans, without secrets",
        "branch": "makes a snapshot, which development takes",
        tag: "makes a release, which staging and production take; promoted as signed, never rebuilt",
    }


def lines(opened: OpenProject, found: Beside) -> list[str]:
    """Return the same for a person."""
    facts = opened.facts
    state = "changed since" if facts.dirty else "clean at"
    where = f"{state} {facts.commit[:12]}" if facts.commit else "no commit"
    shown = [f"{facts.project} {facts.version}  ({where}, {facts.date})", ""]
    shown.append(f"  module    {', '.join(facts.modules)}")
    shown.append(f"  go        {facts.go}, {opened.toolchain.proof}")
    shown.append(f"  config    {opened.file or 'none: every default'}")
    shown.append(f"  targets   {', '.join(str(target) for target in facts.targets)}")
    for main in facts.mains:
        some = "" if len(main.targets) == len(facts.targets) else f"  only {', '.join(main.targets)}"
        named = [*(f"main.{name}" for name in main.stamps), *(symbol for symbol, _ in main.variables)]
        stamps = f"  stamps {', '.join(named)}" if named else ""
        shown.append(f"  program   {main.program}  from {main.path}{stamps}{some}")
    notes = dict.fromkeys(_build_info(opened, main) for main in facts.mains)
    shown += [f"  go says   {info or 'nothing of version and commit'}" for info in notes]
    for name, service in ledger_services.services(opened.config, facts).items():
        shown.append(f"  service   {name}  runs {service['binary']}, health {service['health']}")
    none = image.why_none(opened)
    shown.append(f"  image     {'none: ' + none if none else 'of one program; goferry image says more'}")
    shown += [f"  changed   {change}" for change in facts.changes[:5]]
    if len(facts.changes) > 5:
        shown.append(f"            and {len(facts.changes) - 5} more")
    shown += [f"  replaced  {printable(each.what, 300)}: a release is refused" for each in facts.replaced[:5]]
    if len(facts.replaced) > 5:
        shown.append(f"            and {len(facts.replaced) - 5} more")
    listed = sorted(found.files)[:5]
    shown += [f"  beside    {printable(path, 200)} is built in and not in the commit" for path in listed]
    if len(found.files) > 5:
        shown.append(f"            and {len(found.files) - 5} more")
    shown += [f"  note      {hint}" for hint in (*facts.hints, *found.unknown, *map(printable, suggestions(opened)))]
    shown += ["", "A push means:"]
    width = max(len(ref) for ref in push(opened))
    shown += [f"  {ref:{width}}  {meaning}" for ref, meaning in push(opened).items()]
    return shown


def config_lines(opened: OpenProject) -> list[str]:
    """Return the configuration with every default as YAML."""
    import yaml

    text: str = yaml.safe_dump(config(opened), sort_keys=False, default_flow_style=False)
    return text.splitlines()
