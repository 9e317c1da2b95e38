"""Stages: keys, sealing and verification on the client."""
