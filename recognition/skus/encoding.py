"""Which encoding a catalogue file is in: Unicode where it says so or fits, else one of the Windows code pages."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from recognition.errors import CatalogError

# Letters that the languages of a code page use often. A letter that is common in one and a likely misreading of
# another is left out of the first (Hungarian o with double acute reads as the Portuguese o with tilde in cp1252).
# On a tie the earlier page is taken.
_LATIN = {
    "cp1252": "àâäáãåæçéèêëíìîïñóòôöøœúùûüß",
    "cp1254": "çğıöşüâîûİ",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžőűöüäôľĺŕşţâîđ",
    "cp1257": "āčēģīķļņšūžąęėįųõäöü",
}
_SIGNS = "€®™°©«»·§²–—‘’“”"
_HIGH = re.compile(rb"[\x80-\xff]")
_HIGH_IN_LATIN_WORD = re.compile(rb"(?<=[A-Za-z])[\x80-\xff]|[\x80-\xff](?=[A-Za-z])")


def decode_catalog(path: Path, data: bytes) -> str:
    """The text of a catalogue file, without a byte order mark.

    Raises:
        CatalogError: no encoding fits.
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16" if wide else "utf-8-sig", code_page(data)):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CatalogError(f"{path}: its text encoding is not recognised", "save it as CSV UTF-8")


def code_page(data: bytes) -> str:
    """The Windows code page that reads the text best."""
    foreign = b"\n".join(line for line in data.splitlines() if not line.isascii())
    # Accents stand among plain letters; the letters of another script stand among each other.
    if 2 * len(_HIGH_IN_LATIN_WORD.findall(foreign)) < len(_HIGH.findall(foreign)):
        # 0xE0 is the commonest letter of Russian (a) and one of the rarest of Greek.
        return "cp1251" if b"\xe0" in foreign else "cp1253"
    return max(_LATIN, key=lambda page: _fitting(foreign, page))


def _fitting(data: bytes, page: str) -> int:
    usual = frozenset(_LATIN[page] + _LATIN[page].upper() + _SIGNS)
    return sum(letter in usual for letter in data.decode(page, errors="replace") if not letter.isascii())
