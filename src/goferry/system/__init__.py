"""The machine as the stages use it: processes, downloads, folders for caches. Knows nothing of releases."""
