"""The conformance suites that a new implementation runs, and fakes that serve tests."""
