"""The scripts that the fonts inside Matplotlib can draw: at least two of them have every character."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from taskgrove.tasks import scripts

_WHOLE = (
    *("arabic", "arabic_digits", "armenian_lower", "armenian_upper", "cyrillic_lower", "cyrillic_upper"),
    *("digits", "georgian", "georgian_old", "greek_upper", "latin_lower", "latin_upper", "lisu", "tifinagh"),
)


def _without(script: str, characters: str) -> str:
    return "".join(c for c in scripts.SCRIPTS[script] if c not in characters)


SCRIPTS: Mapping[str, str] = MappingProxyType(
    {
        **{name: scripts.SCRIPTS[name] for name in _WHOLE},
        "greek": _without("greek_lower", "ς"),
        "hebrew": _without("hebrew", "ךםןףץ"),
        "ogham": "".join(map(chr, range(0x1681, 0x1695))),
    }
)
"""Forms for the end of a word are left out."""
