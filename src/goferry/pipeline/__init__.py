"""The stages in order, as a graph of steps: dry run, resumption, cancellation.

Contract (what other rooms import; a module with `_` is private):

    chain              modules → test → build → image → sign → verify → deploy
    up                 all of it in one call
    build              the build as one piece of work
    image              the image as a step
    project            opens a project: configuration, toolchain, facts
    inspection         the project as Goferry sees it
    push               what a push means
    caching            what is kept between jobs
    entries            entries of GitHub's cache
    signing_keys       which keys a run signs with
    run_summary        makes the record of a run
    delivery_figures   how deploys do
    notification       sends the message to the team
    rendering          workflows for runners without `uses: $/…`
    starter_workflows  an organisation's starter workflows
"""
