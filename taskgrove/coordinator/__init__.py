"""Who connects: runs agents against the trainer and writes what they decide to the store."""
