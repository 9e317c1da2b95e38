"""GitHub's runner protocol: inputs, outputs, commands, masks, groups, annotations, summary and the OIDC token.

`Job` (runner.job) is what an action uses; every other module is one part of the protocol. GitHub's own `@actions/core`
is the measure: the same calls write the same bytes.
"""
