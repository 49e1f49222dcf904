from __future__ import annotations

import pytest

from recognition.skus.csv_text import guard, unguard


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", ""),
        ("plain", "plain"),
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-5", "'-5"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'quoted'", "'quoted'"),
        ("'=1", "''=1"),
        ("a=1", "a=1"),
    ],
)
def test_dangerous_text_is_guarded_and_comes_back(text: str, written: str) -> None:
    assert guard(text) == written
    assert unguard(written) == text


def test_an_apostrophe_of_the_text_itself_stays() -> None:
    assert unguard("'s Heeren Loo") == "'s Heeren Loo"
