"""Find goferry.yml, read it, and hand out one project with every default in place.

The file lies in the folder that is asked about or in one above it, up to the repository's root (the folder with
`.git`). Without one everything has its default. With `projects:`, the other top-level keys are every project's
defaults: mappings are joined key by key, lists and scalars of the project replace them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from goferry.config import _environments as environments, model
from goferry.config._node import DocumentError, Node
from goferry.config.errors import ConfigInvalid, Problem, ProjectUnknown, invalid, nearest

FILE = "goferry.yml"
_OTHER_SPELLINGS = ("goferry.yaml", ".goferry.yml", ".goferry.yaml")


class Loaded(Struct, frozen=True):
    """One project of a repository.

    Attributes:
        project: its configuration, defaults merged; `environments` holds the built-in ones too.
        name: the name that the file gives it, or empty (then it is the module path's last element).
        root: the repository's folder. directory: the project's. Both absolute.
        file: where it was read, or None.
        projects: the names of all projects in the file; empty when it declares a single one.
        others: what tags of the file's other projects begin with, as far as the file says it.
    """

    project: model.Project
    name: str
    root: Path
    directory: Path
    file: Path | None
    projects: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def load(directory: Path, *, project: str = "", file: Path | None = None) -> Loaded:
    """Load the configuration of a project.

    Args:
        directory: the repository's folder, or one in it.
        project: which of several projects; else the one whose folder holds `directory`, or the only one.
        file: the file to read instead of looking for one.

    Raises:
        ConfigInvalid: with file, line, column and the nearest known key of every problem.
        ProjectUnknown: when `project` is not there, or several are and none was chosen.
    """
    start = directory.absolute().resolve()
    if not start.is_dir():
        raise ConfigInvalid(f"{directory} is not a folder", advice=["name the repository's folder:  --dir REPO"])
    root = repository(start)
    found = file.absolute() if file else find(start, root)
    if found is None:
        return load_defaults(start, root or start, project)
    home = found.parent.resolve()
    root = root or home
    shown = _shown(found, root)
    tree = _read(found, shown)
    several = _projects(tree, shown)
    if not several and not file and _another_module(start, home / _dir(tree)):
        return load_defaults(start, root, project)
    merged = {name: _merge(_without(tree, "projects"), node) for name, node in several.items()}
    name = _choose(start, home, merged, project) if several else _only(tree, project)
    node = merged[name] if several else tree
    value = _convert(node, shown)
    return Loaded(
        project=value,
        name=name,
        root=root,
        directory=_folder(home, root, value.dir, node, shown),
        file=found,
        projects=tuple(several),
        others=tuple(prefix for other, node in merged.items() if other != name and (prefix := _prefix(node))),
    )


def to_name(text: str) -> str:
    """Return the project that `--project` may name where the file's commands need one.

    The first of several that has services, else the first; empty where no name is needed, or the text is not valid.
    """
    from goferry.config._document import parse

    try:
        several = _projects(parse(text.encode("utf-8", "surrogateescape")), FILE)
    except (DocumentError, ConfigInvalid):
        return ""
    return _first(several) if len(several) > 1 else ""


def folders(text: str) -> list[str]:
    """Return the folders of the projects that a goferry.yml names, from the file's own; that one where it is not valid.

    A build of a project writes its dist/ there.
    """
    from goferry.config._document import parse

    try:
        tree = parse(text.encode("utf-8", "surrogateescape"))
        several = _projects(tree, FILE)
    except (DocumentError, ConfigInvalid):
        return ["."]
    return [_dir(node) for node in several.values()] or [_dir(tree)]


def load_for(directory: Path, name: str) -> Loaded:
    """Load the configuration of a project that a ledger names; a file that speaks of it by no name counts.

    Raises:
        ConfigInvalid: as `load`.
        ProjectUnknown: when the file has several projects, none of this name, or a single one of another name.
    """
    try:
        return load(directory, project=name)
    except ProjectUnknown:
        found = load(directory)
        if found.name or found.projects:
            raise
        return found


def load_defaults(directory: Path, root: Path, project: str = "") -> Loaded:
    """Return what holds without a file: defaults, which need no check."""
    built_in = {
        name: model.Environment(**{key.replace("-", "_"): value for key, value in keys.items()})
        for name, keys in environments.BUILT_IN.items()
    }
    return Loaded(model.Project(environments=built_in), _only(Node({}, 1, 1), project), root, directory, None)


def repository(directory: Path) -> Path | None:
    """Return the nearest folder from `directory` upwards that has a `.git`, or None."""
    for folder in (directory, *directory.parents):
        if (folder / ".git").exists():
            return folder
    return None


def find(directory: Path, root: Path | None) -> Path | None:
    """Return the goferry.yml that holds for `directory`, or None.

    Raises:
        ConfigInvalid: when only another spelling of the name is there, which would silently do nothing.
    """
    for folder in (directory, *directory.parents):
        if (folder / FILE).is_file():
            return folder / FILE
        for name in _OTHER_SPELLINGS:
            if (folder / name).is_file():
                problem = Problem(0, 0, "", f"the configuration's name is {FILE}", f"mv {name} {FILE}")
                raise invalid(_shown(folder / name, root), [problem])
        if root is None or folder == root:
            break
    return None


def above(directory: Path) -> Path | None:
    """Return the goferry.yml in a folder above that speaks of this one; None where none does validly."""
    try:
        found = load(directory)
    except (ConfigInvalid, ProjectUnknown):
        return None
    return found.file if found.file and found.file.parent != directory.resolve() else None


def module_above(directory: Path) -> Path | None:
    """Return the nearest folder above that has a go.mod, up to the repository's root, or None."""
    start = directory.resolve()
    root = repository(start)
    between = [] if root in (None, start) else [folder for folder in start.parents if folder.is_relative_to(root)]
    return next((folder for folder in between if (folder / "go.mod").is_file()), None)


def _read(file: Path, shown: str) -> Node:
    from goferry.config._document import parse  # YAML, which is loaded where there is a file

    try:
        return parse(file.read_bytes())
    except DocumentError as error:
        raise invalid(shown, [error.problem]) from None
    except OSError as error:
        raise invalid(shown, [Problem(0, 0, "", f"cannot be read: {error.strerror}")]) from None


def _projects(tree: Node, shown: str) -> dict[str, Node]:
    """Check the whole file and return the projects' own nodes."""
    from goferry.config import _validate as validate

    declared = tree.child("projects")
    found = validate.problems(tree if declared is None else _without(tree, "projects"), model.Repository)
    several: dict[str, Node] = {}
    if declared is not None and not found:
        found = _loose_keys(tree) + validate.problems(_empty_projects(tree), model.Repository)
        several = declared.value if isinstance(declared.value, dict) else {}
        if isinstance(declared.value, dict) and not several:
            found.append(Problem(declared.line, declared.column, "projects", "projects is empty"))
    if not found:
        found = environments.problems(tree.child("environments"))
    if not found:
        found = [problem for name, node in several.items() for problem in _of_project(tree, name, node)]
    if found:
        raise invalid(shown, found)
    return several


def _of_project(tree: Node, name: str, node: Node) -> list[Problem]:
    from goferry.config import _validate as validate

    prefix = ("projects", name)
    if not isinstance(node.value, dict):
        return validate.problems(node, model.Project, prefix)
    merged = _merge(_without(tree, "projects"), node)
    return validate.problems(merged, model.Project, prefix) or environments.problems(
        merged.child("environments"), prefix
    )


def _loose_keys(tree: Node) -> list[Problem]:
    """Return the keys that make no sense as the defaults of several projects."""
    keys = tree.keys or {}
    return [
        Problem(*keys[key], key, f"with projects, {key} belongs in each of them")
        for key in ("dir", "project")
        if key in keys
    ]


def _empty_projects(tree: Node) -> Node:
    """Return the tree with empty projects: their names are checked here, their content once the defaults are joined."""
    declared = tree.value["projects"]
    if not isinstance(declared.value, dict):
        return tree
    empty = {name: Node({}, node.line, node.column, keys={}) for name, node in declared.value.items()}
    return Node({"projects": Node(empty, declared.line, declared.column, keys=declared.keys)}, 1, 1, keys=tree.keys)


def _without(tree: Node, key: str) -> Node:
    return Node(
        {name: node for name, node in tree.value.items() if name != key}, tree.line, tree.column, keys=tree.keys
    )


def _merge(base: Node, own: Node) -> Node:
    """Join two mappings key by key; positions stay those of the value that holds."""
    if not (isinstance(base.value, dict) and isinstance(own.value, dict)):
        return own
    values = dict(base.value)
    for key, node in own.value.items():
        values[key] = node if key == "listen" or key not in values else _merge(values[key], node)
    return Node(values, own.line, own.column, keys={**(base.keys or {}), **(own.keys or {})})


def _convert(node: Node, shown: str) -> model.Project:
    plain = cast("dict[str, Any]", node.plain())
    plain["environments"] = environments.resolve(plain.get("environments", {}))
    plain.pop("projects", None)
    try:
        return msgspec.convert(plain, model.Project)
    except msgspec.ValidationError as error:  # the check before this should have said it with its place
        raise invalid(shown, [Problem(0, 0, "", str(error))]) from None


def _choose(start: Path, home: Path, several: dict[str, Node], wanted: str) -> str:
    if wanted:
        if wanted not in several:
            raise ProjectUnknown(
                f"{FILE} has no project {wanted}", advice=[nearest(wanted, several)], projects=[*several]
            )
        return wanted
    holding = [name for name, node in several.items() if start.is_relative_to((home / _dir(node)).resolve())]
    if len(several) == 1:
        return next(iter(several))
    if start != home and holding:
        return max(holding, key=lambda name: len((home / _dir(several[name])).resolve().parts))
    raise ProjectUnknown(
        f"{FILE} has several projects: {', '.join(several)}",
        advice=[f"name one:  --project {_first(several)}"],
        projects=[*several],
    )


def _first(several: dict[str, Node]) -> str:
    """Return the project to show where one has to be named: the first that has services, else the first."""
    serving = (name for name, node in several.items() if isinstance(node.value, dict) and "services" in node.value)
    return next(serving, next(iter(several)))


def _only(tree: Node, wanted: str) -> str:
    node = tree.child("project")
    name = node.value if node else ""
    if wanted and wanted != name:
        raise ProjectUnknown(
            f"{FILE} declares " + (f"the single project {name}" if name else "no projects"),
            advice=["leave out --project", f"or declare it:  projects: {{{wanted}: {{dir: .}}}}"],
        )
    return name


def _prefix(node: Node) -> str:
    """Return what tags of a project begin with, when the file says so; its folder is taken for its module's."""
    section = node.child("version")
    found = section.child("prefix") if section else None
    folder = _dir(node).strip("./")
    return found.value.replace("{folder}/", f"{folder}/" if folder else "") if found else ""


def _dir(node: Node) -> str:
    found = node.child("dir")
    return found.value if found else "."


def _another_module(start: Path, home: Path) -> bool:
    """Whether `start` lies in a module nested below the file's own project: the file does not speak of that one."""
    home = home.resolve()
    if start == home or not start.is_relative_to(home):
        return False
    between = [start, *start.parents]
    return any((folder / "go.mod").is_file() for folder in between[: between.index(home)])


def _folder(home: Path, root: Path, wanted: str, node: Node, shown: str) -> Path:
    folder = (home / wanted).resolve()
    place = node.child("dir") or node
    if not folder.is_relative_to(root):
        raise invalid(shown, [Problem(place.line, place.column, "dir", f"{wanted!r} leads out of the repository")])
    if not folder.is_dir():
        raise invalid(shown, [Problem(place.line, place.column, "dir", f"there is no folder {wanted!r}")])
    return folder


def _shown(file: Path, root: Path | None) -> str:
    """Name the file from the repository's root."""
    return str(file.relative_to(root)) if root and file.is_relative_to(root) else file.name
