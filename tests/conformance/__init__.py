"""Every registered plug-in against the suite of its extension point."""
