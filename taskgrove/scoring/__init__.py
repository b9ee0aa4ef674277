"""How good a model is: quality weighed against what it costs the system; pure and torch-free."""
