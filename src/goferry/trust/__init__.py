"""Sealing and verifying releases: manifest, list, signatures (OpenPGP and minisign), keys and trust files.

Contract (what other rooms import; a module with `_` is private):

    seal          after it, nothing in dist/ changes
    verification  the kernel's checks, with this machine's OpenPGP verifiers
    keys          signing keys in files
    signer        a key that can sign, whatever its format
    errors        what can go wrong when a release is sealed
"""
