"""Named lists of tasks that can be added at once: a TOML file each, and what reads, checks and binds them."""
