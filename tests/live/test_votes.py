"""Tables of views and the answer that they add up to."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.live.votes import Votes
from recognition.types import Matches, Status

A, B, C = 1, 2, 3


def view(status: Status, confidence: float, *skus: int) -> Matches:
    row = np.array([[*skus, -1, -1][:2]], np.int64)
    scores = np.where(row >= 0, 0.8, -np.inf).astype(np.float32)
    return Matches(np.array([status], np.int8), row, scores, np.array([confidence], np.float32))


def seen(sku: int, confidence: float = 0.9) -> Matches:
    return view(Status.RECOGNIZED, confidence, sku)


NOTHING = view(Status.UNKNOWN, 0.05)


@pytest.mark.parametrize(
    ("views", "status", "sku"),
    [
        ([], Status.UNKNOWN, -1),
        ([seen(A)], Status.RECOGNIZED, A),
        ([seen(A, 0.3)], Status.RECOGNIZED, A),
        ([NOTHING], Status.UNKNOWN, -1),
        ([view(Status.AMBIGUOUS, 0.5, A, B)], Status.AMBIGUOUS, -1),
        ([view(Status.AMBIGUOUS, 0.5, A, B), view(Status.AMBIGUOUS, 0.5, B, A)] * 2, Status.AMBIGUOUS, -1),
        ([view(Status.AMBIGUOUS, 0.5, A, B)] * 5, Status.RECOGNIZED, A),  # the same first each time
        ([NOTHING] * 3 + [seen(A)], Status.RECOGNIZED, A),  # small packs are named in few views
        ([view(Status.AMBIGUOUS, 0.5, A, B), seen(B)], Status.RECOGNIZED, B),
        ([NOTHING, seen(A, 0.99)], Status.RECOGNIZED, A),
        ([seen(A), seen(B)], Status.RECOGNIZED, A),  # as sure as the other: stays
        ([seen(A, 0.55), seen(B, 0.95)], Status.RECOGNIZED, B),  # far surer than a poor first view
        ([seen(A), seen(B), seen(B)], Status.RECOGNIZED, B),
        ([seen(A, 0.75), seen(B, 0.7), seen(B, 0.7)], Status.RECOGNIZED, B),  # the first of few views says little
        ([seen(A, 0.75)] * 4 + [seen(B, 0.7)] * 4, Status.RECOGNIZED, A),  # of many it stays in doubt
        ([seen(A, 0.99)] * 10 + [seen(B, 0.6)] * 3, Status.RECOGNIZED, A),
        ([seen(A, 0.99)] * 10 + [seen(B, 0.99)] * 4, Status.RECOGNIZED, B),  # old evidence fades
        ([seen(A)] * 3 + [NOTHING], Status.RECOGNIZED, A),
        ([seen(A)] * 3 + [NOTHING] * 4, Status.RECOGNIZED, A),  # nothing looked otherwise: poor views
        ([seen(A), seen(B), seen(C)], Status.RECOGNIZED, A),
    ],
)
def test_views_add_up(views: list[Matches], status: Status, sku: int) -> None:
    votes = Votes()
    for one in views:
        votes.add(one, 0)
    answer = votes.answer()
    assert (answer.status, answer.sku) == (status, sku)
    assert votes.views == len(views)


def test_a_place_that_looks_otherwise_is_named_anew() -> None:
    votes = Votes()
    for one in [seen(A, 0.99)] * 5:
        votes.add(one, 0)
    votes.reconsider()
    for one in [NOTHING] * 8:
        votes.add(one, 0)
    assert votes.answer().sku == -1


def test_more_views_make_surer_and_a_single_one_keeps_its_confidence() -> None:
    votes, sure = Votes(), []
    for _ in range(4):
        votes.add(seen(A, 0.8), 0)
        sure.append(votes.answer().confidence)
    assert sure[0] == pytest.approx(0.8, abs=0.01) and sure == sorted(sure) and sure[-1] < 1


def test_a_poor_view_says_less_and_a_contradiction_is_contested() -> None:
    votes = Votes()
    votes.add(seen(A), 0)
    assert not votes.contested
    votes.add(seen(B, 0.99), 0, weight=0.3)
    assert votes.contested and votes.answer().sku == A
    assert votes.answer().candidates == (A, B)


def test_what_is_remembered_is_bounded() -> None:
    votes = Votes()
    for sku in range(1000):
        votes.add(seen(sku), 0)
    assert len(votes._sums) < 40 and len(votes._scores) < 40
