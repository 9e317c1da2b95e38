"""The machine as the stages use it: processes, downloads, folders for caches. Knows nothing of releases.

Contract (what other rooms import; a module with `_` is private):

    process            runs programs
    http               downloads with bounded sizes and times
    connections        urllib3's connections with a least pace
    pace               connections that end when they are too slow
    proxyenv           which proxy an address gets
    certificates       whose TLS certificates are trusted
    urls               addresses that others wrote
    threads            one piece of work beside the caller's
    tools              which programs this machine has
    keytext            what became of a key's text on its way here
    openpgp_verifiers  OpenPGP verifiers beside the kernel's
    runner_variables   what GitHub's runner says of its run
"""
