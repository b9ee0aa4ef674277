"""The tests: unit, conformance, laws, crash, bad input, docs."""
