"""Seeds from positions, never from clocks or processes: the same child has the same seed anywhere."""

from __future__ import annotations

import hashlib


def derive(*path: str | int) -> int:
    """A seed in [0, 2^63) for a position such as (experiment seed, agent, task, iteration, ...).

    Args:
        path: What identifies the position; each part enters with its length, so that
            `derive("a", "bc") != derive("ab", "c")`.

    Example:
        >>> derive(0, "mu2net_plus", "digits", 1) == derive(0, "mu2net_plus", "digits", 1)
        True
        >>> derive(0, "a") != derive(1, "a")
        True
    """
    digest = hashlib.sha256()
    for part in path:
        text = f"{type(part).__name__}:{part}".encode()
        digest.update(len(text).to_bytes(4, "big") + text)
    return int.from_bytes(digest.digest()[:8], "big") >> 1
