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


_RESTRICTED = (
    (20, 29, "a number that a company or shop gives itself (02)"),
    (40, 49, "a number that a company gives itself (04)"),
    (50, 59, "a coupon (05)"),
    (200, 299, "a number that a shop gives itself (2)"),
    (952, 952, "a number for demonstrations (952)"),
    (980, 984, "a refund or coupon (980 to 984)"),
    (990, 999, "a coupon (99)"),
)
_RESTRICTED_8 = ((0, 99), (200, 299))


def suspicion(gtin: str) -> str:
    """Why a GTIN of 14 digits can hardly be that of a product on many shelves, or "" (GS1 General Specifications, 1.4).

    Prefixes of restricted circulation mean something else in every shop or company.
    """
    try:
        if not parse_gtin(gtin):
            return ""
    except ValueError as error:
        return str(error)
    if gtin.startswith("000000"):
        start = int(gtin[6:9])
        return "a number of 8 digits that a shop gives itself" if _within(start, _RESTRICTED_8) else ""
    if gtin[0] == "9":
        return "goods of varying measure (indicator 9)"
    if gtin[0] != "0":
        return f"a case or pallet, not a single product (indicator {gtin[0]})"
    start = int(gtin[1:4])
    return next((reason for first, last, reason in _RESTRICTED if first <= start <= last), "")


def _within(number: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= number <= last for first, last in ranges)
