"""goferry.yml: schema, defaults, and the settings of this run. Optional: a plain Go repository works without it.

Contract (what other rooms import; a module with `_` is private):

    load        finds and reads goferry.yml
    model       every key with its default
    rules       what single values must look like
    site_rules  what the keys of a service's domains mean together
    settings    what a run takes from its environment, read once
    context     settings and event stream, given to every stage
    describe    the model as documentation and JSON Schema
    start       the first goferry.yml
    survey      a repository, looked at without a toolchain
    gocode      imports and declarations of Go source
    aside       main packages that are not released
    workspace   which go.work counts
    released    the name of a project in its releases
    templates   `{version}` and the like
    ignored     lines of .gitignore
    errors      what can be wrong with goferry.yml
"""
