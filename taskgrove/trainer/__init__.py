"""Who executes: the only code that takes gradient steps."""
