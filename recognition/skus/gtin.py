"""GTINs: the numbers under a barcode (GS1 General Specifications, section 7.9: check digit modulo 10)."""

from __future__ import annotations

import re

LENGTHS = (8, 12, 13, 14)
_MANGLED = re.compile(r"\d+([.,]\d+)?[eE]\+?\d+")


def parse_gtin(text: str) -> str:
    """The GTIN as 14 digits, zero-padded; "" for an empty text. Blanks and hyphens between digits are allowed.

    Raises:
        ValueError: it is no GTIN; the message is the reason, in words for the owner of the catalogue.
    """
    digits = re.sub(r"[\s-]", "", text)
    if not digits:
        return ""
    if _MANGLED.fullmatch(digits):
        raise ValueError(f"GTIN {text!r} was turned into a rounded number by a spreadsheet")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"GTIN {text!r} holds something else than digits")
    if len(digits) not in LENGTHS:
        raise ValueError(f"GTIN {text!r} has {len(digits)} digits instead of 8, 12, 13 or 14")
    if not digits.strip("0"):
        raise ValueError(f"GTIN {text!r} is only zeros")
    if int(digits[-1]) != check_digit(digits[:-1]):
        raise ValueError(f"GTIN {text!r} has the wrong check digit (wanted {check_digit(digits[:-1])})")
    return digits.zfill(14)


def check_digit(digits: str) -> int:
    """The check digit that belongs after `digits`: weights 3, 1, 3, ... from the right, up to the next ten."""
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(digits)))
    return -total % 10
