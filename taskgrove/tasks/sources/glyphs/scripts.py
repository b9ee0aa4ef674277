"""The characters to tell apart, by script; the fonts that Matplotlib ships cover each at least twice."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _range(first: int, last: int, without: str = "") -> str:
    return "".join(chr(c) for c in range(first, last + 1) if chr(c) not in without)


SCRIPTS: Mapping[str, str] = MappingProxyType(
    {
        "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
        "arabic_digits": _range(0x660, 0x669),
        "armenian_lower": _range(0x561, 0x586),
        "armenian_upper": _range(0x531, 0x556),
        "cyrillic_lower": _range(0x430, 0x44F),
        "cyrillic_upper": _range(0x410, 0x42F),
        "digits": "0123456789",
        "georgian": _range(0x10D0, 0x10F0),
        "georgian_old": _range(0x10A0, 0x10C5),
        "greek": _range(0x3B1, 0x3C9, without="ς"),
        "greek_upper": _range(0x391, 0x3A9, without="\u03a2"),
        "hebrew": _range(0x5D0, 0x5EA, without="ךםןףץ"),
        "latin_lower": "abcdefghijklmnopqrstuvwxyz",
        "latin_upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "lisu": _range(0xA4D0, 0xA4F7),
        "ogham": _range(0x1681, 0x1694),
        "tifinagh": "ⴰⴱⴳⴷⴹⴻⴼⴽⵀⵃⵄⵅⵇⵉⵊⵍⵎⵏⵓⵔⵕⵖⵙⵚⵛⵜⵟⵡⵢⵣⵥ",
    }
)
