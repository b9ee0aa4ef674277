"""Global search over grow sequences (004, §3): trials on branches of a store."""
