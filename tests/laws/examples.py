"""How many examples a law is tried on."""

from __future__ import annotations

from hypothesis import settings

_STEADY = 100
"""Examples of a test that does not say how many, in the profile `steady`."""


def examples(number: int) -> settings:
    """So many; five times as many where `make test-slow` searches for new ones."""
    return settings(max_examples=number * settings().max_examples // _STEADY)
