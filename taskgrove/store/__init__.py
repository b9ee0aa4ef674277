"""What is remembered: content-addressed blobs and an append-only log, over any byte storage."""
