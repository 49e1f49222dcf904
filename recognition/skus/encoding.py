"""Which encoding a catalogue file is in: Unicode where it says so or fits, else one of the Windows code pages."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

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
_PART = 1 << 20
_ENOUGH = 1 << 20
"""Bytes of foreign lines that are weighed: more would not change the answer."""


def catalog_encoding(path: Path) -> str:
    """The encoding of a catalogue file, found without holding the file in memory.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
    return "utf-8-sig" if _is_utf8(path) else code_page(_foreign_lines(path))


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while part := file.read(_PART):
                decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _foreign_lines(path: Path) -> bytes:
    """Lines with a byte that is not ASCII, up to a megabyte of them."""
    found = bytearray()
    with path.open("rb") as file:
        for line in file:
            if not line.isascii():
                found += line
                if len(found) > _ENOUGH:
                    break
    return bytes(found)


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
