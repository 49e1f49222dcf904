from __future__ import annotations

from math import log

import numpy as np
import pytest

from recognition.evaluation.embedding_map import principal_plane, silhouette
from recognition.evaluation.fairness import (
    Names,
    draw_rows,
    fairness_index,
    largest_brands,
    measure_fairness,
    size_bands,
)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def random_vectors(rows: int, dim: int = 32, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(rows, dim)))


@pytest.mark.parametrize(
    ("answers", "catalogue", "index"),
    [
        ([10, 10], [1, 1], 1.0),
        ([30, 10], [3, 1], 1.0),
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([3, 1], [1, 1], 1 / (1 + 0.75 * log(1.5) + 0.25 * log(0.5))),
        ([0, 5], [1, 1], 1 / (1 + log(2))),
        ([0, 0, 0, 7], [5, 5, 5, 5], 1 / (1 + log(4))),
        ([0, 7], [9, 1], 1 / (1 + log(10))),
        ([7, 0], [9, 1], 1 / (1 + log(10 / 9))),
        ([2, 0, 2], [1, 0, 1], 1.0),
    ],
)
def test_the_index_by_hand(answers: list[int], catalogue: list[int], index: float) -> None:
    assert fairness_index(np.array(answers), np.array(catalogue)) == pytest.approx(index, abs=1e-12)


@pytest.mark.parametrize(("answers", "catalogue"), [([], []), ([0, 0], [1, 1]), ([1, 1], [2, 0])])
def test_an_index_of_nothing_or_of_strangers_is_refused(answers: list[int], catalogue: list[int]) -> None:
    with pytest.raises(ValueError, match="wanted answers"):
        fairness_index(np.array(answers, np.int64), np.array(catalogue, np.int64))


def test_random_answers_are_as_fair_as_chance_and_a_brand_that_swallows_all_is_not() -> None:
    brand = np.repeat(np.arange(5), 40)
    rows = draw_rows(brand, 100)
    vectors, queries = random_vectors(200), random_vectors(100, seed=1)
    fair = measure_fairness(queries, rows, vectors, brand, 10)
    assert fair is not None and (fair.n, fair.brands) == (1000, 5)
    assert fair.index > 0.95 and fair.random > 0.99
    hub = vectors.copy()
    hub[brand == 3] = unit(queries.mean(axis=0, keepdims=True) + 0.01 * hub[brand == 3])
    queries = unit(queries + 2 * hub[brand == 3][0])
    swallowed = measure_fairness(queries, rows, hub, brand, 10)
    assert swallowed is not None and swallowed.n == fair.n
    assert swallowed.index == pytest.approx(1 / (1 + log(5)), abs=0.01)


def test_the_own_reference_and_rows_without_a_brand_are_no_answers() -> None:
    """Four rows of two brands; each is nearest to itself, then to an unbranded copy, then to the other brand."""
    base = np.eye(4)[[0, 1]]
    vectors = unit(np.concatenate([base, base, base + 0.1 * np.eye(4)[[2, 3]]]))  # brand 0, none, brand 1
    brand = np.array([0, 0, -1, -1, 1, 1])
    found = measure_fairness(vectors[:2], np.array([0, 1]), vectors, brand, 1)
    assert found is not None and found.n == 2
    assert found.index == pytest.approx(1 / (1 + log(2))), "both answers are of brand 1"
    found = measure_fairness(vectors[[0, 4]], np.array([0, 4]), vectors, brand, 1)
    assert found is not None and found.index == 1, "each is answered by the other's brand"
    both = measure_fairness(vectors[[0, 2, 4]], np.array([0, 2, 4]), vectors, brand, 1)
    assert both == found, "a query without a brand is passed over"


@pytest.mark.parametrize(
    ("brand", "top"),
    [([-1] * 6, 1), ([0] * 6, 1), ([0, 0, 0, 1, 1, 1], 5), ([0, 1, -1, -1, -1, -1], 1)],
    ids=["no brand", "one brand", "every row would be an answer", "two rows with a brand"],
)
def test_where_nothing_can_be_measured(brand: list[int], top: int) -> None:
    assert measure_fairness(random_vectors(6), np.arange(6), random_vectors(6), np.array(brand), top) is None


def test_no_references_no_fairness() -> None:
    nothing = np.zeros(0, np.int64)
    assert measure_fairness(random_vectors(0), nothing, random_vectors(0), nothing, 10) is None


def test_a_part_is_a_catalogue_of_its_own() -> None:
    vectors, brand = random_vectors(60), np.arange(60) % 3
    among = np.arange(60) < 30
    rows = np.arange(60)
    part = measure_fairness(vectors, rows, vectors, brand, 4, among)
    alone = measure_fairness(vectors[:30], rows[:30], vectors[:30], brand[:30], 4)
    assert part == alone and part is not None and part.n == 120
    assert measure_fairness(vectors[:30], rows[:30], vectors, brand, 4, ~among) is None, "no query of the part"


def test_rows_are_drawn_in_proportion() -> None:
    assert len(draw_rows(np.zeros(0, np.int64), 10)) == 0
    assert draw_rows(np.array([0, 1, -1]), 6).tolist() == [0, 0, 1, 1, 2, 2]
    assert len(draw_rows(np.array([0, 1]), 1000)) == 24, "twelve views each, not more"
    sizes = [5000, 300, 21, 4, 1]
    brand = np.random.default_rng(1).permutation(np.repeat(np.arange(5), sizes))
    rows = draw_rows(brand, 500)
    assert len(np.unique(rows)) == len(rows) == 500
    wanted = np.array(sizes) * 500 / sum(sizes)
    assert (np.abs(np.bincount(brand[rows], minlength=5) - wanted) < 1).all()
    assert np.array_equal(rows, draw_rows(brand, 500)) and not np.array_equal(rows, draw_rows(brand, 500, seed=1))


@pytest.mark.parametrize(
    ("sizes", "bands"),
    [
        ([4, 3, 1, 1], [0, 1, 2, 2]),
        ([1, 1, 4, 3], [2, 2, 0, 1]),
        ([5], [0]),
        ([90, 5, 5], [0, 2, 2]),
        ([1, 1, 1], [0, 1, 2]),
        ([2, 2], [0, 1]),
    ],
)
def test_head_middle_and_tail(sizes: list[int], bands: list[int]) -> None:
    brand = np.append(np.repeat(np.arange(len(sizes)), sizes), -1)
    found = size_bands(brand)
    assert [found[brand == number][0] for number in range(len(sizes))] == bands
    assert found[-1] == -1


def test_bands_of_nothing() -> None:
    assert size_bands(np.zeros(0, np.int64)).tolist() == []
    assert size_bands(np.array([-1, -1])).tolist() == [-1, -1]


def test_the_ten_largest_brands() -> None:
    brand = np.repeat(np.arange(12), np.arange(1, 13))
    assert sorted(largest_brands(brand).tolist()) == list(range(2, 12))
    assert largest_brands(brand[brand < 10]).tolist() == [], "with ten brands every answer would count"
    assert largest_brands(np.array([-1])).tolist() == []


def test_texts_become_numbers() -> None:
    assert Names.number([]).names == ()
    found = Names.number(["b", "", "a", "b"])
    assert found.names == ("a", "b") and found.of.tolist() == [1, -1, 0, 1]


def slow_silhouette(vectors: np.ndarray, group: np.ndarray) -> float:
    distances = 1 - vectors.astype(float) @ vectors.T.astype(float)
    values = []
    for i in range(len(vectors)):
        mine = (group == group[i]) & (np.arange(len(vectors)) != i)
        if not mine.any():
            values.append(0.0)
            continue
        a = distances[i, mine].mean()
        b = min(distances[i, group == other].mean() for other in set(group.tolist()) - {group[i]})
        values.append((b - a) / max(a, b))
    return float(np.mean(values))


def test_silhouette_against_its_definition() -> None:
    dice = np.random.default_rng(3)
    group = np.append(dice.integers(0, 7, 1500), 99)  # the last alone in its group
    vectors = unit(dice.normal(size=(8, 16))[np.minimum(group, 7)] + dice.normal(size=(1501, 16)))
    assert silhouette(vectors, group) == pytest.approx(slow_silhouette(vectors, group), abs=1e-6)
    left_out = np.append(group, [-1, -1])
    assert silhouette(np.concatenate([vectors, vectors[:2]]), left_out) == pytest.approx(silhouette(vectors, group))


@pytest.mark.parametrize("group", [[], [-1, -1, -1], [0, 0, 0], [0, 1, 2]])
def test_silhouette_where_nothing_can_be_said(group: list[int]) -> None:
    assert np.isnan(silhouette(random_vectors(len(group)), np.array(group, np.int64)))


def test_silhouette_of_apart_and_of_mixed_groups() -> None:
    vectors = unit(np.repeat(np.eye(2), 5, axis=0))
    assert silhouette(vectors, np.repeat([0, 1], 5)) == pytest.approx(1)
    assert silhouette(vectors, np.arange(10) % 2) < 0.01


def test_the_plane_keeps_what_varies_most() -> None:
    dice = np.random.default_rng(0)
    flat = dice.normal(size=(50, 2)) @ dice.normal(size=(2, 9)) + 5
    plane = principal_plane(flat.astype(np.float32))
    assert plane.explained == pytest.approx(1, abs=1e-6) and np.abs(plane.points).max() == pytest.approx(1)
    between = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    shown = np.linalg.norm(plane.points[:, None] - plane.points[None], axis=2)
    assert np.allclose(shown / shown.max(), between / between.max(), atol=1e-5), "distances stay"
    again = principal_plane(flat[::-1].astype(np.float32))
    assert np.allclose(again.points[::-1], plane.points, atol=1e-5), "no mirrored map for another order"
    one = principal_plane(random_vectors(1))
    assert one.points.tolist() == [[0, 0]] and one.explained == 0
