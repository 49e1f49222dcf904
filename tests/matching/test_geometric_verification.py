import cv2
import numpy as np
import pytest

from recognition.matching.evidence import Evidence
from recognition.matching.overlay import overlay, small_picture
from recognition.matching.verify import Features, Verifier, extract, locate, stretch

BLANK = np.full((60, 40, 3), 200, np.uint8)


def test_no_crops_and_no_candidates():
    evidence = Verifier(lambda row: BLANK).verify([], np.zeros((0, 5), np.int64))
    assert evidence.inliers.shape == (0, 5)
    evidence = Verifier(lambda row: BLANK).verify([BLANK], np.full((1, 0), -1, np.int64))
    assert not evidence.verified.any()


def test_evidence_refuses_arrays_that_do_not_agree():
    with pytest.raises(ValueError, match="wanted five arrays"):
        Evidence(*np.zeros((4, 2, 3), np.float32), np.zeros((2, 2), np.float32), *np.zeros((2, 2), bool))


def test_the_right_reference_gathers_the_inliers(packs, photograph):
    rows = np.array([[3, 0, 1]], np.int64)
    evidence = Verifier(lambda row: packs[row]).verify([photograph(packs[3])], rows)
    assert evidence.verified.all()
    assert evidence.inliers[0, 0] >= 20
    assert evidence.inliers[0, 0] > 3 * evidence.inliers[0, 1:].max()
    assert evidence.likeness[0, 0] > 0.6


def test_hue_tells_two_flavours_of_one_layout_apart(packs, photograph):
    flavour = np.ascontiguousarray(packs[2][:, :, [1, 2, 0]])
    evidence = Verifier(lambda row: [packs[2], flavour][row]).verify([photograph(packs[2])], np.array([[0, 1]]))
    assert evidence.likeness[0, 0] > 0.2 + evidence.likeness[0, 1]


def test_proportions_tell_two_sizes_of_one_print_apart(packs):
    wide = cv2.resize(packs[2], None, fx=1.25, fy=1.0, interpolation=cv2.INTER_AREA)
    evidence = Verifier(lambda row: [packs[2], wide][row]).verify([packs[2]], np.array([[0, 1, -1]]))
    assert evidence.stretch[0].tolist() == pytest.approx([0, np.log(1.25), 0], abs=0.02)


@pytest.mark.parametrize(("one", "other", "wanted"), [(1, 2, 0.5), (2, 1, 0.5), (1.1, 1, 0.0953), (1, 1, 0)])
def test_stretch_is_bounded_and_has_no_sign(one, other, wanted):
    assert stretch(one, other) == pytest.approx(wanted, abs=1e-3)


def test_absent_candidates_stay_zero_and_a_missing_picture_leaves_the_crop_unverified(packs):
    crops = [packs[0], packs[0], packs[0]]
    rows = np.array([[0, -1], [0, 5], [-1, -1]], np.int64)
    evidence = Verifier(lambda row: packs[0] if row == 0 else None).verify(crops, rows)
    assert evidence.verified.tolist() == [True, False, False]
    assert evidence.inliers[0, 1] == 0 and not evidence.inliers[1:].any()


def test_each_reference_is_fetched_once_and_in_the_calling_thread(packs):
    import threading

    asked = []

    def fetch(row):
        asked.append((row, threading.current_thread()))
        return packs[row]

    Verifier(fetch).verify([packs[0], packs[1], packs[2]], np.array([[0, 1], [1, 0], [2, 0]]))
    assert sorted(row for row, _ in asked) == [0, 1, 2]
    assert {thread for _, thread in asked} == {threading.main_thread()}


def test_a_row_that_changes_its_picture_is_not_answered_from_memory(packs):
    rows = np.zeros((1, 1), np.int64)
    shown = [packs[4]]
    verifier = Verifier(lambda row: shown[0])
    assert verifier.verify([packs[4]], rows).inliers[0, 0] > 50
    shown[0] = packs[5]
    assert verifier.verify([packs[4]], rows).inliers[0, 0] < 20


@pytest.mark.parametrize("shape", [(1, 1), (5, 60), (300, 9), (8, 8)])
def test_any_size_of_crop_is_borne(packs, shape):
    crop = np.zeros((*shape, 3), np.uint8)
    evidence = Verifier(lambda row: packs[0]).verify([crop], np.zeros((1, 1), np.int64))
    assert evidence.verified.all() and evidence.inliers[0, 0] == 0


def test_read_only_pictures_and_slices_are_borne(packs):
    image = packs[0].copy()
    image.flags.writeable = False
    evidence = Verifier(lambda row: image).verify([packs[0][5:-5, 5:-5]], np.zeros((1, 1), np.int64))
    assert evidence.inliers[0, 0] > 20


def test_a_blank_picture_has_no_features():
    assert extract(BLANK).descriptors.shape == (0, 128)


def _grid(points):
    directions = np.eye(128, dtype=np.float32)[: len(points)]
    return Features(np.asarray(points, np.float32), directions)


SQUARE = np.array([[x, y] for x in range(0, 200, 50) for y in range(0, 200, 50)], np.float32)


@pytest.mark.parametrize(
    ("name", "source", "target", "inliers"),
    [
        ("nothing", SQUARE[:0], SQUARE[:0], 0),
        ("too few", SQUARE[:4], SQUARE[:4], 0),
        ("shifted and halved", SQUARE, SQUARE / 2 + 9, 16),
        ("mirrored", SQUARE, SQUARE * [-1, 1] + [200, 0], 0),
        ("ten times smaller", SQUARE, SQUARE / 10, 0),
        ("squeezed to a third", SQUARE, SQUARE * [0.3, 1], 0),
        ("on one line", SQUARE * [1, 0.01], SQUARE * [1, 0.01], 0),
    ],
)
def test_only_transforms_that_a_shelf_allows_count(name, source, target, inliers):
    found, transform = locate(_grid(target), _grid(source))
    assert found == inliers, name
    assert (transform is not None) == (inliers > 0)


def test_overlay_of_a_picture_with_itself_and_with_another(packs):
    unit = np.array([[220.0, 0, 0], [0, 220.0, 0]])
    same = overlay(packs[0], small_picture(packs[0]), unit)
    other = overlay(packs[1], small_picture(packs[0]), unit)
    assert same.likeness > 0.85 and same.hue > 0.95
    assert other.likeness < 0.4


def test_another_colour_lowers_the_hue_and_a_stretch_does_not(packs):
    reference, unit = small_picture(packs[0]), np.array([[220.0, 0, 0], [0, 220.0, 0]])
    same = overlay(packs[0], reference, unit)
    wide = cv2.resize(packs[0], None, fx=1.3, fy=1.0, interpolation=cv2.INTER_AREA)
    stretched = overlay(wide, reference, np.array([[1.3 * 220.0, 0, 0], [0, 220.0, 0]]))
    assert stretched.likeness == pytest.approx(same.likeness * 1.3**-2, abs=0.05)
    assert stretched.hue == pytest.approx(same.hue, abs=0.02)
    assert overlay(np.ascontiguousarray(packs[0][..., [1, 2, 0]]), reference, unit).hue < same.hue - 0.2


def test_overlay_bears_more_and_less_light_but_not_an_overlay_off_the_crop(packs):
    unit = np.array([[220.0, 0, 0], [0, 220.0, 0]])
    dim = cv2.convertScaleAbs(packs[0], alpha=0.6)
    assert overlay(dim, small_picture(packs[0]), unit).likeness > 0.6
    beside = np.array([[220.0, 0, 900], [0, 220.0, 0]])
    assert overlay(packs[0], small_picture(packs[0]), beside) == (0, 0)
