"""What is kept between jobs: packs of many small files, the places that hold them, and who may be believed.

This room knows files, names and digests. What a pack of modules or of compiled packages holds is known in
`golang` and `gobuild`.

Contract (what other rooms import; a module with `_` is private):

    pack       many small files in one, compressed
    storage    a folder or a bucket of packs
    statement  which packs a job vouches for, signed afterwards
    gocache    Go's build cache on disk
    warm       what a checkout keeps of what it compiled
    worth      whether restoring a pack pays
    ci_job     which job of a CI system this is
"""
