"""Processes that carry out calls: what they do, and who keeps them at work."""
