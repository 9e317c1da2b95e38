"""Options that are declared by the tags of structs: of env, envconfig, cleanenv, go-flags, go-arg, kong and opts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import Struct, convert

from goferry.config._option import ENV, ENVIRONMENT, FLAG, FLAG_NAME, Found, calls
from goferry.config._subcommands import Commands
from goferry.config.gocode import STRING, Declaration, GoProgram


def _number(kind: str) -> bool:
    return bool(re.fullmatch(r"\*?u?int(8|16|32|64)?", kind))


_FIELD = re.compile(r"^[ \t]*+(?:(\w++)[ \t]++)?([*\[\]\w.]++)?[ \t]*+`([^`\n]*)`", re.MULTILINE)
_UNTAGGED = re.compile(r"^[ \t]*+(\w++)[ \t]++([*\w.]++)[ \t]*+$", re.MULTILINE)
_IN_STRUCT = re.compile(r"struct\s*\{|\}[ \t]*(?:`([^`\n]*)`)?|" + _FIELD.pattern, re.MULTILINE)
_TAG = re.compile(r'([\w-]+):"((?:\\.|[^"\\])*)"')
_PREFIX_TAGS = ("envPrefix", "env-prefix")


@dataclass(frozen=True)
class _Field:
    """A field of a struct with its tags; `struct` is the nearest named type around it."""

    name: str
    kind: str
    tags: dict[str, str]
    declaration: Declaration
    position: int
    prefix: str = ""
    """What inner structs with a prefix of their own put before the variable."""


def _fields(declaration: Declaration) -> Iterator[_Field]:
    """Yield the tagged fields of a struct, those of inner structs with their prefix."""
    found: list[_Field] = []
    around = [""]
    for match in reversed(list(_IN_STRUCT.finditer(declaration.text))):  # a struct's tag stands behind it
        if match.group().startswith("}"):
            around.append(around[-1] + _prefix(dict(_TAG.findall(match[1] or ""))))
        elif match.group().startswith("struct"):
            around = around[:-1] or [""]
        else:
            tags = dict(_TAG.findall(match[4]))
            found.append(_Field(match[2] or "", match[3] or "", tags, declaration, match.start(), around[-1]))
    yield from reversed(found)


class _Tags(Struct, frozen=True, rename="kebab"):
    """The keys of a field's tag that name a variable or a flag, in the libraries that read them."""

    env: str = ""
    env_namespace: str = ""
    arg: str = ""
    opts: str = ""
    long: str = ""
    flag: str = ""
    name: str = ""


def _prefix(tags: dict[str, str]) -> str:
    """Return what a struct's tag puts before the variables of its fields."""
    plain = next((tags[name] for name in _PREFIX_TAGS if name in tags), "")
    known = convert(tags, _Tags)
    inner = re.search(r"\bprefix=([A-Za-z0-9_]+)", known.env)
    return plain or (inner[1] if inner else "") or (f"{known.env_namespace}_" if known.env_namespace else "")


def tags(program: GoProgram, commands: Commands) -> Iterator[Found]:
    """Struct tags: `env:"PORT"`, `envconfig:"PORT"`, `long:"listen"`, `flag:"listen"`, `arg:"--listen,env:X"`."""
    fields = [each for declaration in program.reached if declaration.kind == "type" for each in _fields(declaration)]
    fields += [each for declaration in program.reached if declaration.kind == "var" for each in _fields(declaration)]
    general = _general_prefix(program)
    outer: dict[str, str] = {}
    for each in fields:
        kind = each.kind.rpartition(".")[2].lstrip("*[]")
        if _prefix(each.tags) and kind and kind != "struct":
            outer[kind] = each.prefix + _prefix(each.tags)
    for each in fields:
        before = general + outer.get(each.declaration.names[0], "") + each.prefix
        number = _number(each.kind)
        default = next((each.tags[key] for key in ("envDefault", "env-default", "default") if key in each.tags), None)
        for source, name in _named(each, program.libraries):
            yield Found(
                source, f"{before}{name}" if source == ENV and "envconfig" not in each.tags else name,
                each.declaration.where(each.position), each.declaration, each.position, default, number,
                command=commands.of_type(each.declaration.names[0]),
            )  # fmt: skip
    if any(path.endswith("kelseyhightower/envconfig") for path in program.libraries):
        yield from untagged(program)


def _named(each: _Field, libraries: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield ENV or FLAG, and the name: a variable before a flag, which some command may not know."""
    tags = each.tags
    known = convert(tags, _Tags)
    arg = known.arg
    env = next((tags[key].split(",")[0].strip() for key in ("env", "envconfig") if key in tags), "")
    env = env or next(iter(re.findall(r"\benv[:=]\s*([A-Za-z0-9_]+)", f"{arg},{known.opts}")), "")
    if ENVIRONMENT.fullmatch(env):
        yield ENV, env
        return
    long = known.long or (known.flag.split(",")[0] if any("rconfig" in x for x in libraries) else "")
    long = long or next(iter(re.findall(r"--([\w.-]+)", arg)), "")
    kong = any(path.endswith("alecthomas/kong") for path in libraries)
    if not long and kong and {"help", "default", "name", "short"} & tags.keys() and not {"cmd", "arg"} & tags.keys():
        long = known.name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", each.name).lower()
    if long and FLAG_NAME.fullmatch(long):
        yield FLAG, long


def _general_prefix(program: GoProgram) -> str:
    """Return the prefix of caarlos0/env's options."""
    for declaration, _, given in calls(program, _OPTIONS):
        found = next((found for part in given if (found := _PREFIX.match(part))), None)
        if found:
            return program.text(declaration, found[1]) or ""
    return ""


_OPTIONS = re.compile(r"\benv\.Options\s*\{")
_PREFIX = re.compile(rf"Prefix:\s*({STRING}|[\w.]+)")
_PROCESS = re.compile(r"\benvconfig\.(?:Must)?Process\(")


def untagged(program: GoProgram) -> Iterator[Found]:
    """kelseyhightower/envconfig: fields without a tag, PREFIX_FIELD; which struct is filled is not followed."""
    for declaration, _, given in calls(program, _PROCESS):
        before = program.text(declaration, given[0]) if given else None
        if before is None:
            continue
        for each in program.reached:
            for match in _UNTAGGED.finditer(each.text) if each.kind == "type" else ():
                name = f"{before}_{match[1]}".strip("_").upper()
                doubt = f"envconfig reads it when it fills {each.names[0]}"
                yield Found(
                        ENV, name, each.where(match.start(1)), each, match.start(1), None, _number(match[2]),
                        doubt=doubt,
                    )  # fmt: skip
