"""Using published models: predictions for any task of the system; only reads."""
