"""Labels held against a detector: which stay, which go, which come, and the set that is written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition.errors import UsageError
from recognition.evaluation.datasets import read_labelled
from recognition.training.detector_data import read_examples
from recognition.training.relabel import LEAST, judged, relabel
from recognition.types import Detections, Image

PACK = (20.0, 20.0, 60.0, 90.0)
OTHER = (100.0, 20.0, 140.0, 90.0)
NOISE = np.random.default_rng(5).integers(0, 255, (120, 200, 3), dtype=np.uint8)


class Judge:
    """Finds the same boxes in every photo, and in its mirror image where they then are, unless it is one-eyed."""

    name = "judge"

    def __init__(self, *found: tuple[tuple[float, ...], float], one_eyed: bool = False) -> None:
        self.found, self.one_eyed, self.asked = list(found), one_eyed, 0

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        self.asked += 1
        boxes = np.array([box for box, _ in self.found], np.float32).reshape(-1, 4)
        scores = np.array([score for _, score in self.found], np.float32)
        mirrored = boxes.copy()
        mirrored[:, [0, 2]] = images[0].shape[1] - boxes[:, [2, 0]]
        assert np.array_equal(images[1], images[0][:, ::-1])
        return [Detections(boxes, scores), Detections.empty() if self.one_eyed else Detections(mirrored, scores)]


def kept(labels: Detections, judge: Judge) -> Detections:
    found = judged(NOISE, labels, judge)
    return found.select(found.scores >= LEAST)


def labels(*given: tuple[tuple[float, ...], float]) -> Detections:
    return Detections(
        np.array([box for box, _ in given], np.float32).reshape(-1, 4), np.array([s for _, s in given], np.float32)
    )


def test_a_label_and_a_box_of_one_product_become_their_mean() -> None:
    found = kept(labels((PACK, 0.5)), Judge(((24.0, 20.0, 64.0, 90.0), 0.5)))
    np.testing.assert_allclose(found.xyxy, [[22, 20, 62, 90]], atol=1e-3)
    np.testing.assert_allclose(found.scores, [0.5], atol=1e-6)


@pytest.mark.parametrize(("score", "stays"), [(1.0, 1), (0.6, 1), (0.5, 0)])
def test_a_label_that_nothing_confirms_stays_if_people_made_it_or_it_is_sure(score: float, stays: int) -> None:
    assert len(kept(labels((PACK, score)), Judge())) == stays


@pytest.mark.parametrize(("score", "confirmed"), [(0.3, 1), (0.05, 0)])
def test_an_unsure_label_stays_where_the_judge_sees_enough_of_it(score: float, confirmed: int) -> None:
    assert len(kept(labels((PACK, 0.45)), Judge((PACK, score)))) == confirmed


@pytest.mark.parametrize(("score", "one_eyed", "added"), [(0.7, False, 1), (0.7, True, 0), (0.5, False, 0)])
def test_what_the_judge_alone_finds_must_be_sure_as_it_is_and_mirrored(
    score: float, one_eyed: bool, added: int
) -> None:
    found = kept(labels((PACK, 1.0)), Judge((PACK, 0.9), (OTHER, score), one_eyed=one_eyed))
    assert len(found) == 1 + added


def shelf(folder: Path, count: int = 4) -> Path:
    """Photos with a label of 0.5 and one without a score; the last has no label file."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"images/{number}.png"), NOISE)
        if number < count - 1:
            text = "0 0.2 0.458333 0.2 0.583333 0.5\n0 0.6 0.458333 0.2 0.583333\n"
            (folder / f"labels/{number}.txt").write_text(text)
    return folder


def test_the_new_set_is_trained_on_and_keeps_what_it_is_measured_on(tmp_path: Path) -> None:
    photos, left_out = relabel(
        shelf(tmp_path / "old"), Judge((OTHER, 0.9)), "judge.pt", tmp_path / "new", 0.25, False, lambda text: None
    )
    assert (photos, left_out) == (3, ())
    split = read_examples([tmp_path / "new"], 0.5)
    assert [len(e.boxes) for e in split.held_out] == [2]  # as it was
    assert [len(e.boxes) for e in split.train] == [1, 1, 1]  # the unsure label is gone, and one has come without labels
    np.testing.assert_allclose(split.train[0].in_pixels(200, 120), [OTHER], atol=1e-3)
    assert split.train[0].path.resolve() == (tmp_path / "old/images/1.png").resolve()


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    old, new = shelf(tmp_path / "old"), tmp_path / "new"
    relabel(old, Judge(), "judge.pt", new, 0.25, False, lambda text: None)
    written = sorted(new.rglob("*.txt"))
    written[0].unlink()
    judge = Judge((OTHER, 0.9))
    relabel(old, judge, "judge.pt", new, 0.25, False, lambda text: None)
    assert judge.asked == 1
    assert sorted(new.rglob("*.txt")) == written


def test_a_folder_of_another_set_is_refused_or_replaced(tmp_path: Path) -> None:
    old = shelf(tmp_path / "old")
    relabel(old, Judge(), "judge.pt", tmp_path / "new", 0.25, False, lambda text: None)
    with pytest.raises(UsageError, match="another command"):
        relabel(old, Judge(), "other.pt", tmp_path / "new", 0.25, False, lambda text: None)
    judge = Judge((OTHER, 0.9))
    relabel(old, judge, "other.pt", tmp_path / "new", 0.25, True, lambda text: None)
    assert judge.asked == 3


def test_photos_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    shelf(tmp_path / "old/a"), shelf(tmp_path / "old/b")
    relabel(tmp_path / "old", Judge(), "judge.pt", tmp_path / "new", 0.25, False, lambda text: None)
    assert len(list((tmp_path / "new").rglob("images/*"))) == len(list((tmp_path / "new").rglob("labels/*"))) == 8


def test_a_broken_photo_is_left_out_and_told(tmp_path: Path) -> None:
    old = shelf(tmp_path / "old")
    (old / "images/2.png").write_bytes(b"no picture")
    _, left_out = relabel(old, Judge(), "judge.pt", tmp_path / "new", 0.25, False, lambda text: None)
    assert [Path(failure.source).name for failure in left_out] == ["2.png"]
    assert len(list((tmp_path / "new").rglob("*.txt"))) == 3


def test_scores_of_a_csv_count_and_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/a.png"), NOISE)
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2,score\na.png,20,20,60,90,0.5\na.png,100,20,140,90,0.8\n")
    (photo,) = read_labelled(tmp_path / "boxes.csv")
    assert photo.scores is not None
    np.testing.assert_allclose(photo.scores, [0.5, 0.8])
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2,score\na.png,20,20,60,90,\na.png,100,20,140,90,0.8\n")
    (mixed,) = read_labelled(tmp_path / "boxes.csv")
    assert mixed.scores is not None and mixed.scores[0] == 1  # of people: counts whole, and does not stop the reader
    with pytest.raises(UsageError):
        relabel(tmp_path / "nowhere", Judge(), "judge.pt", tmp_path / "new", 0.1, False, lambda text: None)


def test_the_command_line_says_what_it_did(tmp_path: Path) -> None:
    old = shelf(tmp_path / "old", 2)
    command = [sys.executable, "-m", "recognition.training.relabel", str(old), "--out", str(tmp_path / "new")]
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'new/data.yaml'}: 1 photos\n"), done.stderr
    assert "train: 0 of 1 photos" in done.stderr
    wrong = subprocess.run(
        [*command[:3], str(tmp_path / "no"), *command[4:]], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2 and "error:" in wrong.stderr
