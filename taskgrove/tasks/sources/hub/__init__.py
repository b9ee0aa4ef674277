"""Hugging Face data sets: folders on this machine, and repositories of the hub."""
