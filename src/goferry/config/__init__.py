"""goferry.yml: schema, defaults, and the settings of this run. Optional: a plain Go repository works without it."""
