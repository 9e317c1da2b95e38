"""Sealing and verifying releases: manifest, list, signatures (OpenPGP and minisign), keys and trust files."""
