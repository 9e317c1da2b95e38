"""The event stream and what draws it. Stages import `observe.events` and nothing else from here.

Contract (what other rooms import; a module with `_` is private):

    events         what stages report
    progress       what a person sees while it runs
    plain          the stream as plain lines
    record         the result of a run
    report         the record as one HTML file
    summary        the record as the job's summary
    delivery       how deploys do, as table and for Prometheus
    delivery_page  the same as one HTML file
    failed_step    what a failed step leaves behind
    notify         the message that a team gets about a run
    notify_shapes  a message as services take it
    humanize       sizes, times and numbers for people
    markdown       text that Markdown takes as text
"""
