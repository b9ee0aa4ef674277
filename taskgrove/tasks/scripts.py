"""The characters to tell apart, by script; each is a single code point that needs no neighbours."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

_KANJI = (
    "一右雨円王音下火花貝学気九休玉金空月犬見五口校左三山子四糸字耳七車手十出女小上森人水正生青夕石赤千川"
    "先早草足村大男竹中虫町天田土二日入年白八百文木本名目立力林六"
)
_HANGUL = (
    "가나다라마바사아자차카타파하고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후기니디리미비시이지치키"
    "티피히각난달람밥삿앙잦찾칼탑핥곰논돌룬몽복손옷좋춤콩톱품"
)


def _letters(first: int, last: int, without: str = "") -> str:
    """The letters among the code points, in order."""
    characters = (chr(c) for c in range(first, last + 1))
    return "".join(c for c in characters if unicodedata.category(c) in _LETTERS and c not in without)


_LETTERS = ("Lo", "Ll", "Lu", "Nl")


def _ten(first: int) -> str:
    """Ten digits from that of zero."""
    return "".join(chr(first + i) for i in range(10))


def _indic(block: int, without: str = "") -> str:
    """Vowels and consonants of a block with the layout of ISCII."""
    return _letters(block + 0x05, block + 0x39, without)


SCRIPTS: Mapping[str, str] = MappingProxyType(
    {
        "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
        "arabic_digits": _ten(0x660),
        "armenian_lower": _letters(0x561, 0x586),
        "armenian_upper": _letters(0x531, 0x556),
        "bengali": _indic(0x980, without="ঌৠৡ"),
        "bengali_digits": _ten(0x9E6),
        "canadian_syllabics": _letters(0x1401, 0x1460),
        "cherokee": _letters(0x13A0, 0x13F4),
        "coptic": "".join(chr(c) for c in range(0x2C81, 0x2CB2, 2)),
        "cyrillic_lower": _letters(0x430, 0x44F),
        "cyrillic_upper": _letters(0x410, 0x42F),
        "devanagari": "अआइईउऊऋएऐओऔकखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसह",
        "devanagari_digits": _ten(0x966),
        "digits": "0123456789",
        "ethiopic": _letters(0x1200, 0x1350, without="ቇሇኇኯዏዯጏጯ"),
        "georgian": _letters(0x10D0, 0x10F0),
        "georgian_old": _letters(0x10A0, 0x10C5),
        "glagolitic": _letters(0x2C00, 0x2C2B),
        "gothic": _letters(0x10330, 0x10340),
        "greek_lower": _letters(0x3B1, 0x3C9),
        "greek_upper": _letters(0x391, 0x3A9),
        "gujarati": "અઆઇઈઉઊઋએઐઓઔકખગઘચછજઝઞટઠડઢણતથદધનપફબભમયરલવશષસહ",
        "gujarati_digits": _ten(0xAE6),
        "gurmukhi": "ਅਆਇਈਉਊਏਐਓਔਕਖਗਘਙਚਛਜਝਞਟਠਡਢਣਤਥਦਧਨਪਫਬਭਮਯਰਲਵਸਹ",
        "gurmukhi_digits": _ten(0xA66),
        "hangul": _HANGUL,
        "hebrew": _letters(0x5D0, 0x5EA),
        "hiragana": "あいうえおかきくけこさしすせそたちつてと"
        "なにぬねのはひふへほまみむめもやゆよらりるれろわをん",
        "javanese": _letters(0xA984, 0xA9B2),
        "kanji": _KANJI,
        "kannada": "ಅಆಇಈಉಊಋಎಏಐಒಓಔಕಖಗಘಙಚಛಜಝಞಟಠಡಢಣತಥದಧನಪಫಬಭಮಯರಲವಶಷಸಹಳ",
        "kannada_digits": _ten(0xCE6),
        "katakana": "アイウエオカキクケコサシスセソタチツテト"
        "ナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン",
        "khmer": _letters(0x1780, 0x17A2),
        "khmer_digits": _ten(0x17E0),
        "lao": "ກຂຄງຈຊຍດຕຖທນບປຜຝພຟມຢຣລວສຫອຮ",
        "lao_digits": _ten(0xED0),
        "latin_lower": "abcdefghijklmnopqrstuvwxyz",
        "latin_upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "lisu": _letters(0xA4D0, 0xA4F7),
        "malayalam": "അആഇഈഉഊഋഎഏഐഒഓഔകഖഗഘങചഛജഝഞടഠഡഢണതഥദധനപഫബഭമയരലവശഷസഹളഴറ",
        "malayalam_digits": _ten(0xD66),
        "meetei_mayek": _letters(0xABC0, 0xABDA),
        "myanmar": _letters(0x1000, 0x1021),
        "myanmar_digits": _ten(0x1040),
        "nko": _letters(0x7CA, 0x7EA),
        "odia": "ଅଆଇଈଉଊଋଏଐଓଔକଖଗଘଙଚଛଜଝଞଟଠଡଢଣତଥଦଧନପଫବଭମଯରଲଳଶଷସହ",
        "odia_digits": _ten(0xB66),
        "ol_chiki": _letters(0x1C5A, 0x1C77),
        "persian_digits": _ten(0x6F0),
        "runic": _letters(0x16A0, 0x16EA),
        "sinhala": _letters(0xD85, 0xDC6, without="ඏඐඎඦ"),
        "tai_viet": _letters(0xAA80, 0xAAAF),
        "tamil": "அஆஇஈஉஊஎஏஐஒஓகஙசஞடணதநபமயரலவழளறனஜஷஸஹ",
        "tamil_digits": _ten(0xBE6),
        "telugu": "అఆఇఈఉఊఋఎఏఐఒఓఔకఖగఘఙచఛజఝఞటఠడఢణతథదధనపఫబభమయరలవశషసహళఱ",
        "telugu_digits": _ten(0xC66),
        "thaana": _letters(0x780, 0x7A5),
        "thai": _letters(0xE01, 0xE2E),
        "thai_digits": _ten(0xE50),
        "tibetan": _letters(0xF40, 0xF68),
        "tibetan_digits": _ten(0xF20),
        "tifinagh": "ⴰⴱⴳⴷⴹⴻⴼⴽⵀⵃⵄⵅⵇⵉⵊⵍⵎⵏⵓⵔⵕⵖⵙⵚⵛⵜⵟⵡⵢⵣⵥ",
        "vai": _letters(0xA500, 0xA55F),
        "yi": _letters(0xA000, 0xA0BF),
    }
)
