from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeDetector, FakeEncoder
from PIL import Image

import recognition.evaluation.run as evaluation
from recognition.errors import SourceError, UsageError, WeightsError
from recognition.evaluation.asking import Judge, Method, ask, read_crop
from recognition.evaluation.labelled import LabelledCrop
from recognition.evaluation.matching import MatchingReport, embedding, report_matching
from recognition.evaluation.statistics import Estimate
from recognition.matching.calibration import default_calibration
from recognition.matching.evidence import Evidence
from recognition.matching.verify import Verifier
from recognition.settings import DetectSettings, Settings


def picture(path: Path, *seeds: int) -> Path:
    """Packs of 60 x 90 pixels side by side, a grid of colours by seed each."""
    packs = [np.random.default_rng(seed).integers(0, 200, (3, 2, 3), dtype=np.uint8) for seed in seeds]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.hstack([pack.repeat(30, axis=0).repeat(30, axis=1) for pack in packs])).save(path)
    return path


def crop(folder: Path, sku: str, seed: int) -> LabelledCrop:
    return LabelledCrop(picture(folder / f"{seed}.png", seed), sku)


def measure(references: list[LabelledCrop], queries: list[LabelledCrop]) -> MatchingReport:
    with embedding("embedding", references, FakeEncoder(), "cpu") as method:
        return report_matching(ask(queries, references, method, lambda *_: None))


def test_recall_by_hand(tmp_path: Path) -> None:
    """Three questions are answered rightly, and one shows the pack of another SKU: its own comes later."""
    references = [crop(tmp_path, sku, seed) for sku, seed in (("A", 1), ("B", 2), ("C", 3))]
    queries = [crop(tmp_path, sku, seed) for sku, seed in (("A", 1), ("B", 2), ("C", 3), ("A", 2))]
    told: list[tuple[int, int]] = []
    with embedding("embedding", references, FakeEncoder(), "cpu") as method:
        asked = ask(queries, references, method, lambda done, total: told.append((done, total)))
    report = report_matching(asked)
    assert (report.method, report.encoder, report.references, report.queries) == ("embedding", "fake", 3, 4)
    assert (report.recall_at_1.value, report.recall_at_5.value, report.recall_at_10.value) == (0.75, 1, 1)
    rank = int(asked.ranks.rank[3]) + 1
    assert rank > 1
    assert report.mean_average_precision.value == pytest.approx((3 + 1 / rank) / 4)
    for figure in (report.recall_at_1, report.mean_average_precision, report.verified_recall_at_1, report.auroc):
        assert figure.low <= figure.value <= figure.high
    assert told == [(4, 4)]
    assert report.ms > 0 and report.verify_ms > 0


def test_names_and_gaps_in_json(tmp_path: Path) -> None:
    flat = measure([crop(tmp_path, "A", 1)], [crop(tmp_path, "A", 1)]).as_dict()
    assert (flat["recall_at_1"], flat["recall_at_1_low"], flat["recall_at_1_high"]) == (1, 1, 1)
    assert flat["auroc"] is flat["auroc_low"] is flat["strangers_named"] is None, "nothing can be left out of one SKU"
    assert "NaN" not in json.dumps(flat)


def test_a_sku_that_has_no_reference_is_never_right(tmp_path: Path) -> None:
    report = measure([crop(tmp_path, "A", 1)], [crop(tmp_path, "A", 1), crop(tmp_path, "Z", 9)])
    assert (report.recall_at_1.value, report.recall_at_10.value, report.mean_average_precision.value) == (0.5,) * 3
    assert report.score_auroc.value == 1, "it is a stranger in every draw, and less like A than A is"


def test_several_references_of_a_sku_and_equal_pictures(tmp_path: Path) -> None:
    report = measure([crop(tmp_path, s, n) for s, n in (("A", 1), ("A", 1), ("B", 2))], [crop(tmp_path, "B", 2)])
    assert (report.references, report.recall_at_1.value) == (3, 1)


def test_the_interval_is_over_photos_not_crops(tmp_path: Path) -> None:
    """All queries of one photo: nothing can be drawn but this photo, so the interval is a point."""
    photo = picture(tmp_path / "shelf.png", 1, 9)
    queries = [LabelledCrop(photo, "A", (0, 0, 60, 90)), LabelledCrop(photo, "A", (60, 0, 120, 90))]
    report = measure([crop(tmp_path, "A", 1), crop(tmp_path, "B", 9)], queries)
    assert report.recall_at_1 == Estimate(0.5, 0.5, 0.5)


def test_nothing_is_embedded_or_verified_twice(tmp_path: Path) -> None:
    """20 draws leave out half of the SKUs each: every query is embedded once, every pair looked at once at most."""
    references = [crop(tmp_path, f"S{seed}", seed) for seed in range(12)]
    calibration = default_calibration(12)
    pictures = [read_crop(reference) for reference in references]
    vectors = FakeEncoder().encode(pictures)
    pairs: list[tuple[int, int]] = []

    class Watched(Verifier):
        def verify(self, crops: Sequence[np.ndarray], rows: np.ndarray) -> Evidence:
            pairs.extend((i, int(row)) for i, own in enumerate(rows) for row in own if row >= 0)
            return super().verify(crops, rows)

    encoded: list[int] = []

    def score(crops: list[np.ndarray]) -> np.ndarray:
        encoded.append(len(crops))
        return FakeEncoder().encode(crops) @ vectors.T

    method = Method("embedding", "fake", score, Judge(calibration, Watched(lambda row: pictures[row])))
    queries = references[:3]
    asked = ask(queries, references, method, lambda *_: None)
    assert encoded == [3]
    assert len(pairs) == len(set(pairs)) > 15
    for out, draw in zip(asked.out, asked.draws, strict=True):
        kept = [i for i in range(12) if not out[asked.skus.of[i]]]
        own = [references[i] for i in kept]
        alone = Method(
            "embedding", "fake", lambda crops, kept=kept: FakeEncoder().encode(crops) @ vectors[kept].T,
            Judge(calibration, Verifier(lambda row, kept=kept: pictures[kept[row]])),
        )  # fmt: skip
        again = ask(queries, own, alone, lambda *_: None)
        assert [asked.skus.names[i] for i in draw.best] == [again.skus.names[i] for i in again.whole.best]
        np.testing.assert_allclose(draw.known, again.whole.known, rtol=1e-5)
        if np.array_equal(out, asked.out[1]):
            break


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
    options = evaluation.MatchingOptions("embedding", more, asked_only)
    report = evaluation.measure_matching(data, Settings(), options, lambda *_: None)
    assert (report.references, report.queries, report.recall_at_1.value) == (count, 2, 1)


@pytest.mark.parametrize("method", ["histogram", "sift"])
def test_baselines_need_no_model(data: Path, method: str) -> None:
    options = evaluation.MatchingOptions(method)
    report = evaluation.measure_matching(data, Settings(), options, lambda *_: None)
    assert (report.method, report.references, report.queries) == (method, 3, 2)
    assert np.isnan(report.auroc.value) == (method == "sift"), "SIFT alone is not verified again"


def test_the_page_shows_wrong_answers_beside_both_references(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "load_encoder", lambda settings: FakeEncoder())
    (data / "photos.csv").write_text("image,sku,split\nphotos/1.png,A,test\nphotos/2.png,C,test\nphotos/3.png,?,test\n")
    out = data / "page"
    evaluation.measure_matching(data, Settings(), evaluation.MatchingOptions(), lambda *_: None, out)
    report = json.loads((out / "report.json").read_text())
    assert report["recall_at_1"] == pytest.approx(1 / 3)
    assert [curve["score"] for curve in report["open_set"]] == ["log-odds, verified", "best score alone"]
    assert (out / "open_set.csv").read_text().startswith("score,threshold,strangers_named,knowns_right\n")
    html = (out / "index.html").read_text()
    assert "C, taken for B" in html and "?: not in the catalogue" in html
    assert html.count("<polyline") == 2
    assert "http" not in html.replace("http-equiv", "")
    shown = re.findall(r'src="(pictures/[^"]+)"', html)
    assert len(shown) >= 5 and all((out / name).is_file() for name in shown)


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


def test_broken_photos_are_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    detector = FakeDetector({(90, 120): [(0, 0, 60, 90)]})
    monkeypatch.setattr(evaluation, "YoloDetector", lambda path, settings: detector)
    picture(tmp_path / "images/a.png", 1, 2)
    (tmp_path / "images/broken.png").write_bytes(b"no picture")
    line = ",0,0,60,90,object,120,90\n"
    (tmp_path / "annotations_test.csv").write_text(f"a.png{line}broken.png{line}a.png,60,0,130,90,object,120,90\n")
    out = tmp_path / "page"
    report = evaluation.measure_detection(tmp_path, DetectSettings(), lambda *_: None, out)
    assert (report.photos, report.products, report.skipped, report.recall) == (1, 2, 1, 0.5)
    assert "broken.png" in caplog.text
    html = (out / "index.html").read_text()
    assert "broken.png" in html and "1 found, 1 missed, 0 boxes" in html
    (tmp_path / "images/a.png").write_bytes(b"")
    with pytest.raises(UsageError, match="none of its 2 photos can be read"):
        evaluation.measure_detection(tmp_path, DetectSettings(), lambda *_: None)
