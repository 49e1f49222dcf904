import json
from dataclasses import replace

import numpy as np
import pytest

from recognition.errors import DatabaseDamagedError
from recognition.matching.blocks import support
from recognition.matching.calibrate import Calibration, default_calibration, needs_recalibration
from recognition.matching.calibration import Model, printed
from recognition.matching.decide import decide
from recognition.matching.evidence import Evidence
from recognition.types import Neighbors, Status

PLAIN = Model(choice=(30.0,), known=(20.0, 0.0, 0.0), bias=-12.0, accept=1.0)
VERIFIED = Model(
    choice=(30.0, 1.0, 4.0, 1.0, 2.0, 3.0), known=(5.0, 1.0, 4.0, 1.0, 0.0, 0.0, 0.0, 0.0), bias=-6.0, accept=1.0
)
CALIBRATION = Calibration(PLAIN, VERIFIED, references=10, views=100, false_known=0.02)


def neighbors(*rows):
    scores = np.array([[s for _, s in row] for row in rows], np.float32)
    skus = np.array([[sku for sku, _ in row] for row in rows], np.int64)
    return Neighbors(scores, skus, skus.copy())


def evidence(inliers, likeness, verified=True, small=False, stretch=None):
    agreed, alike = np.array([inliers], np.float32), np.array([likeness], np.float32)
    none = np.zeros_like(alike)
    stretched = none if stretch is None else np.array([stretch], np.float32)
    return Evidence(agreed, alike, none + 1, none, stretched, np.array([verified]), np.array([small]))


@pytest.mark.parametrize("columns", [0, 1, 5])
def test_no_crops(columns):
    found = Neighbors(
        np.zeros((0, columns), np.float32), np.zeros((0, columns), np.int64), np.zeros((0, columns), np.int64)
    )
    matches = decide(found, CALIBRATION, None)
    assert len(matches) == 0 and matches.skus.shape == (0, columns)


def test_no_columns_is_unknown():
    found = Neighbors(np.zeros((2, 0), np.float32), np.zeros((2, 0), np.int64), np.zeros((2, 0), np.int64))
    matches = decide(found, CALIBRATION, None)
    assert matches.status.tolist() == [Status.UNKNOWN] * 2
    assert matches.confidence.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ([(-1, -np.inf), (-1, -np.inf)], Status.UNKNOWN),
        ([(7, 0.9), (-1, -np.inf)], Status.RECOGNIZED),
        ([(7, 0.5), (-1, -np.inf)], Status.UNKNOWN),
        ([(7, 0.9), (8, 0.6)], Status.RECOGNIZED),
        ([(7, 0.9), (8, 0.899)], Status.AMBIGUOUS),
        ([(7, 0.5), (8, 0.499)], Status.UNKNOWN),
    ],
)
def test_status_by_search_alone(row, status):
    matches = decide(neighbors(row), CALIBRATION, None)
    assert matches.status.tolist() == [status]
    assert matches.skus.tolist() == [[sku for sku, _ in row]]
    assert 0 <= matches.confidence[0] <= 1


def test_verification_moves_rank_and_confidence_but_no_score():
    found = neighbors([(7, 0.8), (8, 0.798), (9, 0.5)])
    before = decide(found, CALIBRATION, None)
    after = decide(found, CALIBRATION, evidence([0, 60], [0, 0.9]))
    assert before.skus.tolist() == [[7, 8, 9]]
    assert after.skus.tolist() == [[8, 7, 9]]
    assert after.scores[0] == pytest.approx([0.798, 0.8, 0.5])
    assert after.status[0] == Status.RECOGNIZED and before.status[0] == Status.AMBIGUOUS
    assert after.confidence[0] > before.confidence[0]


def test_verification_turns_down_what_the_search_would_take():
    found = neighbors([(7, 0.9), (8, 0.2)])
    assert decide(found, CALIBRATION, None).status[0] == Status.RECOGNIZED
    assert decide(found, CALIBRATION, evidence([0, 0], [0, 0])).status[0] == Status.UNKNOWN


def test_rows_that_were_not_verified_are_decided_by_the_search():
    found = neighbors([(7, 0.9), (8, 0.2)])
    ignored = decide(found, CALIBRATION, evidence([0, 99], [0, 1], verified=False))
    assert ignored.skus.tolist() == [[7, 8]] and ignored.status[0] == Status.RECOGNIZED


def test_candidates_beyond_the_verified_ones_keep_their_places():
    found = neighbors([(1, 0.8), (2, 0.8), (3, 0.8), (4, 0.8)])
    matches = decide(found, CALIBRATION, evidence([0, 50], [0, 1]))
    assert matches.skus.tolist() == [[2, 1, 3, 4]]


def test_a_product_of_which_nothing_is_seen_is_unknown_whatever_its_score():
    found = neighbors([(7, 0.99), (8, 0.3)])
    for inliers, likeness, status in (
        (0, 0.19, Status.UNKNOWN),
        (0, 0.9, Status.RECOGNIZED),
        (60, 0.1, Status.RECOGNIZED),
    ):
        assert decide(found, CALIBRATION, evidence([inliers, 0], [likeness, 0])).status[0] == status


def test_a_crop_too_small_for_print_is_left_to_its_score():
    found = neighbors([(7, 0.99), (8, 0.3)])
    generous = replace(CALIBRATION, verified=replace(VERIFIED, accept=-2.0))
    for small, status in ((False, Status.UNKNOWN), (True, Status.RECOGNIZED)):
        assert decide(found, generous, evidence([0, 0], [0, 0], small=small)).status[0] == status


def test_the_best_of_several_look_alikes_is_named_and_the_best_of_two_only_when_it_leads():
    for row, status in (
        ([(7, 0.9), (8, 0.86), (9, 0.85), (10, 0.85)], Status.RECOGNIZED),
        ([(7, 0.9), (8, 0.895), (9, 0.5)], Status.AMBIGUOUS),
        ([(7, 0.9), (8, 0.89), (9, 0.89), (10, 0.89)], Status.AMBIGUOUS),
    ):
        matches = decide(neighbors(row), CALIBRATION, None)
        assert matches.status[0] == status, row


def test_of_two_sizes_of_one_print_the_one_of_the_same_proportions_is_named():
    found = neighbors([(7, 0.9), (8, 0.9)])
    assert decide(found, CALIBRATION, evidence([20, 20], [0.6, 0.6])).status[0] == Status.AMBIGUOUS
    matches = decide(found, CALIBRATION, evidence([20, 20], [0.6, 0.6], stretch=[0.2, 0.02]))
    assert matches.status[0] == Status.RECOGNIZED and matches.skus[0, 0] == 8


def test_equal_neighbours_decide_what_is_nearly_even_and_nothing_else():
    row = [(7, 0.9), (8, 0.6)]
    found = neighbors(row, [(8, 0.9), (7, 0.895)], row, [(8, 0.9), (7, 0.8)], [(8, 0.5), (7, 0.499)])
    near = np.zeros((5, 5), bool)
    near[[0, 1, 1, 2, 2, 3, 3, 4], [1, 0, 2, 1, 3, 2, 4, 3]] = True
    alone = decide(found, CALIBRATION, None)
    beside = decide(found, CALIBRATION, None, lambda skus, matches: support(near, skus, matches))
    assert alone.decided.tolist() == [7, -1, 7, 8, -1]
    assert beside.decided.tolist() == [7, 7, 7, 8, -1]
    assert beside.skus[1].tolist() == [7, 8] and beside.scores[1].tolist() == pytest.approx([0.895, 0.9])


def test_confidence_falls_with_the_score_and_with_a_second_that_comes_near():
    rows = [[(7, s), (8, t)] for s, t in ((0.9, 0.2), (0.7, 0.2), (0.7, 0.68))]
    confidence = decide(neighbors(*rows), CALIBRATION, None).confidence
    assert confidence[0] > confidence[1] > confidence[2]


def test_calibration_survives_its_text():
    for calibration in (CALIBRATION, default_calibration(3)):
        assert Calibration.from_json(calibration.to_json()) == calibration


def test_thresholds_of_former_evidence_give_way_to_cautious_ones_and_are_set_anew(caplog):
    old = json.loads(CALIBRATION.to_json())
    del old["evidence"]
    found = Calibration.from_json(json.dumps(old))
    assert "skus build" in caplog.text
    assert (found.plain, found.verified) == (default_calibration(10).plain, default_calibration(10).verified)
    assert needs_recalibration(found, 10) and not needs_recalibration(CALIBRATION, 10)


@pytest.mark.parametrize(("inliers", "print_"), [(0, 0), (12, 1 + np.log(13)), (120, 10 + np.log(121))])
def test_print_counts_the_first_keypoints_most_and_the_others_evenly(inliers, print_):
    assert printed(np.float32(inliers)) == pytest.approx(print_)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"plain": 1, "verified": 2}'])
def test_text_that_is_no_calibration_is_refused(text):
    with pytest.raises(DatabaseDamagedError) as caught:
        Calibration.from_json(text)
    assert caught.value.hint


@pytest.mark.parametrize(("references", "needed"), [(0, False), (10, False), (14, False), (15, True), (500, True)])
def test_calibration_is_redone_when_the_catalogue_has_grown_by_half(references, needed):
    assert needs_recalibration(CALIBRATION, references) is needed


@pytest.mark.parametrize(
    ("score", "inliers", "likeness", "status"),
    [
        (0.85, None, None, Status.UNKNOWN),
        (0.95, None, None, Status.RECOGNIZED),
        (0.95, 0, 0.0, Status.UNKNOWN),
        (0.3, 12, 0.5, Status.UNKNOWN),
        (0.3, 19, 0.5, Status.RECOGNIZED),
        (0.3, 12, 0.7, Status.RECOGNIZED),
    ],
)
def test_defaults_are_as_documented(score, inliers, likeness, status):
    found = neighbors([(7, score)])
    seen = None if inliers is None else evidence([inliers], [likeness])
    calibration = default_calibration(1)
    assert decide(found, calibration, seen).status[0] == status
