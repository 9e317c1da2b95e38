"""GitHub's runner protocol: inputs, outputs, commands, masks, groups, annotations, summary and the OIDC token.

GitHub's own `@actions/core` is the measure: the same calls write the same bytes.

Contract (what other rooms import; a module with `_` is private):

    job                one step of a job, as an action sees it
    child_environment  the environment of programs that a step starts
    errors             what can go wrong between an action and its runner
"""
