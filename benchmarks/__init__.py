"""What Taskgrove's speed and results were measured with; run from the repository's root."""
