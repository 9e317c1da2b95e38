"""The event stream and what draws it. Stages import `observe.events` and nothing else from here."""
