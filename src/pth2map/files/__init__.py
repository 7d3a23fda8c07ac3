"""Files on disk: atomic writes, hashes, where declared files are found, and what a command line needs."""
