"""Options that are declared or read by calls: of os, flag, pflag, cobra, urfave/cli, kingpin and viper."""

from __future__ import annotations

import re
from collections.abc import Iterator

from goferry.config._gocall import chained, receiver
from goferry.config._option import ENV, ENVIRONMENT, FLAG, FLAG_NAME, Found, calls, plain
from goferry.config._subcommands import Commands
from goferry.config.gocode import STRING, Declaration, GoProgram, arguments, spans

_TYPES = "String|Int|Int16|Int32|Int64|Uint|Uint16|Uint32|Uint64"
_LIBRARIES_OF_FLAGS = re.compile(
    r"^flag$|/s?pflag$|/cobra$|/flag$|/ff(/|$)|/goflag|/flagenv|/mflag|/iniflags$|/envflag$"
)
_ARGUMENTS = {"": (0, 3), "Var": (1, 4), "P": (0, 4), "VarP": (1, 5)}
"""Suffix of a function that declares a flag → where the name stands, and how many arguments there are."""


_GETENV = re.compile(r"\bos\.(?:Getenv|LookupEnv)\(")
_HELPER = re.compile(r"func\s+(?:\([^)]*\)\s*)?(\w+)(?:\[[^\]]*\])?\(([^)]*)\)")


def variables(program: GoProgram, commands: Commands) -> Iterator[Found]:
    """`os.Getenv("PORT")`, and functions of the program that pass their argument on to it: `getenv("PORT", "8080")`."""
    del commands
    helpers: dict[str, int] = {}
    for declaration in program.reached:
        head = _HELPER.match(declaration.text)
        if head:
            names = [part.split()[0] if part.split() else "" for part in head[2].split(",")]
            for asked in re.findall(r"\bos\.(?:Getenv|LookupEnv)\(\s*(\w+)\s*\)", declaration.text):
                if asked in names:
                    helpers[head[1]] = names.index(asked)
    for declaration, match, given in calls(program, _GETENV):
        name = program.text(declaration, given[0]) if given else None
        if name and ENVIRONMENT.fullmatch(name):
            yield Found(ENV, name, declaration.where(match.start()), declaration, match.start())
    called = re.compile(r"\b(" + "|".join(map(re.escape, helpers)) + r")(?:\[[^\]]*\])?\(") if helpers else None
    for declaration, match, given in calls(program, called) if called else ():
        place = helpers[match[1]]
        name = program.text(declaration, given[place]) if len(given) > place else None
        default = plain(program, declaration, given[place + 1]) if len(given) > place + 1 else None
        if name and ENVIRONMENT.fullmatch(name):
            yield Found(ENV, name, declaration.where(match.start()), declaration, match.start(), default or None)


_DECLARES = re.compile(rf"\.({_TYPES})(VarP|Var|P|)\(")


def flags(program: GoProgram, commands: Commands) -> Iterator[Found]:
    """flag, pflag and cobra: `flag.String("listen", ":80", "")`, `cmd.Flags().IntVarP(&port, "port", "p", 80, "")`."""
    near = {
        package: any(_LIBRARIES_OF_FLAGS.search(path) for each in declared for path in each.imports.values())
        for package, declared in program.own.items()
    }
    for declaration, match, given in calls(program, _DECLARES):
        place, count = _ARGUMENTS[match[2]]
        if len(given) != count:
            continue
        _, before = receiver(declaration.text, match.start())
        if before not in ("flag", "pflag") and not near[declaration.package]:
            continue
        name = program.text(declaration, given[place])
        if name and FLAG_NAME.fullmatch(name):
            default = plain(program, declaration, given[-2])
            where = declaration.where(match.start())
            command = commands.of_flags(declaration, before)
            number = match[1] != "String"
            yield Found(FLAG, name, where, declaration, match.start(), default, number, command=command)


_FLAG_OF_STRUCT = re.compile(r"\b(String|Int|Int64|Uint|Uint16|Uint64)Flag\s*\{")
_ENTRY_NAME = re.compile(rf"\bName:\s*({STRING}|[\w.]+)")
_ENTRY_VALUE = re.compile(rf"\bValue:\s*({STRING}|[\w.]+)")
_ENTRY_ENV = re.compile(rf"\b(?:EnvVars?:\s*(?:\[\]string\{{)?|cli\.EnvVars?\()\s*({STRING}|[\w.]+)")


def struct_flags(program: GoProgram, commands: Commands) -> Iterator[Found]:
    """urfave/cli: `&cli.StringFlag{Name: "listen", EnvVars: []string{"LISTEN"}}`, `Sources: cli.EnvVars("LISTEN")`."""
    found = ((each, match) for each in program.reached for match in _FLAG_OF_STRUCT.finditer(each.text))
    for declaration, match in found:
        inside = spans(declaration.text, match.end() - 1)
        end = inside[-1][1] if inside else match.end()
        env, name, value = (
            _text_of(program, declaration, declaration.first(pattern, match.end(), end))
            for pattern in (_ENTRY_ENV, _ENTRY_NAME, _ENTRY_VALUE)
        )
        command = commands.of_position(declaration, match.start())
        default, number = value.strip('"') or None, match[1] != "String"
        yield from _one(declaration, match.start(), _first(env), _first(name), default, number, command)


def _text_of(program: GoProgram, declaration: Declaration, hit: re.Match[str] | None) -> str:
    return (program.text(declaration, hit[1]) or hit[1]) if hit else ""


def _first(names: str) -> str:
    """Return the first of several names: the others are its short forms."""
    return names.split(",", maxsplit=1)[0].strip()


def _one(
    declaration: Declaration, position: int, env: str | None, flag: str | None, default: str | None, number: bool,
    command: frozenset[str] | None,
) -> Iterator[Found]:  # fmt: skip
    """Yield what one entry declares: its variable before its flag."""
    if env or flag:
        source, name = (ENV, env) if env else (FLAG, flag or "")
        yield Found(source, name, declaration.where(position), declaration, position, default, number, command=command)


_KINGPIN = re.compile(r"\.Flag\(")
_OF_ENV = re.compile(r"Envar|OverrideDefaultFromEnvar")
_OF_NUMBER = re.compile(r"U?[Ii]nt(?:8|16|32|64)?(?:Var)?")


def kingpin(program: GoProgram, commands: Commands) -> Iterator[Found]:
    """kingpin: `app.Flag("listen", "").Default(":80").Envar("LISTEN").String()`."""
    if not any("kingpin" in path for path in program.libraries):
        return
    for declaration, match, given in calls(program, _KINGPIN):
        name = program.text(declaration, given[0]) if given else None
        chain = {
            method: next(iter(arguments(declaration.text, opening)), "")
            for method, opening in chained(declaration.text, match.end() - 1)
        }
        env = next(
            (program.text(declaration, texts) for method, texts in chain.items() if _OF_ENV.fullmatch(method)), None
        )
        default = plain(program, declaration, chain.get("Default", ""))
        number = any(map(_OF_NUMBER.fullmatch, chain))
        command = commands.of_flags(declaration, receiver(declaration.text, match.start())[1])
        yield from _one(declaration, match.start(), env, name, default, number, command)


_VIPER_GET = re.compile(r"\b(\w+)\.Get(String|Int|Uint|Int32|Int64|Uint16|Uint32|Uint64)?\(")
_LONG = 100
"""What is longer is not part of a variable's name."""
_VIPER_BIND = re.compile(r"\.BindEnv\(")
_VIPER_PREFIX = re.compile(rf"\.SetEnvPrefix\(\s*({STRING}|[\w.]+)")
_VIPER_AUTOMATIC = re.compile(r"\.AutomaticEnv\(\)")
_VIPER_REPLACER = re.compile(r"\.SetEnvKeyReplacer\(\s*strings\.NewReplacer\(")
_VIPER_DEFAULT = re.compile(r"\.SetDefault\(")


def viper(program: GoProgram, commands: Commands) -> Iterator[Found]:
    """viper: `BindEnv("port", "APP_PORT")`, and `GetString("port")` with AutomaticEnv, by its prefix and replacer."""
    if not any(path.rpartition("/")[2] == "viper" for path in program.libraries):
        return
    prefix, automatic, swaps = "", False, dict[str, str]()
    defaults: dict[str, str] = {}
    for declaration in program.reached:
        hit = _VIPER_PREFIX.search(declaration.text)
        prefix = (program.text(declaration, hit[1]) or "") if hit else prefix
        automatic = automatic or bool(_VIPER_AUTOMATIC.search(declaration.text))
        for match in _VIPER_REPLACER.finditer(declaration.text):
            texts = [program.text(declaration, text) or "" for text in arguments(declaration.text, match.end() - 1)]
            swaps.update(zip(texts[::2], texts[1::2], strict=False))
    bound = {each.name: each.default for each in flags(program, commands) if each.default is not None}
    for declaration, _, given in calls(program, _VIPER_DEFAULT):
        key, value = (
            (program.text(declaration, given[0]), plain(program, declaration, given[1])) if given[1:] else ("", "")
        )
        if key and value:
            defaults[key] = value
    defaults = {**bound, **defaults}

    swaps = {old: new for old, new in swaps.items() if 0 < len(old) < _LONG and len(new) < _LONG}
    swapped = re.compile("|".join(map(re.escape, swaps))) if swaps else None  # as strings.Replacer does: once

    def variable(key: str) -> str:
        name = f"{prefix}_{key}" if prefix else key
        return (swapped.sub(lambda match: swaps[match.group()], name) if swapped else name).upper()

    for declaration, match, given in calls(program, _VIPER_BIND):
        texts = [program.text(declaration, text) or "" for text in given]
        name = (texts[1] if len(texts) > 1 else variable(texts[0])) if texts and texts[0] else ""
        if name and ENVIRONMENT.fullmatch(name):
            where = declaration.where(match.start())
            yield Found(ENV, name, where, declaration, match.start(), defaults.get(texts[0]))
    for declaration, match, given in calls(program, _VIPER_GET) if automatic else ():
        asked = program.text(declaration, given[0]) if len(given) == 1 else None
        owner = declaration.imports.get(match[1], "")
        if asked and (owner.endswith("viper") or not owner) and ENVIRONMENT.fullmatch(variable(asked)):
            number = (match[2] or "String") != "String"
            where = declaration.where(match.start())
            yield Found(ENV, variable(asked), where, declaration, match.start(), defaults.get(asked), number)
