"""Building: what a repository is, what a build would do, and doing it.

facts.look ──► plan.plan ──► execute.build ──► DIST with its ledger ──► merge.merge (of shards)
                   check.test (the gate before it)
"""
