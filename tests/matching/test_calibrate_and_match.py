import numpy as np
import pytest
from fakes import FakeEncoder, FakeIndex

from recognition.matching import calibrate as module
from recognition.matching.calibrate import Reference, calibrate, choose_rows, default_calibration, draw_views
from recognition.matching.match import match
from recognition.matching.verify import Verifier
from recognition.matching.views import shelf_view
from recognition.settings import MatchSettings
from recognition.types import Neighbors, Status

ENCODER = FakeEncoder()
SETTINGS = MatchSettings()
SKUS = [100 + i for i in range(12)]


@pytest.fixture(scope="module")
def index(packs):
    return FakeIndex(SKUS, ENCODER.encode(packs))


def no_brands(skus):
    return {}


@pytest.fixture(scope="module", autouse=True)
def few_views():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WANTED_VIEWS", 48)
        yield


@pytest.fixture(scope="module")
def calibration(few_views, index, packs):
    sample = [Reference(sku, image) for sku, image in zip(SKUS, packs, strict=True)]
    return calibrate(index, draw_views(ENCODER, sample), Verifier(lambda row: packs[row]), no_brands)


def run(crops, index, calibration, packs, settings=SETTINGS):
    return match(crops, ENCODER.encode(crops), index, settings, calibration, Verifier(lambda row: packs[row]))


def test_no_crops(index, calibration, packs):
    matches = run([], index, calibration, packs)
    assert len(matches) == 0 and matches.skus.shape == (0, 5)


def test_an_empty_database_knows_nothing(packs):
    matches = run([packs[0]], FakeIndex(), default_calibration(0), packs)
    assert matches.status.tolist() == [Status.UNKNOWN]
    assert matches.skus.tolist() == [[-1] * 5]


@pytest.mark.parametrize("k", [1, 3, 50])
def test_k_candidates_are_given_and_missing_ones_are_filled_up(index, calibration, packs, k):
    matches = run([packs[0]], index, calibration, packs, MatchSettings(top_k=k))
    assert matches.skus.shape == (1, k)
    assert matches.skus[0, 0] == 100
    assert (matches.skus[0] >= 0).sum() == min(k, len(packs))
    assert np.isneginf(matches.scores[matches.skus < 0]).all()


def test_products_of_the_catalogue_are_recognized_and_strangers_are_not(index, calibration, packs, draw_pack):
    known = run([shelf_view(pack, 900 + i) for i, pack in enumerate(packs)], index, calibration, packs)
    strangers = run([shelf_view(draw_pack(50 + i), i) for i in range(24)], index, calibration, packs)
    assert (known.decided == SKUS).mean() >= 0.6
    assert (strangers.decided >= 0).mean() <= 0.1
    assert known.confidence.mean() > strangers.confidence.mean() + 0.3


def test_verification_recognizes_more_than_the_search_alone(index, calibration, packs, photograph):
    crops = [photograph(pack) for pack in packs]
    alone = run(crops, index, calibration, packs, MatchSettings(verify=False))
    verified = run(crops, index, calibration, packs)
    assert (verified.decided == SKUS).sum() > (alone.decided == SKUS).sum()


def test_pictures_are_fetched_for_verification_alone(index, calibration, packs):
    for verify, expected in ((True, len(packs)), (False, 0)):
        asked = []
        settings = MatchSettings(verify=verify)
        match(
            packs,
            ENCODER.encode(packs),
            index,
            settings,
            calibration,
            Verifier(lambda row, asked=asked: asked.append(row)),
        )
        assert len(asked) == expected


def test_without_pictures_the_search_decides(index, calibration, packs):
    vectors = ENCODER.encode(packs)
    blind = match(packs, vectors, index, MatchSettings(), calibration, Verifier(lambda row: None))
    alone = match(packs, vectors, index, MatchSettings(verify=False), calibration, Verifier(lambda row: None))
    assert np.array_equal(blind.status, alone.status)
    assert np.array_equal(blind.confidence, alone.confidence)


def test_calibration_is_fixed_by_its_seed_and_counts_what_it_saw(calibration):
    assert calibration.references == 12 and calibration.views == 48 and calibration.false_known == 0.02


@pytest.mark.parametrize("skus", [0, 1, 5])
def test_few_packs_get_the_defaults(packs, skus):
    index = FakeIndex(SKUS[:skus], ENCODER.encode(packs[:skus]))
    sample = [Reference(SKUS[i], packs[i]) for i in range(skus)]
    assert calibrate(
        index, draw_views(ENCODER, sample), Verifier(lambda row: packs[row]), no_brands, 0.01
    ) == default_calibration(skus, 0.01)


def test_many_references_of_one_pack_are_few_packs(packs):
    vectors = np.repeat(ENCODER.encode(packs[:1]), 9, axis=0)
    index = FakeIndex(range(9), vectors)
    sample = [Reference(i, packs[0]) for i in range(9)]
    assert calibrate(index, draw_views(ENCODER, sample), Verifier(lambda row: packs[0]), no_brands).views == 0


def test_without_thumbnails_only_the_search_is_calibrated(index, packs):
    sample = [Reference(sku, image) for sku, image in zip(SKUS, packs, strict=True)]
    calibration = calibrate(index, draw_views(ENCODER, sample), Verifier(lambda row: None), no_brands)
    defaults = default_calibration(12)
    assert calibration.verified == defaults.verified
    assert calibration.plain != defaults.plain


def test_left_out_skus_leave_the_others_in_order():
    found = Neighbors(np.array([[0.9, 0.8, 0.7]], np.float32), np.array([[1, 2, 3]]), np.array([[11, 12, 13]]))
    left = module._without(found, np.array([[1, -1]]))
    assert left.skus.tolist() == [[2, 3, -1]] and left.rows.tolist() == [[12, 13, -1]]
    assert left.scores[0, :2] == pytest.approx([0.8, 0.7]) and np.isneginf(left.scores[0, 2])


@pytest.mark.parametrize(("rows", "drawn"), [(0, 0), (7, 7), (1500, 1000)])
def test_the_sample_is_bounded_sorted_and_fixed_by_seed(rows, drawn):
    chosen = choose_rows(np.arange(rows), seed=3)
    assert len(chosen) == drawn == len(np.unique(chosen))
    assert np.array_equal(chosen, np.sort(chosen)) and np.array_equal(chosen, choose_rows(np.arange(rows), seed=3))
