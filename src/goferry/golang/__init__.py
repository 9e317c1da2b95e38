"""Stage: the right Go, proven, and the modules."""
