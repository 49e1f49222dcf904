from __future__ import annotations

import pytest

from recognition.skus.gtin import check_digit, parse_gtin


@pytest.mark.parametrize(
    ("text", "gtin"),
    [
        ("", ""),
        ("  ", ""),
        ("96385074", "00000096385074"),
        ("036000291452", "00036000291452"),
        ("4006381333931", "04006381333931"),
        ("10012345000017", "10012345000017"),
        (" 400-6381 333931 ", "04006381333931"),
    ],
)
def test_gtins_become_fourteen_digits(text: str, gtin: str) -> None:
    assert parse_gtin(text) == gtin


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("4006381333932", "check digit"),
        ("5.01E+12", "spreadsheet"),
        ("5,01e+12", "spreadsheet"),
        ("5E12", "spreadsheet"),
        ("12345", "5 digits"),
        ("00000000", "zeros"),
        ("40063813E3931x", "something else"),
        ("٤٠٠٦٣٨١٣", "something else"),
    ],
)
def test_what_is_no_gtin_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_gtin(text)


def test_every_single_wrong_digit_is_noticed() -> None:
    good = "4006381333931"
    for place in range(13):
        for digit in "0123456789":
            bad = good[:place] + digit + good[place + 1 :]
            assert (check_digit(bad[:-1]) == int(bad[-1])) == (bad == good)
