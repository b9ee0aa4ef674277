"""Who decides: search methods that see views and answer with jobs and proposals; no torch, no store."""
