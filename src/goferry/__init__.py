"""Goferry: a Go repository from `git push` to a verified, running service.

The house, top to bottom; imports go down only (`tests/unit/test_arrows.py` holds it):

    cli        one file per command: parses, calls the pipeline or a stage, prints
    actions    one file per action: the same for a step of a job
    runner     GitHub's runner: inputs, outputs, annotations, summary
    pipeline   the whole way as a graph of steps
    golang gobuild image trust release deploy   the stages; none imports another
    artifacts caches config observe system      what the stages share
    host       the agent that runs on the target; kernel alone below it
    kernel     what client and host must agree on; standard library, Python 3.9
"""

__version__ = "0.1.0"
