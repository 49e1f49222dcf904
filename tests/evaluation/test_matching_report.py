from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import FakeDetector, FakeEncoder
from PIL import Image

import recognition.evaluation.run as evaluation
from recognition.errors import SourceError, WeightsError
from recognition.evaluation.datasets import LabelledCrop
from recognition.evaluation.matching import read_crop, report_matching
from recognition.settings import DetectSettings, Settings


def picture(path: Path, *seeds: int) -> Path:
    """Packs of 60 x 90 pixels side by side, a grid of colours by seed each."""
    packs = [np.random.default_rng(seed).integers(0, 200, (3, 2, 3), dtype=np.uint8) for seed in seeds]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.hstack([pack.repeat(30, axis=0).repeat(30, axis=1) for pack in packs])).save(path)
    return path


def crop(folder: Path, sku: str, seed: int) -> LabelledCrop:
    return LabelledCrop(picture(folder / f"{seed}.png", seed), sku)


def test_recall_by_hand(tmp_path: Path) -> None:
    """Three questions are answered rightly, and one shows the pack of another SKU: in the first five, not first."""
    references = [crop(tmp_path, sku, seed) for sku, seed in (("A", 1), ("B", 2), ("C", 3))]
    queries = [crop(tmp_path, sku, seed) for sku, seed in (("A", 1), ("B", 2), ("C", 3), ("A", 2))]
    told: list[tuple[int, int]] = []
    report = report_matching(references, queries, FakeEncoder(), lambda done, total: told.append((done, total)))
    assert (report.encoder, report.references, report.queries) == ("fake", 3, 4)
    assert (report.recall_at_1, report.recall_at_5) == (0.75, 1)
    assert report.recall_at_1_low <= 0.75 <= report.recall_at_1_high
    assert report.verified_low <= report.verified_recall_at_1 <= report.verified_high
    assert told == [(4, 4)]
    assert report.ms > 0
    assert set(report.as_dict()) >= {"recall_at_1", "recall_at_5", "verified_recall_at_1"}


def test_a_sku_that_has_no_reference_is_never_right(tmp_path: Path) -> None:
    queries = [crop(tmp_path, "A", 1), crop(tmp_path, "Z", 9)]
    report = report_matching([crop(tmp_path, "A", 1)], queries, FakeEncoder(), lambda *_: None)
    assert (report.recall_at_1, report.recall_at_5) == (0.5, 0.5)


def test_several_references_of_a_sku_and_equal_pictures(tmp_path: Path) -> None:
    references = [crop(tmp_path, "A", 1), crop(tmp_path, "A", 1), crop(tmp_path, "B", 2)]
    report = report_matching(references, [crop(tmp_path, "B", 2)], FakeEncoder(), lambda *_: None)
    assert (report.references, report.recall_at_1) == (3, 1)


def test_the_interval_is_over_photos_not_crops(tmp_path: Path) -> None:
    """All queries of one photo: nothing can be drawn but this photo, so the interval is a point."""
    photo = picture(tmp_path / "shelf.png", 1, 9)
    queries = [LabelledCrop(photo, "A", (0, 0, 60, 90)), LabelledCrop(photo, "A", (60, 0, 120, 90))]
    references = [crop(tmp_path, "A", 1), crop(tmp_path, "B", 9)]
    report = report_matching(references, queries, FakeEncoder(), lambda *_: None)
    assert report.recall_at_1_low == report.recall_at_1 == report.recall_at_1_high == 0.5


def test_crops_are_rgb_and_cut_to_their_box(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (200, 10, 20)).save(tmp_path / "red.png")
    whole = read_crop(LabelledCrop(tmp_path / "red.png", "A"))
    assert whole.shape == (30, 40, 3)
    assert whole[0, 0].tolist() == [200, 10, 20]
    assert read_crop(LabelledCrop(tmp_path / "red.png", "A", (5, 5, 15, 25))).shape == (20, 10, 3)
    with pytest.raises(SourceError):
        read_crop(LabelledCrop(tmp_path / "none.png", "A"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A and B with a query each, C without one."""
    for seed in (1, 2, 3):
        picture(tmp_path / f"packs/{seed}.png", seed)
        picture(tmp_path / f"photos/{seed}.png", seed)
    (tmp_path / "catalog.csv").write_text("sku,image\nA,packs/1.png\nB,packs/2.png\nC,packs/3.png\n")
    (tmp_path / "photos.csv").write_text("image,sku,split\nphotos/1.png,A,test\nphotos/2.png,B,test\n")
    return tmp_path


@pytest.mark.parametrize(("asked_only", "distractors", "count"), [(False, 0, 3), (True, 0, 2), (True, 2, 4)])
def test_the_catalogue_can_be_made_smaller_and_larger(
    data: Path, monkeypatch: pytest.MonkeyPatch, asked_only: bool, distractors: int, count: int
) -> None:
    monkeypatch.setattr(evaluation, "load_encoder", lambda settings: FakeEncoder())
    for seed in range(distractors):
        picture(data / f"more/{seed}.png", 50 + seed)
    more = data / "more" if distractors else None
    report = evaluation.measure_matching(data, Settings(), more, asked_only, lambda *_: None)
    assert (report.references, report.queries, report.recall_at_1) == (count, 2, 1)


def test_the_detector_is_asked_at_low_confidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[DetectSettings] = []

    def detector(path: Path, settings: DetectSettings) -> FakeDetector:
        asked.append(settings)
        return FakeDetector({(90, 120): [(0, 0, 60, 90), (60, 0, 120, 90)]})

    monkeypatch.setattr(evaluation, "YoloDetector", detector)
    picture(tmp_path / "photos/a.png", 1, 2)
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2\na.png,0,0,60,90\n")
    told: list[tuple[int, int]] = []
    settings = DetectSettings(conf=0.4)
    report = evaluation.measure_detection(tmp_path, settings, lambda done, total: told.append((done, total)))
    assert asked[0].conf == 0.01
    assert (report.conf, report.precision, report.recall, report.count_error) == (0.4, 0.5, 1, 1)
    assert told == [(1, 1)]
    with pytest.raises(WeightsError):
        evaluation.measure_detection(tmp_path, DetectSettings(detector="none.pt"), lambda *_: None)
