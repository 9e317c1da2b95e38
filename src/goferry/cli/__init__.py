"""The command line: one file a command, each with a `command` that click runs. No logic lives here."""
