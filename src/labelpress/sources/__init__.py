"""The source: which files it consists of, what columns they have, and how rows are read."""
