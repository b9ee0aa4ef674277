"""A rebuildable cache of the log in SQLite, on the machine's own disk: questions about the whole history."""
