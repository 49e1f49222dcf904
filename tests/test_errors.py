from __future__ import annotations

import re

import pytest

from recognition import errors
from recognition.errors import RecognitionError, UsageError

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RecognitionError)]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RecognitionError("a.jpg: broken"), "a.jpg: broken"),
        (RecognitionError("a.jpg: broken", "take another"), "a.jpg: broken (take another)"),
    ],
)
def test_an_error_says_what_and_what_next(error: RecognitionError, text: str) -> None:
    assert str(error) == text
    assert error.message == "a.jpg: broken"


def test_only_wrong_usage_exits_with_2() -> None:
    assert {kind: kind.exit_code for kind in ALL} == {kind: 2 if kind is UsageError else 1 for kind in ALL}


def test_the_tree_at_the_top_is_the_tree() -> None:
    """Depth of a name in the drawing = its depth in the classes, and none is left out."""
    drawn = re.findall(r"^    ([│ ├└─]*)(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    assert {name: len(lead) // 4 for lead, name in drawn} == {kind.__name__: len(kind.__mro__) - 4 for kind in ALL}


def test_each_error_says_when_it_happens() -> None:
    assert all(kind.__doc__ and kind.__doc__.strip().endswith(".") for kind in ALL)
