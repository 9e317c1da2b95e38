"""What client and host must agree on: errors, the release manifest, verification, the deploy machine, wire frames.

Standard library only and Python 3.9: these files travel to the host inside the bundled agent.

Contract (what other rooms import; a module with `_` is private):

    machine         the deploy machine: (transaction, event) → (transaction, acts)
    protocol        the requests of a client
    frames          versioned frames on a byte stream
    outcomes        how a deploy can end
    verify          verification of a sealed folder
    manifest        `release.json`
    checksums       `SHA256SUMS`
    signatures      the signatures over a list
    trustfile       `goferry.trust`
    openpgp         OpenPGP signatures
    packets         armor and packets of OpenPGP
    pgp_signature   one signature packet
    certificate     an OpenPGP certificate
    gpgv            gpgv as a verifier
    minisign        minisign signatures
    ed25519         Ed25519 (RFC 8032)
    envfile         files of variables, as systemd reads them
    hostfile        `/etc/goferry/host.json`
    leftfile        `/etc/goferry/left.json`
    services        a service as it is declared
    sites           where the public reaches a service by name
    routing         where traffic goes: declared, and read back
    probe           how nginx proves that it serves a service
    loopback_ports  ports of plain services
    sequence        how releases are ordered
    refusals        why a release is refused: a closed set
    errors          what an error is
    canonical       canonical JSON
    fields          a JSON object whose fields are judged as they are read
    extension       `critical` and `notes`
    files           files that are whole or absent
    elf             ELF headers
    digits          numbers in texts that others wrote
    times           RFC 3339 times
    invisible       characters that nobody sees
"""
