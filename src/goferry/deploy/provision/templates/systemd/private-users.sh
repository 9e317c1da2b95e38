# Whether a unit can have a user namespace of its own here; the probe is hardened as the services' units are.
test -e /proc/self/ns/user && test -e /proc/self/uid_map && test -d /run/systemd/system && test "$(id -u)" = 0 &&
  exec systemd-run --quiet --wait --collect -p PrivateUsers=yes -p DynamicUser=yes -p NoNewPrivileges=yes \
    -p CapabilityBoundingSet= -p Type=exec -p ProtectProc=invisible -p PrivateMounts=yes true
