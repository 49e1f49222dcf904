"""`recognize_photos` and its neighbours, with fakes for the models and the real database."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Shop

from recognition.errors import DatabaseError, DatabaseMissingError, DetectorError, EncoderMismatchError, UsageError
from recognition.outputs.tables import read_planogram, read_products
from recognition.run import PhotoOptions, match_pictures, recognize_photos
from recognition.settings import OutputSettings, Settings
from recognition.skus.catalog import read_catalog
from recognition.skus.database import SkuDatabase
from recognition.sources.meta import PhotoMeta
from recognition.types import Detections, Failure, FrameResult, Image
from recognition.upkeep import build_and_calibrate

SETTINGS = Settings(output=OutputSettings(pictures=False))
DB, OUT = Path("db"), Path("out")


def build(shop: Shop, *seeds: int, false_known: float = 0.02, prune: bool = False) -> None:
    _, database = build_and_calibrate(read_catalog(shop.catalog(*seeds), None), DB, SETTINGS, prune, false_known)
    database.close()


def go(inputs: Sequence[object], mode: str = "new", options: PhotoOptions | None = None) -> tuple[int, list[object]]:
    """The exit code, and what the callback was given."""
    told: list[object] = []
    code = recognize_photos(
        [str(i) for i in inputs], DB, OUT, SETTINGS, mode, options or PhotoOptions(),  # type: ignore[arg-type]
        lambda result, done, total: told.append((result, done, total)),
    )  # fmt: skip
    return code, told


def run_json() -> dict[str, object]:
    return dict(json.loads((OUT / "run.json").read_text()))


def failures() -> list[dict[str, str]]:
    with (OUT / "failures.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_photos_become_tables(shop: Shop) -> None:
    build(shop, 1, 2, 3)
    photos = [shop.photo("a/shelf.png", 1, 1, 99), shop.photo("b/shelf.png", 3, 2)]
    code, told = go(photos)
    assert code == 0
    assert [(done, total) for _, done, total in told] == [(1, 2), (2, 2)]  # type: ignore[misc]
    rows = read_products(OUT / "products.csv")
    assert [row.sku for row in rows if row.source == str(photos[0])] == ["S1", "S1", ""]
    assert [row.sku for row in rows if row.source == str(photos[1])][:2] == ["S3", "S2"]
    groups = [(row.sku, row.facings_wide) for row in read_planogram(OUT / "planogram.csv")]
    assert groups[0] == ("S1", 2)
    assert run_json()["state"] == "done"
    assert {"recognition", "detector", "encoder", "runtime", "torch"} <= set(run_json()["versions"])  # type: ignore[call-overload]
    assert not (OUT / "pictures").exists()


@pytest.mark.parametrize(
    ("inputs", "code", "state"),
    [
        (["none.png"], 1, "failed"),
        (["none.png", "empty.png"], 1, "failed"),
        (["none.png", "good.png"], 3, "partly failed"),
        (["good.png"], 0, "done"),
    ],
)
def test_the_exit_code_says_how_much_was_done(shop: Shop, inputs: list[str], code: int, state: str) -> None:
    build(shop, 1)
    shop.photo("good.png", 1)
    Path("empty.png").touch()
    found, told = go(inputs)
    assert found == code
    assert run_json()["state"] == state
    wrong = [name for name in inputs if name != "good.png"]
    assert [row["source"] for row in failures()] == wrong
    assert {row["stage"] for row in failures()} <= {"read"}
    assert len(told) == len(inputs)


def test_a_stage_that_fails_is_listed_and_the_rest_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    build(shop, 1)
    photos = [shop.photo(f"{n}.png", 1) for n in range(3)]
    whole = shop.detector.detect
    calls = iter([False, True, False])

    def detect(images: Sequence[Image]) -> list[Detections]:
        if next(calls):
            raise DetectorError("no memory", "smaller photos")
        return whole(images)

    with monkeypatch.context() as patch:
        patch.setattr(shop.detector, "detect", detect)
        assert go(photos)[0] == 3
    assert failures() == [
        {"source": str(photos[1]), "frame": "0", "stage": "detect", "error": "no memory", "hint": "smaller photos"}
    ]
    assert go(photos[1:2], "overwrite")[0] == 0
    assert failures() == []


def interrupt_at(shop: Shop, monkeypatch: pytest.MonkeyPatch, photo: int) -> None:
    whole, seen = shop.detector.detect, []

    def detect(images: Sequence[Image]) -> list[Detections]:
        seen.append(1)
        if len(seen) == photo:
            raise KeyboardInterrupt
        return whole(images)

    monkeypatch.setattr(shop.detector, "detect", detect)


def test_an_interrupted_run_goes_on_where_it_stopped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    build(shop, 1, 2)
    photos = [shop.photo(f"{n}.png", 1, 2) for n in range(4)]
    go(photos)
    wanted = {name: (OUT / name).read_bytes() for name in ("products.csv", "planogram.csv")}
    with monkeypatch.context() as patch:
        interrupt_at(shop, patch, 3)
        with pytest.raises(KeyboardInterrupt):
            go(photos, "overwrite")
    assert run_json()["exit_code"] == 130
    assert run_json()["state"] == "interrupted"
    code, told = go(photos, "resume")
    assert code == 0
    assert [(result.frame.source, done, total) for result, done, total in told] == [  # type: ignore[attr-defined]
        (str(photos[2]), 3, 4),
        (str(photos[3]), 4, 4),
    ]
    assert {name: (OUT / name).read_bytes() for name in wanted} == wanted
    assert go(photos, "resume") == (0, [])


def test_a_failed_photo_is_tried_again_by_resume(shop: Shop) -> None:
    build(shop, 1)
    good = shop.photo("good.png", 1)
    assert go([good, "late.png"])[0] == 3
    assert go([good, "late.png"], "resume")[0] == 3, "what was done before counts"
    shop.photo("late.png", 1)
    code, told = go([good, "late.png"], "resume")
    assert code == 0
    assert len(told) == 1
    assert failures() == []


def test_a_run_over_another_database_state_is_not_mixed_in(shop: Shop) -> None:
    build(shop, 1)
    photo = shop.photo("a.png", 1)
    go([photo])
    build(shop, 1, 2)
    with pytest.raises(UsageError, match="begun with something else"):
        go([photo], "resume")


def test_no_database_is_said(shop: Shop) -> None:
    with pytest.raises(DatabaseMissingError):
        go([shop.photo("a.png", 1)])
    assert not OUT.exists(), "nothing is left behind by a run that never began"


def test_a_database_of_another_encoder_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    build(shop, 1)
    monkeypatch.setattr(type(shop.encoder), "fingerprint", "f" * 64)
    with pytest.raises(EncoderMismatchError):
        go([shop.photo("a.png", 1)])
    with pytest.raises(EncoderMismatchError):
        list(match_pictures(["a.png"], DB, SETTINGS))
    with pytest.raises(EncoderMismatchError):
        build(shop, 1)


def test_a_database_without_thresholds_is_refused(shop: Shop) -> None:
    build(shop, 1)
    with SkuDatabase.open(DB) as database:
        database.set_calibration(None)
    with pytest.raises(DatabaseError, match="no thresholds yet"):
        go([shop.photo("a.png", 1)])
    build(shop, 1)
    assert go(["a.png"])[0] == 0, "building again sets them"


def test_rows_of_meta_win_over_options(shop: Shop) -> None:
    build(shop, 1)
    photos = [shop.photo("a.png", 1), shop.photo("b.png", 1)]
    time = "2026-05-31T08:30:00+02:00"
    go(photos, options=PhotoOptions("S9", "P9", {"a.png": PhotoMeta("a.png", "S1", "", time)}))
    rows = {
        (row.source, row.store_id, row.planogram_id, row.captured_at) for row in read_planogram(OUT / "planogram.csv")
    }
    assert rows == {(str(photos[0]), "S1", "P9", time), (str(photos[1]), "S9", "P9", "")}


@pytest.mark.parametrize(
    ("seeds", "false_known", "prune", "anew"),
    [
        ((1, 2), 0.02, False, False),
        ((1, 2), 0.1, False, True),
        ((1, 2, 3, 4), 0.02, False, True),
        ((1,), 0.02, True, True),
    ],
)
def test_thresholds_are_set_again_only_when_they_no_longer_fit(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, seeds: tuple[int, ...], false_known: float, prune: bool, anew: bool
) -> None:
    import recognition.upkeep

    build(shop, 1, 2)
    calls, whole = [], recognition.upkeep.calibrate
    monkeypatch.setattr(recognition.upkeep, "calibrate", lambda *args: calls.append(1) or whole(*args))
    build(shop, *seeds, false_known=false_known, prune=prune)
    assert bool(calls) is anew


def test_every_input_has_its_answer_in_order(shop: Shop) -> None:
    build(shop, 1, 2)
    names = ["none.png", str(shop.picture("crops/1.png", 1)), "broken.png", str(shop.picture("2.png", 2)), "gone"]
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    settings = Settings(embed=SETTINGS.embed.__class__(batch_size=2))
    answers = list(match_pictures(names, DB, settings))
    lines = [json.loads(answer.line) for answer in answers]
    assert [line["source"] for line in lines] == names
    assert [line["status"] for line in lines] == [None, "recognized", None, "recognized", None]
    assert [line["matches"][0]["sku"] for line in lines if line["matches"]] == ["S1", "S2"]
    assert [bool(answer.error) for answer in answers] == [line["error"] is not None for line in lines]
    assert "recognized  S1 1.000" in answers[1].text
    assert answers[0].text.startswith("none.png: ")


def test_results_are_results_or_failures(shop: Shop) -> None:
    build(shop, 1)
    _, told = go([shop.photo("a.png", 1), "none.png"])
    assert [type(result) for result, *_ in told] == [FrameResult, Failure]  # type: ignore[misc]
