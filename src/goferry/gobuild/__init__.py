"""Building: what a repository is, what a build would do, and doing it.

facts.inspect_repository ──► build_plan.plan ──► executor.build ──► DIST with its ledger ──► merge.merge (of shards)
               gate.test (before the build)

Contract (what other rooms import; a module with `_` is private):

    facts            the repository: modules, programs, version
    build_plan       the pure planner
    executor         runs a plan; leaves a whole DIST or the one before
    gate             go vet and go test
    merge            joins the DIST folders of several runners
    shard            one runner's part of the targets
    targets          `goos/goarch[/variant]`
    mains            main packages and the names of their programs
    stamp            what a program says of its origin
    revision         commit, tags, time and changes, from git
    tags             which tags are the project's versions
    tag_rule         the `version:` that a repository needs
    trigger          a person, or an event of GitHub
    uncommitted      files that a release has beside its commit
    replaced         what stands in place of committed code
    project_modules  go.mod, or the modules of go.work
    ledger_services  services in the ledger
    environment      the environment of the go command
    resources        processors and memory
    build_cache      which build cache Go may read
    cache_slots      which of a checkout's build caches a step uses
    folder           the out folder, replaced as a whole
"""
