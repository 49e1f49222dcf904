"""Positions, facings, gaps and bays: exact tables, then made photos with their truth."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.shelves.facings import connected, group_facings
from recognition.shelves.layout import lay_out
from recognition.shelves.perspective import Pencil, upright
from recognition.types import NO_SKU, Status

SIZE = (1600, 1200)


def line(
    *skus: int | None, base: float = 500, width: float = 50, height: float = 80
) -> tuple[list[list[float]], list[int]]:
    """One box for each SKU side by side; None leaves a place free."""
    places = [(i, sku) for i, sku in enumerate(skus) if sku is not None]
    return [[i * 52.0, base - height, i * 52.0 + width, base] for i, _ in places], [sku for _, sku in places]


def table(layout) -> list[tuple[int, int, int, int, int]]:
    """(shelf, position, sku, wide, high) of every slot; sku -9 = empty."""
    return [
        (s.shelf, s.position, -9 if s.status == Status.EMPTY else s.sku, s.facings_wide, s.facings_high)
        for s in layout.slots
    ]


@pytest.mark.parametrize(
    ("skus", "slots"),
    [
        ([], []),
        ([7], [(1, 1, 7, 1, 1)]),
        ([7, 7, 7], [(1, 1, 7, 3, 1)]),
        ([7, 7, 8, 7], [(1, 1, 7, 2, 1), (1, 2, 8, 1, 1), (1, 3, 7, 1, 1)]),
        ([-1, -1], [(1, 1, -1, 1, 1), (1, 2, -1, 1, 1)]),
        ([-2, -2], [(1, 1, -1, 1, 1), (1, 2, -1, 1, 1)]),
        ([7, -1, 7], [(1, 1, 7, 1, 1), (1, 2, -1, 1, 1), (1, 3, 7, 1, 1)]),
        ([7, None, 7], [(1, 1, 7, 1, 1), (1, 2, -9, 0, 0), (1, 3, 7, 1, 1)]),
        ([7, None, None, 8], [(1, 1, 7, 1, 1), (1, 2, -9, 0, 0), (1, 3, 8, 1, 1)]),
    ],
)
def test_one_shelf(recognized, skus: list[int | None], slots: list[tuple[int, ...]]) -> None:
    boxes, known = line(*skus)
    layout = lay_out(np.array(boxes, np.float32).reshape(-1, 4), recognized(known), SIZE)
    assert table(layout) == slots
    for slot in layout.slots:
        assert all(layout.positions[m] == slot.position for m in slot.members)


def test_stack_is_wide_times_high(view, recognized) -> None:
    made = view([[(4, 70, 60, 3, 4), (5, 70, 220, 2, 1)], [(6, 70, 200, 5, 1)]], [260, 260])
    layout = lay_out(made.xyxy, recognized(made.sku), SIZE)
    assert table(layout) == [(1, 1, 4, 3, 4), (1, 2, 5, 2, 1), (2, 1, 6, 5, 1)]


@pytest.mark.parametrize(("tilt", "yaw"), [(10, 0), (0, 25), (-12, 15)])
def test_stacks_of_tilted_photos(view, recognized, tilt: float, yaw: float) -> None:
    made = view([[(4, 70, 60, 3, 3), (5, 70, 220, 4, 1)], [(6, 70, 200, 7, 1)]], [260, 260], tilt, yaw)
    layout = lay_out(made.xyxy, recognized(made.sku), SIZE)
    assert table(layout) == [(1, 1, 4, 3, 3), (1, 2, 5, 4, 1), (2, 1, 6, 7, 1)]


def test_other_product_on_top_follows_what_it_stands_on(recognized) -> None:
    low, skus = line(4, 4, 6)
    layout = lay_out(np.array([[0, 340, 50, 419], *low], np.float32), recognized([5, *skus]), SIZE)
    assert table(layout) == [(1, 1, 4, 2, 1), (1, 2, 5, 1, 1), (1, 3, 6, 1, 1)]


def test_unknown_stack_counts_from_the_left_then_up(recognized) -> None:
    low, skus = line(-1, -1)
    high, _ = line(-1, -1, base=419)
    layout = lay_out(np.array(low + high, np.float32), recognized(skus * 2), SIZE)
    assert layout.positions.tolist() == [1, 3, 2, 4]


def test_missing_unit_does_not_split_a_stack(recognized) -> None:
    boxes = [[0, 420, 50, 500], [52, 420, 102, 500], [52, 340, 102, 419], [52, 260, 102, 339], [0, 260, 50, 339]]
    layout = lay_out(np.array(boxes, np.float32), recognized([4] * 5), SIZE)
    assert table(layout) == [(1, 1, 4, 2, 3)]


def test_doubled_box_is_one_facing(recognized) -> None:
    boxes = [[0, 420, 50, 500], [2, 422, 52, 501], [104, 420, 154, 500]]
    layout = lay_out(np.array(boxes, np.float32), recognized([4, 4, 5]), SIZE)
    assert table(layout) == [(1, 1, 4, 1, 1), (1, 2, -9, 0, 0), (1, 3, 5, 1, 1)]


def test_slot_values_of_a_group(recognized) -> None:
    boxes, skus = line(4, 4, -2)
    layout = lay_out(np.array(boxes, np.float32), recognized(skus, [0.8, 0.6, 0.3]), SIZE)
    group, lone = layout.slots
    assert group.xyxy == (0, 420, 102, 500)
    assert (group.members, group.status, group.bay) == ((0, 1), Status.RECOGNIZED, 1)
    assert (group.confidence, group.margin) == (pytest.approx(0.7), pytest.approx(0.2))
    assert (lone.status, lone.sku, lone.confidence) == (Status.AMBIGUOUS, NO_SKU, pytest.approx(0.3))


def test_gap_is_as_high_as_its_neighbours_and_inside_the_picture(recognized) -> None:
    boxes, skus = line(4, 4, None, None, 5, 5)
    gap = next(
        s for s in lay_out(np.array(boxes, np.float32), recognized(skus), SIZE).slots if s.status == Status.EMPTY
    )
    assert gap.xyxy == pytest.approx((102, 420, 208, 500))
    assert (gap.sku, gap.members, gap.position) == (NO_SKU, (), 2)


@pytest.mark.parametrize(
    ("rows", "gaps"),
    [
        (([4] * 8, [4] * 8, [4] * 8), []),
        (([4] * 8, [4] * 6 + [None, None], [4] * 8), [(2, 2)]),
        (([4] * 8, [None, None] + [4] * 6, [4] * 8), [(2, 1)]),
        (([4] * 8, [4] * 3 + [None] * 5, [4] * 8), []),  # mostly empty: may be a shorter shelf
        (([4] * 8, [4] * 5), []),  # one other shelf only: where this one ends is not known
    ],
)
def test_gaps_at_the_ends_need_two_other_shelves(recognized, rows, gaps: list[tuple[int, int]]) -> None:
    parts = [line(*skus, base=900 - 120 * i) for i, skus in enumerate(rows)]
    boxes = np.array([box for part, _ in parts for box in part], np.float32)
    layout = lay_out(boxes, recognized([sku for _, part in parts for sku in part]), SIZE)
    assert [(s.shelf, s.position) for s in layout.slots if s.status == Status.EMPTY] == gaps


def test_box_of_another_shelf_in_the_free_place_is_no_gap(recognized) -> None:
    boxes, skus = line(4, 4, None, None, 5, 5)
    upper, more = line(6, 6, 6, 6, 6, 6, base=380)
    hanging = [[105, 400, 205, 470]]  # something over the empty place, whichever shelf it is counted to
    layout = lay_out(np.array(boxes + upper + hanging, np.float32), recognized(skus + more + [-1]), SIZE)
    assert all(slot.status != Status.EMPTY for slot in layout.slots)


def test_bays_part_at_a_strip_free_on_all_shelves(recognized) -> None:
    parts = [line(4, 4, 4, None, None, 4, 4, base=900 - 120 * i) for i in range(3)]
    boxes = np.array([box for part, _ in parts for box in part], np.float32)
    layout = lay_out(boxes, recognized([4] * len(boxes)), SIZE)
    wanted = [(1, shelf, 1, 3) for shelf in (1, 2, 3)] + [(2, shelf, 1, 2) for shelf in (1, 2, 3)]
    assert [(s.bay, s.shelf, s.position, s.facings_wide) for s in layout.slots] == wanted
    assert layout.bays.tolist() == [1, 1, 1, 2, 2] * 3


def test_free_strip_through_two_shelves_is_a_gap_on_each(recognized) -> None:
    parts = [line(4, 4, 4, None, None, 4, 4, base=900 - 120 * i) for i in range(2)]
    boxes = np.array([box for part, _ in parts for box in part], np.float32)
    layout = lay_out(boxes, recognized([4] * len(boxes)), SIZE)
    assert layout.bays.tolist() == [1] * 10
    assert [(s.shelf, s.position) for s in layout.slots if s.status == Status.EMPTY] == [(1, 2), (2, 2)]


def test_lines_run_along_the_bases(view, recognized) -> None:
    made = view([[(1, 70, 150, 12, 1)]] * 3, [220] * 3, tilt=8)
    layout = lay_out(made.xyxy, recognized(made.sku), (4000, 4000))
    slopes = (layout.lines[:, 1, 1] - layout.lines[:, 0, 1]) / (layout.lines[:, 1, 0] - layout.lines[:, 0, 0])
    assert layout.lines.shape == (3, 2, 2)
    assert slopes == pytest.approx(np.tan(np.radians(8)), abs=0.01)
    assert (np.diff(layout.lines[:, :, 1], axis=0) < 0).all()


def test_lines_and_gaps_end_at_the_border(recognized) -> None:
    boxes, skus = line(4, None, None, 4)
    layout = lay_out(np.array(boxes, np.float32), recognized(skus), (150, 490))
    assert layout.lines.max(axis=(0, 1)).tolist() == [150, 490]
    assert layout.slots[1].xyxy == pytest.approx((50, 420, 150, 490))


@pytest.mark.parametrize(("base", "told"), [(100, True), (60, True), (35, False)])
def test_a_gap_of_which_the_border_leaves_a_sliver_is_not_told(recognized, base: float, told: bool) -> None:
    parts = [line(4, None, None, 4, base=base), *(line(4, 4, 4, 4, base=base + 120 * i) for i in (1, 2, 3))]
    boxes = np.array([box for part, _ in parts for box in part], np.float32).clip(0)
    layout = lay_out(boxes, recognized([4] * len(boxes)), SIZE)
    assert any(s.status == Status.EMPTY for s in layout.slots) is told


def test_wrong_number_of_matches_is_refused(recognized) -> None:
    with pytest.raises(ValueError, match="0 boxes and 1 matches"):
        lay_out(np.zeros((0, 4), np.float32), recognized([1]), SIZE)


def test_random_photos_keep_every_box_and_find_most_facings(photo, recognized) -> None:
    right = total = 0
    for seed in range(60):
        made = photo(np.random.default_rng(seed), missed=0, false=0)
        layout = lay_out(made.xyxy, recognized(made.sku), made.size)
        assert sorted(m for slot in layout.slots for m in slot.members) == list(range(len(made.xyxy)))
        wanted = {sku: (made.sku == sku).sum() for sku in np.unique(made.sku)}
        found = {slot.sku: slot.facings_wide * slot.facings_high for slot in layout.slots if slot.members}
        right += sum(found[sku] == count for sku, count in wanted.items())
        total += len(wanted)
    assert right >= 0.98 * total


def test_random_photos_have_their_gaps_and_few_others(photo, recognized) -> None:
    found = sure = possible = 0
    for seed in range(60):
        made = photo(np.random.default_rng(seed), missed=0, false=0)
        layout = lay_out(made.xyxy, recognized(made.sku), made.size)
        found += sum(s.status == Status.EMPTY and 0 < _left_of(layout, s) < 1 for s in layout.slots)
        sure += sum(gap > 1.3 for gap in made.gaps)
        possible += sum(gap > 0.7 for gap in made.gaps)
    assert sure > 30
    assert 0.95 * sure <= found <= possible


def _left_of(layout, gap) -> float:
    """Share of a gap's shelf that stands left of it, 0..1."""
    others = [s for s in layout.slots if (s.bay, s.shelf) == (gap.bay, gap.shelf) and s.members]
    return sum(s.position < gap.position for s in others) / max(len(others), 1)


def test_order_of_boxes_changes_nothing(photo, recognized) -> None:
    made = photo(np.random.default_rng(5))
    one = lay_out(made.xyxy, recognized(made.sku), made.size)
    other = lay_out(made.xyxy[::-1].copy(), recognized(made.sku[::-1].copy()), made.size)
    assert other.positions[::-1].tolist() == one.positions.tolist()
    assert table(other) == table(one)


def test_groups_end_at_a_shelf_and_links_reach_far() -> None:
    boxes = upright(np.array([[0, 0, 10, 20], [11, 0, 21, 20]], np.float32), Pencil())
    groups = group_facings(boxes, np.array([0, 1], np.int32), np.array([3, 3]))
    assert [group.members for group in groups] == [(0,), (1,)]
    chain = np.eye(5, k=1, dtype=bool) | np.eye(5, k=-1, dtype=bool)
    assert connected(chain).tolist() == [0, 0, 0, 0, 0]
    assert connected(np.zeros((0, 0), bool)).tolist() == []
