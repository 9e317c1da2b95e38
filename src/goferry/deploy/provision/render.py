"""The files that make a host ready, as text; pure. Names come from `kernel.hostfile`, which the agent reads too."""

from __future__ import annotations

from goferry.kernel import probe
from goferry.kernel.hostfile import AGENT, AGENT_SOCKET, BARRED, HOST_FILE, LEAVE, ROOT, TRUST_FILE, TRUST_FOLDER, Place

USER = "goferry"
HOME = "/var/lib/goferry-login"
"""The login's home; root's, so that the login owns nothing at all."""

POWERLESS = "CapabilityBoundingSet=\n"
HARDENED = """\
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
# systemd 252 leaves /run out of that where it hides processes or control groups too.
ReadOnlyPaths=/run
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
KeyringMode=private
UMask=0077
LimitCORE=0
"""
"""What every unit of Goferry runs under. No core files: a service's secrets are in its memory."""

OPEN = """\
# Left out, each with its reason:
#   PrivateNetwork=, RestrictAddressFamilies=~AF_INET, ~AF_UNIX, IPAddressDeny=
#                       whom a service talks to is its own affair
#   ProcSubset=         Go reads /proc/sys/net/core/somaxconn for its listen queue, and takes 128 where it can't
#   RootDirectory=      the host's certificates, time zones and programs are read
#   DeviceAllow=        ProtectClock= adds the clock to it, for reading
"""


CLOSED = """\
# Left out, each with its reason:
#   PrivateNetwork=, RestrictAddressFamilies=~AF_INET, ~AF_UNIX, IPAddressDeny=
#                       it passes bytes from a unix socket to a port, or has no socket of its own
#   ProcSubset=, RootDirectory=, PrivateUsers=
#                       not every host can give them, and the user whose the port is must be seen as he is
#   ProtectProc=invisible
#                       where control groups are old, the unit's processes say whose it is
#   DeviceAllow=        ProtectClock= adds the clock to it, for reading
"""


def service(place: Place, *, drain_seconds: int, private_users: bool, former: Place | None = None) -> str:
    """Return the unit of a service's slots.

    `former` is the place as it was for the version that serves, where that one listens in the other way: until the next
    deploy the unit starts both, for what serves must come back after a crash and at boot.
    """
    ways = [place] if former is None else [place, former]
    entrances = " ".join(way.socket_unit("%i") for way in ways)
    socket = "".join(f"Sockets={way.socket_unit('%i')}\n" for way in ways if way.mode == "socket")
    backend = max(way.backend for way in ways)
    note = place.port_note("%i") if backend else ""
    port = f"EnvironmentFile=-{note}\n" if note else ""
    own_users = "PrivateUsers=yes" if private_users else "#   PrivateUsers=       this host can't have it"
    folder = f"{ROOT}/{place.project}/{place.service}"
    return f"""\
# Written by goferry provision; instances 0 and 1 are the two slots. The host agent starts and ends versions; at boot
# goferry.target starts both slots, each for itself: an empty one is skipped, and a version that was not committed
# refuses by itself, as the leave to start it lay in /run. A committed one is started again for ever.
[Unit]
Description=Goferry: {place.project} {place.service}, slot %i
ConditionPathExists={folder}/slots/%i.json
Wants={entrances}
After=network.target {entrances}
StartLimitIntervalSec=0

[Service]
Type=exec
# Skipped for good by that answer alone: whatever else keeps the question from being asked is tried again.
ExecCondition=+/bin/sh -c '{AGENT} may-start; [ $$? -ne {BARRED} ]'
ExecStartPre=+{AGENT} ports {place.turn("%i")}{f" {note} {backend // 10}%i" if note else ""}
ExecStart={AGENT} shim %i
{socket}StandardInput=file:{folder}/slots/%i.json
StandardOutput=journal
StandardError=journal
Environment={LEAVE}=none
EnvironmentFile=-{place.env_file}
EnvironmentFile=-{place.leave("%i")}
EnvironmentFile=-{place.turn("%i")}
{port}Restart=always
RestartSec=100ms
RestartPreventExitStatus=77
KillMode=mixed
TimeoutStopSec={max(90, drain_seconds + 30)}
User={place.user}
DynamicUser=yes
StateDirectory=goferry-data/{place.stem}
# No RuntimeDirectory=: /run is systemd's too, and a service could fill it.
TemporaryFileSystem={ROOT}:ro
BindReadOnlyPaths={folder}/store
InaccessiblePaths=-/etc/goferry -/run/goferry
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
{POWERLESS}{HARDENED}{OPEN}{own_users}
"""


def socket(place: Place, group: str, former: Place | None = None) -> str:
    """Return the unit of the sockets on which the proxy reaches the slots.

    A socket of an empty slot is not opened at boot, lest it keeps those waiting who connect. Before a port it may be:
    what it triggers refuses.
    """
    filled = f"ConditionPathExists={ROOT}/{place.project}/{place.service}/slots/%i.json\n"
    return f"""\
# Written by goferry provision.
[Unit]
Description=Goferry: {place.project} {place.service}, slot %i, its socket
{filled if place.mode == "socket" and former is None else ""}
[Socket]
ListenStream=/run/goferry/{place.stem}/%i.sock
Service=goferry.door-{place.stem}@%i.service
SocketUser=root
SocketGroup={group}
SocketMode=0660
DirectoryMode=0755
Backlog=4096
RemoveOnStop=yes
# By default systemd closes a socket for good when what it triggers can't be started for a moment.
TriggerLimitIntervalSec=0
"""


def door(place: Place, former: Place | None = None) -> str:
    """Return the unit that a slot's socket triggers: nothing, or the way from the socket to the slot's port.

    The latter looks at who listens there, for which it needs the kernel's word (netlink) and, where control groups are
    old, to see whose the slot's processes are.
    """
    what = "holds its socket" if place.mode == "socket" else "from its socket to its port"
    head = f"""\
# Written by goferry provision.
[Unit]
Description=Goferry: {place.project} {place.service}, slot %i, {what}
PartOf=goferry-{place.stem}@%i.socket
StartLimitIntervalSec=0

[Service]
"""
    if place.mode == "socket" and former is None:
        return f"""{head}Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
DynamicUser=yes
RestrictAddressFamilies=none
{POWERLESS}{HARDENED}{CLOSED}"""
    forward = f"{AGENT} forward /run/goferry/{place.stem}/%i"
    if former is not None:
        forward = f"/bin/sh -c 'case %i in port*) exec {forward} ;; esac; exec sleep infinity'"
    return f"""{head}ExecStart={forward}
Restart=on-failure
RestartSec=100ms
TimeoutStopSec=10
DynamicUser=yes
LimitNOFILE=65536
RestrictAddressFamilies=AF_INET AF_UNIX AF_NETLINK
{POWERLESS}{HARDENED}{CLOSED}ProtectProc=default
"""


AGENT_SOCKET_UNIT = f"""\
# Written by goferry provision: who may open this socket may ask the host agent; it is the goferry login alone.
[Unit]
Description=Goferry host agent's socket

[Socket]
ListenStream={AGENT_SOCKET}
Accept=yes
SocketUser={USER}
SocketMode=0600
DirectoryMode=0755
MaxConnections=16
# A burst of connections is refused one by one; by default it would end the socket until somebody starts it again.
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
"""

CONFINED = f"""\
ReadWritePaths={ROOT}
RuntimeDirectory=goferry
RuntimeDirectoryPreserve=yes
CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_OVERRIDE
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
{HARDENED}\
# Left out, each with its reason:
#   User=, PrivateUsers=
#                       it owns the store, and systemd takes orders from root alone
#   CapabilityBoundingSet=~CAP_SYS_PTRACE
#                       which binary a service's process runs is read from /proc/PID/exe
#   CapabilityBoundingSet=~CAP_DAC_OVERRIDE
#                       which process holds a port is read from /proc/PID/fd, where containers lack
#                       CAP_DAC_READ_SEARCH; it writes to nothing but what ProtectSystem=strict leaves it
#   PrivateNetwork=, RestrictAddressFamilies=~AF_INET, ~AF_UNIX, IPAddressDeny=
#                       services are asked at their sockets and ports, and at every address where the public asks them
#   ProcSubset=         the kernel's boot id is read, and the host's list of sockets
#   RootDirectory=      systemctl, journalctl and gpgv are the host's
#   DeviceAllow=        ProtectClock= adds the clock to it, for reading
"""
"""What the agent runs under: it is root without root's powers, and writes to its store and to /run/goferry alone."""

AGENT_UNIT = f"""\
# Written by goferry provision: one instance a connection; it lives on when the connection is cut. One that is killed
# leaves what it had begun to the recovery; one that ends with a code of its own has said why, and left nothing.
[Unit]
Description=Goferry host agent
CollectMode=inactive-or-failed
OnFailure=goferry-recover.service

[Service]
SuccessExitStatus=2 3 4 5 6
ExecStart={AGENT} serve --root {ROOT} --trust {TRUST_FILE} --trust-folder {TRUST_FOLDER} --host-file {HOST_FILE}
StandardInput=socket
StandardOutput=socket
StandardError=journal
TimeoutStopSec=180
MemoryMax=512M
TasksMax=192
{CONFINED}"""

RECOVER_UNIT = f"""\
# Written by goferry provision: ends what a power cut left unfinished. Services are goferry.target's, and wait for
# nothing here; nor does the boot. What can't be ended now is tried again.
[Unit]
Description=Goferry: end what was left unfinished
After=network.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={AGENT} recover --root {ROOT} --host-file {HOST_FILE}
Restart=on-failure
RestartSec=15
MemoryMax=512M
TasksMax=192
{CONFINED}
[Install]
WantedBy=multi-user.target
"""

TARGET = """\
# Written by goferry provision: what starts at boot, listed in goferry.target.d/, a file a service.
[Unit]
Description=Goferry: the services of this host

[Install]
WantedBy=multi-user.target
"""


def wanted(place: Place) -> str:
    """Return the part of goferry.target that starts a service's slots at boot."""
    return f"""\
# Written by goferry provision.
[Unit]
Wants={place.unit(0)} {place.unit(1)}
"""


SYSUSERS = f'u {USER} - "Goferry deploys" {HOME} /bin/sh\n'


def nginx_include(secret: probe.ProbeSecret) -> str:
    """Return what nginx's http block includes; it holds the secret by which the host agent asks."""
    return f"""\
# Written by goferry provision.
map $http_upgrade $goferry_connection {{ default upgrade; '' ''; }}
{probe.line(secret)}
include /etc/nginx/goferry/*.conf;
"""


def nginx(place: Place, *, bind: str, ipv6: bool, version: tuple[int, ...]) -> str:
    """Return a service's upstream and server.

    The upstream names a link that the host agent renames, so a switch needs no reload; a connection that nginx kept to
    the upstream would outlive it, hence none is kept. How large a request may be is the service's to say, so nginx
    passes it on as it comes: kept until it is whole, one without an end would fill the disk. What the agent is told
    is added in an `if`, because `add_header` in the location itself would drop those of the http block for everybody.
    """
    keepalive = "\n    keepalive 0;" if version >= (1, 29, 7) else ""
    places = [f"{bind}:{place.port}"] if bind else [str(place.port), *([f"[::]:{place.port}"] if ipv6 else [])]
    listen = "\n".join(f"    listen {each};" for each in places)
    return f"""\
# Written by goferry provision. Another server may use the upstream too:  proxy_pass http://goferry-{place.stem};
upstream goferry-{place.stem} {{
    server unix:{place.live_link};{keepalive}
}}
server {{
{listen}
    server_name _;
    client_max_body_size 0;
    proxy_request_buffering off;
    location / {{
        if ($goferry_probe) {{
            add_header {probe.ANSWERED} "$goferry_probe $upstream_addr $upstream_status $upstream_connect_time" always;
        }}
        proxy_pass http://goferry-{place.stem};
        proxy_http_version 1.1;
        proxy_next_upstream off;
        proxy_set_header Connection $goferry_connection;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header {probe.ASKED} "";
        proxy_hide_header {probe.ANSWERED};
    }}
}}
"""
