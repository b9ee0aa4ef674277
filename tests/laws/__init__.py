"""The laws of the architecture, as properties."""
