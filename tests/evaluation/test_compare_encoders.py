"""`compare-encoders` over fakes: two encoders of known quality on a made catalogue."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from fakes import FakeEncoder
from PIL import Image as Pictures

from recognition.errors import EncoderError, UsageError, WeightsError
from recognition.evaluation import lineup
from recognition.evaluation.compare import CompareOptions, compare_encoders
from recognition.evaluation.compare_report import PairReport
from recognition.evaluation.compare_text import Row, sentence
from recognition.evaluation.gallery import open_gallery, view_shots
from recognition.evaluation.lineup import Lineup
from recognition.evaluation.statistics import Estimate
from recognition.settings import EmbedSettings
from recognition.skus.records import ReferenceRecord
from recognition.skus.thumbnails import encode_thumbnail
from recognition.skus.writer import DatabaseWriter
from recognition.types import Image, Sku

BRANDS = ("Arla", "Bravo", "Cortez")


class Blind(FakeEncoder):
    """Sees the brightness of a picture and nothing else."""

    name = "blind"
    dim = 2

    def encode(self, crops: Sequence[Image]) -> np.ndarray:
        level = np.array([crop.mean() / 255 for crop in crops], np.float32).reshape(-1, 1)
        return np.concatenate([np.cos(level), np.sin(level)], axis=1).astype(np.float32)


class Failing(FakeEncoder):
    """Fails after so many crops."""

    def __init__(self, after: int) -> None:
        self.left = after

    def encode(self, crops: Sequence[Image]) -> np.ndarray:
        self.left -= len(crops)
        if self.left < 0:
            raise EncoderError("out of memory", "take a smaller one")
        return super().encode(crops)


def pack(seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    return dice.integers(0, 230, (4, 4, 3)).repeat(12, axis=0).repeat(10, axis=1).astype(np.uint8)


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], FakeEncoder]]:
    """What stands behind the names; others cannot be loaded."""
    made: dict[str, Callable[[], FakeEncoder]] = {"fake": FakeEncoder, "blind": Blind}

    def load(settings: EmbedSettings, calibration: Sequence[Image] = ()) -> FakeEncoder:
        assert bool(calibration) == (settings.runtime == "openvino-int8")
        if settings.encoder not in made:
            raise WeightsError(f"encoder {settings.encoder}: no such folder or name", "give a folder")
        return made[settings.encoder]()

    monkeypatch.setattr(lineup, "load_encoder", load)
    monkeypatch.setattr(lineup, "weights_bytes", lambda name: 2_500_000)
    return made


@pytest.fixture
def shop(tmp_path: Path, encoders: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """24 SKUs of three brands (12, 8, 4), two categories and two merchants; a photo of each of the first twelve."""
    (tmp_path / "packs").mkdir()
    (tmp_path / "photos").mkdir()
    rows = [["sku", "image", "name", "brand", "category", "shop"]]
    photos = [["image", "sku", "split"]]
    for number in range(24):
        Pictures.fromarray(pack(number)).save(tmp_path / f"packs/{number}.png")
        brand = BRANDS[0 if number < 12 else 1 if number < 20 else 2]
        rows.append(
            [
                f"S{number}",
                f"packs/{number}.png",
                "<b>Oat</b>",
                brand,
                "ab"[number % 2],
                ["east", "west"][number % 3 > 0],
            ]
        )
        if number % 2:
            Pictures.fromarray(pack(number) // 2 + 40).save(tmp_path / f"photos/{number}.png")
            photos.append([f"photos/{number}.png", f"S{number}", "test"])
    write(tmp_path / "catalog.csv", rows)
    write(tmp_path / "photos.csv", photos)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def without(path: Path, column: str, value: str = "") -> None:
    """Empties a column of the catalogue, or gives it one value."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    place = rows[0].index(column)
    write(path, [rows[0], *([*row[:place], value, *row[place + 1 :]] for row in rows[1:])])


BOTH = ("--encoder", "fake", "--encoder", "blind", "--views", "40")


def test_what_is_no_comparison_is_refused(cli: Cli, shop: Path) -> None:
    (shop / "mine").mkdir()
    (shop / "mine/notes.txt").write_text("x")
    for words, message in (
        (["catalog.csv"], "encoder"),
        (BOTH, "nothing to compare on"),
        (["catalog.csv", "--encoder", "fake", "--encoder", "fake"], "name each encoder to compare once"),
        (["catalog.csv", *BOTH, "--merchant", "store"], "there are shop"),
        (["catalog.csv", *BOTH, "--top-n", "0"], "--top-n"),
        (["catalog.csv", *BOTH, "--out", "mine"], "no report"),
    ):
        answer = cli("compare-encoders", *words)
        assert answer.code == 2 and message in answer.err and not answer.out, words


def test_views_when_there_are_no_photos(cli: Cli, shop: Path) -> None:
    answer = cli("compare-encoders", "catalog.csv", *BOTH, "--views", "48", "--json")
    assert answer.code == 0 and not answer.err
    report = json.loads(answer.out)
    assert (report["references"], report["skus"], report["brands"], report["categories"]) == (24, 24, 3, 2)
    assert (report["queries"], report["queries_are"]) == (48, "views of references")
    assert any("views of the references, not photos" in note for note in report["notes"])
    fake, blind = report["encoders"]
    assert (fake["name"], blind["name"], fake["dim"], blind["dim"]) == ("fake", "blind", 192, 2)
    assert fake["recall_at_1"] > 0.6 > 0.3 > blind["recall_at_1"]
    assert fake["recall_at_1_low"] <= fake["recall_at_1"] <= fake["recall_at_1_high"]
    assert fake["recall_at_1"] <= fake["recall_at_5"] <= fake["recall_at_10"]
    assert (report["head_queries"], report["middle_queries"], report["tail_queries"]) == (24, 16, 8)
    parts = [report[f"{band}_queries"] * fake[f"recall_at_1_{band}"] for band in ("head", "middle", "tail")]
    assert sum(parts) == pytest.approx(48 * fake["recall_at_1"])
    assert report["fairness_n"] == 480 and 0.9 < report["fairness_random"] < 1
    assert 0.5 < fake["brand_fairness"] <= 1
    assert set(fake["by_category"]) == {"a", "b"} and fake["by_category"]["a"]["n"] == 240
    assert fake["by_merchant"] == {} and fake["wrong_to_largest"] is None, "three brands: not more than ten"
    assert (fake["weights_mb"], fake["vector_bytes_per_sku"], blind["vector_bytes_per_sku"]) == (2.5, 384, 4)
    assert 0 < fake["single_p50_ms"] <= fake["single_p95_ms"] and 0 < fake["batch_p50_ms"] <= fake["batch_p95_ms"]
    assert report["batch"] == 32
    (pair,) = report["pairs"]
    assert (pair["first"], pair["second"]) == ("fake", "blind")
    assert pair["recall_at_1_difference"] == pytest.approx(blind["recall_at_1"] - fake["recall_at_1"])
    assert pair["recall_at_1_difference_high"] < 0 and pair["time_ratio"] > 0
    assert pair["gained"] - pair["lost"] == round(48 * pair["recall_at_1_difference"])
    assert pair["vector_ratio"] == pytest.approx(2 / 192)


def test_the_same_again_gives_the_same_figures(shop: Path) -> None:
    one, two = (
        compare_encoders(["fake"], EmbedSettings(), CompareOptions(shop / "catalog.csv", views=20), lambda *_: None)
        for _ in range(2)
    )
    timed = re.compile("_ms$")
    for first, second in zip(one.as_dict()["encoders"], two.as_dict()["encoders"], strict=True):
        assert {k: v for k, v in first.items() if not timed.search(k)} == {
            k: v for k, v in second.items() if not timed.search(k)
        }


def test_photos_page_and_table(cli: Cli, shop: Path) -> None:
    words = ["compare-encoders", "catalog.csv", *BOTH, "--labelled", ".", "--merchant", "shop", "--out", "page"]
    answer = cli(*words)
    assert answer.code == 0 and not answer.err
    lines = answer.out.splitlines()
    assert "12 queries, photos" in lines[0] and lines[2].split() == ["fake", "blind"]
    assert re.search(r"^recall@1 +\d\.\d{3} \(\d\.\d\d to \d\.\d\d\) +\d\.\d{3} \(", answer.out, re.MULTILINE)
    assert "blind against fake: recall@1 -" in answer.out and lines[-1] == "page/index.html"
    html = (shop / "page/index.html").read_text()
    report = json.loads((shop / "page/report.json").read_text())
    assert set(report["encoders"][0]["by_merchant"]) == {"west"}, "east has eight rows: too few for ten answers"
    assert html.count("<circle") == 48 and html.count("<svg") == 2
    assert "S1 · &lt;b&gt;Oat&lt;/b&gt; · Arla · b" in html and "<b>" not in html
    assert "Brand fairness by category" in html and "Brand fairness by shop" in html
    assert "Worst cases of fake" in html and "Worst cases of blind" in html and "named rightly by fake" in html
    assert not re.search(r"(src|href)=\"(https?:)?//", html), "nothing is fetched"
    shown = set(re.findall(r'src="(pictures/[^"]+)"', html))
    assert shown == {f"pictures/{path.name}" for path in (shop / "page/pictures").iterdir()} != set()
    assert cli(*words).code == 0, "an earlier page is replaced"


def test_the_references_of_the_labelled_set_itself(cli: Cli, shop: Path) -> None:
    answer = cli("compare-encoders", "--labelled", ".", *BOTH, "--json")
    report = json.loads(answer.out)
    assert answer.code == 0 and (report["references"], report["brands"], report["queries"]) == (24, 3, 12)
    (shop / "racks/photos").mkdir(parents=True)
    for name in ("x", "y"):
        Pictures.fromarray(np.concatenate([pack(seed) for seed in range(4)], axis=1)).save(f"racks/photos/{name}.png")
    boxes = [["image", "x1", "y1", "x2", "y2", "sku"]]
    boxes += [[f"{n}.png", str(40 * i), "0", str(40 * i + 40), "48", f"S{i}"] for n in "xy" for i in range(4)]
    write(shop / "racks/boxes.csv", boxes)
    report = json.loads(cli("compare-encoders", "--labelled", "racks", *BOTH, "--json").out)
    assert (report["references"], report["queries"], report["encoders"][0]["recall_at_1"]) == (4, 4, 1)
    assert report["brands"] == 0 and any("no brands" in note for note in report["notes"])


def test_the_references_of_a_database(cli: Cli, shop: Path) -> None:
    encoder = FakeEncoder()
    for name, thumbnails in (("db", True), ("bare", False)):
        with DatabaseWriter(shop / name, encoder.name, encoder.dim, encoder.fingerprint) as writer:
            records = [ReferenceRecord(Sku(-1, f"S{n}", brand=BRANDS[n % 3]), f"{n}.png", str(n)) for n in range(9)]
            pictures = [pack(n) for n in range(9)]
            made = [encode_thumbnail(picture) if thumbnails else None for picture in pictures]
            writer.upsert_references(records, encoder.encode(pictures), made)
    report = json.loads(cli("compare-encoders", "db", *BOTH, "--views", "20", "--top-n", "3", "--json").out)
    assert (report["references"], report["brands"], report["queries"], report["fairness_n"]) == (9, 3, 27, 81)
    answer = cli("compare-encoders", "bare", *BOTH)
    assert answer.code == 2 and "not one reference's picture can be read" in answer.err


def test_an_encoder_that_cannot_be_used_is_a_failure_and_the_rest_goes_on(
    cli: Cli, shop: Path, encoders: dict[str, Callable[[], FakeEncoder]]
) -> None:
    encoders["late"] = lambda: Failing(60)
    words = ["compare-encoders", "catalog.csv", "--encoder", "none", "--encoder", "late", "--encoder", "fake"]
    answer = cli(*words, "--views", 40, "--out", "page", "--json")
    report = json.loads(answer.out)
    assert answer.code == 3 and [encoder["name"] for encoder in report["encoders"]] == ["fake"]
    assert report["pairs"] == []
    assert [(failure["source"], failure["stage"]) for failure in report["failures"]] == [
        ("none", "encoder"), ("late", "encoder"),
    ]  # fmt: skip
    assert "none: encoder failed: encoder none: no such folder or name (give a folder)" in answer.err
    assert "out of memory" in (shop / "page/index.html").read_text()
    answer = cli(*words[:4], "--encoder", "late")
    assert answer.code == 1 and "no encoder can be compared" in answer.err and not answer.out


def test_pictures_that_cannot_be_read_are_left_out_and_told(cli: Cli, shop: Path) -> None:
    (shop / "packs/3.png").write_bytes(b"no picture")
    (shop / "photos/5.png").write_bytes(b"")
    with (shop / "catalog.csv").open("a") as file:
        file.write("S99,packs/none.png,,,,\n")
    answer = cli("compare-encoders", "catalog.csv", *BOTH, "--labelled", ".", "--json")
    report = json.loads(answer.out)
    assert answer.code == 3 and (report["references"], report["queries"]) == (23, 10)
    assert [failure["stage"] for failure in report["failures"]] == ["catalogue", "picture", "picture"]
    assert "packs/3.png: picture failed" in answer.err and "catalog.csv, line 26: catalogue failed" in answer.err


def test_skus_that_are_not_in_the_catalogue_are_not_asked_for(cli: Cli, shop: Path) -> None:
    with (shop / "photos.csv").open("a") as file:
        file.write("photos/1.png,X1,test\nphotos/3.png,X2,test\n")
    (shop / "other").mkdir()
    (shop / "other/S1.png").write_bytes((shop / "packs/1.png").read_bytes())
    (shop / "other/S2.png").write_bytes((shop / "packs/2.png").read_bytes())
    report = json.loads(cli("compare-encoders", "other", *BOTH, "--labelled", ".", "--json").out)
    assert report["queries"] == 1
    assert any("13 SKUs of the labelled set are not in the catalogue" in note for note in report["notes"])
    (shop / "other/S1.png").unlink()
    answer = cli("compare-encoders", "other", *BOTH, "--labelled", ".")
    assert answer.code == 2 and "none of its SKUs is in the catalogue" in answer.err


@pytest.mark.parametrize(
    ("brand", "top", "note"),
    [("", 10, "has no brands"), ("Arla", 10, "one brand only"), (None, 23, "24 references with a brand: too few")],
)
def test_why_fairness_is_missing(cli: Cli, shop: Path, brand: str | None, top: int, note: str) -> None:
    if brand is not None:
        without(shop / "catalog.csv", "brand", brand)
    report = json.loads(cli("compare-encoders", "catalog.csv", *BOTH, "--top-n", top, "--json").out)
    assert any(note in text for text in report["notes"])
    assert (report["fairness_n"], report["fairness_random"]) == (0, None)
    assert report["encoders"][0]["brand_fairness"] is None and report["encoders"][0]["recall_at_1"] > 0
    table = cli("compare-encoders", "catalog.csv", *BOTH, "--top-n", top).out
    assert re.search(r"^brand fairness \(n 0\) +- +-$", table, re.MULTILINE)


def test_wrong_answers_to_the_largest_brands(cli: Cli, shop: Path) -> None:
    """Twelve brands of two SKUs each: twenty rows are of the ten largest."""
    with (shop / "catalog.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    write(shop / "catalog.csv", [rows[0], *([*row[:3], f"B{i // 2:02}", *row[4:]] for i, row in enumerate(rows[1:]))])
    report = json.loads(cli("compare-encoders", "catalog.csv", *BOTH, "--json").out)
    assert report["largest_share"] == pytest.approx(20 / 24)
    assert 0 < report["encoders"][1]["wrong_to_largest"] <= 1


def test_every_picture_is_read_once_and_the_encoders_take_turns(
    shop: Path, encoders: dict[str, Callable[[], FakeEncoder]]
) -> None:
    turns: list[str] = []

    def named(name: str) -> FakeEncoder:
        encoder = FakeEncoder()
        encode = encoder.encode
        encoder.encode = lambda crops: (turns.append(name), encode(crops))[1]  # type: ignore[method-assign]
        return encoder

    encoders.update({"a": lambda: named("a"), "b": lambda: named("b")})
    gallery = open_gallery(shop / "catalog.csv", None, None)
    reads: list[str] = []
    shots = [
        type(shot)(shot.sku, shot.name, shot.group, lambda shot=shot: (reads.append(shot.name), shot.read())[1])
        for shot in gallery.shots
    ]
    both = Lineup(["a", "b"], EmbedSettings(batch_size=10))
    told: list[tuple[int, int]] = []
    found = both.embed(shots, lambda done, total: told.append((done, total)), 5, 29)
    assert len(reads) == len(set(reads)) == 24 and turns == ["a", "b", "b", "a", "a", "b"]
    assert told == [(15, 29), (25, 29), (29, 29)]
    assert [len(one.batch_ms) for one in both.contestants] == [2, 2], "the last batch is not full"
    assert np.array_equal(found.vectors["a"], found.vectors["b"]) and found.vectors["a"].shape == (24, 192)
    turns.clear()
    both.time_alone(shots[:3])
    assert turns == ["a", "b", "a", "b", "b", "a", "a", "b"], "both are warmed up first"
    assert [len(one.alone_ms) for one in both.contestants] == [3, 3]


def test_names_are_short_where_they_differ(encoders: dict[str, Callable[[], FakeEncoder]]) -> None:
    encoders.update({name: FakeEncoder for name in ("runs/a", "runs/b", "old/a", "org/b")})
    for given, short in ((["runs/a", "org/b"], ["a", "b"]), (["runs/a", "old/a"], ["runs/a", "old/a"])):
        assert [one.name for one in Lineup(given, EmbedSettings()).contestants] == short
    with pytest.raises(UsageError, match="none"):
        Lineup([], EmbedSettings())


def test_a_runtime_can_be_named_beside_the_encoder(
    shop: Path, encoders: dict[str, Callable[[], FakeEncoder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is calibrated is given pictures; see the fixture."""
    asked: list[tuple[str, str]] = []
    load = lineup.load_encoder

    def noted(settings: EmbedSettings, calibration: Sequence[Image] = ()) -> object:
        asked.append((settings.encoder, settings.runtime))
        return load(settings, calibration)

    monkeypatch.setattr(lineup, "load_encoder", noted)
    encoders["me@home"] = FakeEncoder
    gallery = open_gallery(shop / "catalog.csv", None, None)
    names = ["fake", "fake@openvino", "fake@openvino-int8", "me@home"]
    found = Lineup(names, EmbedSettings(runtime="torch"), gallery.shots)
    assert [one.name for one in found.contestants] == names and not found.failures
    assert asked == [("fake", "torch"), ("fake", "openvino"), ("fake", "openvino-int8"), ("me@home", "torch")]


def test_the_size_of_weights() -> None:
    shipped = Path(lineup.__file__).parents[2] / "weights/starter-encoder"
    assert lineup.weights_bytes("starter") == sum(file.stat().st_size for file in shipped.glob("*.safetensors")) > 1e6
    with pytest.raises(WeightsError):
        lineup.weights_bytes("nosuch")


def test_views_of_a_reference_differ_and_come_again(shop: Path) -> None:
    gallery = open_gallery(shop / "catalog.csv", None, None)
    first, second, other = view_shots(gallery, np.array([0, 0, 1]))
    assert np.array_equal(first.read(), first.read())
    assert first.group == second.group != other.group and first.sku == "S0" and other.sku == "S1"
    assert first.read().shape != second.read().shape or not np.array_equal(first.read(), second.read())


def test_ready_vectors_are_no_pictures(shop: Path) -> None:
    (shop / "ready/img_emb").mkdir(parents=True)
    (shop / "ready/metadata").mkdir()
    np.save(shop / "ready/img_emb/img_emb_0.npy", np.eye(4, dtype=np.float32))
    from recognition.skus.parquet import write_rows

    write_rows(shop / "ready/metadata/metadata_0.parquet", {"sku": False}, [[f"S{n}"] for n in range(4)])
    with pytest.raises(UsageError, match="holds vectors"):
        open_gallery(shop / "ready", None, None)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.2, "better"), (-0.2, -0.01, "worse"), (-0.1, 0.1, "no difference can be told"), (0, 0, "no difference")],
)
def test_the_sentence_of_a_pair(low: float, high: float, verdict: str) -> None:
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    pair = PairReport("one", "two", Estimate((low + high) / 2, low, high), nothing, 5, 2, 2.04, 3.0)
    text = sentence(pair)
    assert text.startswith("two against one: recall@1 ") and f", {verdict}" in text
    assert "5 queries gained, 2 lost; 2.04 times the time per image" in text and "tail" not in text


def test_the_best_of_a_row() -> None:
    nan = float("nan")
    assert Row("ms", (3.0, 2.0, nan), 1, -1).best == [False, True, False]
    assert Row("recall", (Estimate(0.5, 0, 1), Estimate(0.6, 0, 1)), 3, 1).best == [False, True]
    assert Row("alike", (2.0, 2.0), 1, 1).best == Row("shown", (1.0, 2.0), 1, 0).best == [False, False]
    assert Row("nothing", (nan, nan), 1, 1).cells == ["-", "-"]
