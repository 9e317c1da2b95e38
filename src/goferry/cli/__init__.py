"""The command line: one file per command, each with a `command` that click runs. No logic lives here."""
