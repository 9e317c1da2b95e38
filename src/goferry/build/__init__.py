"""Stages: test and build."""
