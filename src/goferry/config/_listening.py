"""How a program learns where it listens, as its source shows: an environment variable or a flag, for address or port.

Every reader of the table yields names; `_judged` decides by a name's words, its default and its type whether it is that
of the program's own address or port. A name with a word that is not known to be the program's (`SHOP_ADDR` of a program
that is not called so) is a guess, and says so; one of another service (`REDIS_ADDR`) is none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from goferry.config import _option_calls as option_calls, _option_tags as option_tags
from goferry.config._option import ENV, FLAG, Found
from goferry.config._subcommands import Commands
from goferry.config.gocode import GoProgram

PORT_ENV, PORT_FLAG = "port-env", "port-flag"
ORDER = (ENV, FLAG, PORT_ENV, PORT_FLAG)

_OF_PORT = {ENV: PORT_ENV, FLAG: PORT_FLAG}
_ADDRESS = frozenset({"addr", "address", "listen", "listener", "bind", "listenaddr", "httpaddr", "bindaddr"})
_OWN = frozenset(
    {"http", "server", "srv", "app", "web", "api", "service", "svc", "main", "public", "site", "rest", "on"}
)
_OTHERS = frozenset(
    re.findall(
        r"\S+",
        """redis db database postgres pg mysql mariadb mongo mongodb sql smtp mail email imap kafka nats mq amqp
        rabbitmq queue metrics metric prometheus prom debug pprof profiler profiling admin management grpc rpc
        dns ldap statsd otel otlp jaeger zipkin trace tracing consul vault etcd memcached memcache cache proxy
        upstream backend downstream target remote peer peers cluster raft gossip ssh ftp sftp tcp udp syslog tls
        https ssl secure socks from to mac ip wallet contract dn password user client forward forwarded trusted
        external worker agent healthcheck elastic elasticsearch clickhouse minio influx graphite loki log logs
        websocket ws mqtt telnet postgresql""",
    )
)
"""Words of other services and other ports: a name with one of them is not the program's own."""
_MANY = 2_000
"""So many options of each kind are looked at."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True)
class ListenOption:
    """An option that says where the program listens.

    Attributes:
        kind: of ORDER. name: of the variable or flag (without dashes). where: `file:line`.
        args: what stands before the flags: the command that serves.
        doubt: why it may be wrong, in a few words; empty when it is plain.
    """

    kind: str
    name: str
    where: str
    args: tuple[str, ...] = ()
    doubt: str = ""


def listen_options(program: GoProgram, commands: Commands, own: frozenset[str]) -> tuple[ListenOption, ...]:
    """Return the options that were recognised, the best first.

    Args:
        program: what to read.
        commands: the program's commands, of which one may have to be named first.
        own: words that mean the program itself, its name's and its module's.
    """
    options = (each for reader in _READERS for each in itertools.islice(reader(program, commands), _MANY))
    found = [each for each in options if commands.serving(each.command)]
    kinds = {id(each): _judged(each, own) for each in found}
    port = any(kind in (PORT_ENV, PORT_FLAG) and not doubt for kind, doubt in kinds.values())
    result = []
    for each in found:
        kind, doubt = kinds[id(each)]
        if kind and not (port and kind in (ENV, FLAG) and _host_alone(each)):
            reason = doubt or each.doubt or commands.doubt
            result.append(ListenOption(kind, each.name, each.where, commands.args, reason))
    return tuple(sorted(dict.fromkeys(result), key=lambda each: (bool(each.doubt), ORDER.index(each.kind))))


def words(name: str) -> frozenset[str]:
    """Return the words of a name, in small letters: LISTEN_ADDR, listen-addr, listenAddr."""
    return frozenset(word.lower() for word in _WORD.findall(name))


def _judged(found: Found, own: frozenset[str]) -> tuple[str, str]:
    """Return the kind of option, or an empty text, and the doubt."""
    name_words = words(found.name)
    port = "port" in name_words
    if not port and not name_words & _ADDRESS:
        return "", ""
    rest = name_words - _ADDRESS - _OWN - own - {"port"}
    if rest & _OTHERS:
        return "", ""
    if found.number or (found.default or "").isdigit():
        port = True
    elif found.default and ":" in found.default:
        port = False
    doubt = f"{', '.join(sorted(rest))} may mean another one's" if rest else ""
    return (_OF_PORT[found.source] if port else found.source), doubt


def _host_alone(found: Found) -> bool:
    """Whether a name beside that of a port means the host alone: its default has no port, or `:` is put behind it."""
    if found.default is not None:
        return ":" not in found.default
    text = found.declaration.text
    if found.declaration.kind == "type":
        return True
    given = re.search(r"(\w+)(?:\s*,\s*\w+)?\s*:?=[^\n=]*$", text[max(0, found.position - 300) : found.position])
    name = given[1] if given else "-"
    joined = rf'\b{name}\s*\+\s*":|JoinHostPort\(\s*\*?{name}\b|Sprintf\("%[sv]:%[dsv]",\s*\*?{name}\b'
    return bool(re.search(joined, text))


_READERS: tuple[Callable[[GoProgram, Commands], Iterator[Found]], ...] = (
    option_calls.variables,
    option_calls.flags,
    option_calls.struct_flags,
    option_calls.kingpin,
    option_tags.tags,
    option_calls.viper,
)
"""One for each way of declaring; who knows another library adds a row."""
