"""What is kept between jobs: packs of many small files, the places that hold them, and who may be believed.

This room knows files, names and digests; what a pack of modules or of compiled packages holds is said where those are
known (golang, build).
"""
