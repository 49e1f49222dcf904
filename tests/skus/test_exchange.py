"""What leaves the database comes back the same; what is named for removal goes; what is suspicious is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures
from PIL import ImageFilter

from recognition.errors import CatalogError, DatabaseMissingError
from recognition.skus.audit import audit
from recognition.skus.build import build_database
from recognition.skus.catalog import read_catalog
from recognition.skus.database import SkuDatabase
from recognition.skus.export import export_catalog, export_vectors
from recognition.skus.gtin import suspicion
from recognition.skus.names import read_names
from recognition.skus.records import ReferenceRecord
from recognition.skus.removal import RemovalReport, remove_skus
from recognition.skus.source import read_source
from recognition.types import Sku

Picture = Callable[..., Path]
GTIN = "04006381333931"


@pytest.fixture
def db(tmp_path: Path, picture: Picture, encoder: object) -> Path:
    """Five SKUs, six references, one of them dead."""
    for seed in range(7):
        picture(tmp_path / f"{seed}.png", seed)
    path = tmp_path / "catalog.csv"
    header = "sku,image,gtin,name,width_mm,colour\n"
    path.write_text(header + "Z,6.png,,,,\n")
    build_database(read_catalog(path, None), tmp_path / "db", encoder)
    rows = [f"A,0.png,{GTIN},=Name,62.5,red", "A,1.png,,,,", "B,2.png,,Zweites ü,,", "C,3.png,,,,", "D,4.png,,,,"]
    path.write_text(header + "\n".join([*rows, "E,5.png,,,,blue\n"]))
    build_database(read_catalog(path, None), tmp_path / "db", encoder, prune=True)
    return tmp_path / "db"


def answers(folder: Path, queries: np.ndarray) -> list[list[tuple[str, float]]]:
    with SkuDatabase.open(folder) as database:
        found = database.search(queries, 3)
        names = database.describe(found.skus.ravel().tolist())
        pairs = zip(found.skus.tolist(), found.scores.tolist(), strict=True)
        return [[(names[sku].sku, score) for sku, score in zip(*pair, strict=True)] for pair in pairs]


def described(folder: Path) -> dict[str, Sku]:
    with SkuDatabase.open(folder) as database:
        skus = database.describe(database.reference_skus(database.live_rows()).tolist())
        return {sku.sku: Sku(-1, *list(vars(sku).values())[1:]) for sku in skus.values()}


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_the_catalogue_comes_back_the_same(tmp_path: Path, db: Path, encoder: object, name: str) -> None:
    assert export_catalog(db, tmp_path / name) == 6
    before = encoder.encoded
    report = build_database(read_source(tmp_path / name), db, encoder)
    assert (report.added, report.updated, report.unchanged, report.rejected) == (0, 0, 5, 0)
    assert encoder.encoded == before, "every picture is known"
    assert described(db)["A"].name == "=Name" and described(db)["A"].attributes == {"colour": "red"}
    assert [path.name for path in tmp_path.glob(".*.part")] == []


def test_an_empty_database_can_be_exported(tmp_path: Path, open_writer: Callable[..., object]) -> None:
    open_writer().close()
    assert export_catalog(tmp_path / "db", tmp_path / "c.csv") == 0
    assert export_vectors(tmp_path / "db", tmp_path / "v") == 0
    assert not read_source(tmp_path / "v").rows and not read_source(tmp_path / "c.csv").rows


def test_exports_are_refused_where_they_would_mislead(tmp_path: Path, db: Path) -> None:
    with pytest.raises(CatalogError, match="neither"):
        export_catalog(db, tmp_path / "out.xlsx")
    with pytest.raises(CatalogError, match=r"none/c\.csv"):
        export_catalog(db, tmp_path / "none/c.csv")
    with pytest.raises(DatabaseMissingError):
        export_vectors(tmp_path / "none", tmp_path / "v")
    export_vectors(db, tmp_path / "v")
    with pytest.raises(CatalogError, match="holds vectors already"):
        export_vectors(db, tmp_path / "v")


@pytest.mark.parametrize("part", [2, 1_000_000])
def test_exported_vectors_give_the_same_answers(
    tmp_path: Path,
    db: Path,
    encoder: object,
    unit: Callable[..., np.ndarray],
    part: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("recognition.skus.export.PART", part)
    assert export_vectors(db, tmp_path / "v") == 6
    assert len(list((tmp_path / "v/img_emb").iterdir())) == (3 if part == 2 else 1)
    before, queries, commits = encoder.encoded, unit(20), []
    report = build_database(read_source(tmp_path / "v"), tmp_path / "copy", encoder, on_commit=commits.append)
    assert (report.added, report.embedded, commits, encoder.encoded) == (5, 6, [6], before)
    assert answers(tmp_path / "copy", queries) == answers(db, queries)
    assert described(tmp_path / "copy") == described(db)
    again = build_database(read_source(tmp_path / "catalog.csv"), tmp_path / "copy", encoder, keep=True)
    assert (again.unchanged, again.embedded) == (5, 0), "an imported vector is known by its picture"


def test_vectors_of_another_encoder_are_refused(tmp_path: Path, db: Path, encoder: object) -> None:
    export_vectors(db, tmp_path / "v")
    encoder.dim = 16
    with pytest.raises(CatalogError, match="vectors of 12 numbers; encoder tiny makes 16"):
        build_database(read_source(tmp_path / "v"), tmp_path / "other", encoder)


def test_adding_keeps_what_building_removes(tmp_path: Path, db: Path, encoder: object, picture: Picture) -> None:
    picture(tmp_path / "new/A/9.png", 9)
    report = build_database(read_source(tmp_path / "new"), db, encoder, keep=True)
    assert (report.added, report.updated, report.embedded) == (0, 1, 1)
    assert described(db)["A"].name == "=Name", "a source without names changes none"
    with SkuDatabase.open(db) as database:
        assert database.count() == 7
    report = build_database(read_source(tmp_path / "new"), db, encoder)
    assert (report.updated, report.embedded) == (1, 0)
    assert described(db)["A"].name == ""
    with SkuDatabase.open(db) as database:
        assert (database.count(), database.info().skus) == (5, 5)


# --- remove ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "removed", "unknown"),
    [
        ([], 0, ()),
        (["A"], 1, ()),
        (["A", "A"], 1, ()),
        ([GTIN.lstrip("0")], 1, ()),
        (["B", "none", "Z", "4006381333932", "C"], 2, ("none", "Z", "4006381333932")),
    ],
)
def test_skus_are_removed_by_name_or_gtin(db: Path, names: list[str], removed: int, unknown: tuple[str, ...]) -> None:
    left: list[int] = []
    assert remove_skus(db, names, left.append) == RemovalReport(removed, unknown)
    with SkuDatabase.open(db) as database:
        assert database.info().skus == 5 - removed
        assert left == ([database.count()] if removed else [])


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("A\n\n B \nA\n", ["A", "B"]),
        ("sku,why\nA,old\n\nB,\n", ["A", "B"]),
        ("why;GTIN\nold;4006381333931\nnone;\n", ["4006381333931"]),
        ("'=A\n", ["=A"]),
    ],
)
def test_a_file_names_skus(tmp_path: Path, content: str, names: list[str]) -> None:
    (tmp_path / "gone.txt").write_text(content)
    assert read_names(tmp_path / "gone.txt") == names


@pytest.mark.parametrize("content", [None, "", "\n \n", "sku\n"])
def test_a_file_that_names_nothing_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "gone.txt").write_text(content)
    with pytest.raises(CatalogError, match=r"gone\.txt"):
        read_names(tmp_path / "gone.txt")


# --- audit ----------------------------------------------------------------------------------------------------------


def findings(folder: Path, images: Path | None = None) -> list[tuple[str, str, str]]:
    return [(found.kind, found.sku, found.other) for found in audit(folder, 0.97, images)]


def shot(path: Path, seed: int, side: int = 120, how: str = "") -> Path:
    """A sharp picture of many fields, colours by seed; `how` spoils it."""
    image = np.random.default_rng(seed).integers(0, 200, (6, 6, 3), dtype=np.uint8)
    big = Pictures.fromarray(image).resize((side, side), Pictures.Resampling.NEAREST)
    if how == "blurred":
        big = big.filter(ImageFilter.GaussianBlur(side // 8))
    if how == "plain":
        big = Pictures.fromarray(np.full((side, side, 3), (150, 40, 40), np.uint8))
    if how == "twin":
        big = Pictures.fromarray(np.asarray(big) + np.uint8(1))
    big.save(path)
    return path


@pytest.mark.parametrize("from_files", [False, True])
def test_the_audit_finds_what_was_planted_and_nothing_else(
    tmp_path: Path, encoder: object, unit: Callable[..., np.ndarray], from_files: bool
) -> None:
    plants = {"blur": (1, 120, "blurred"), "plain": (2, 120, "plain"), "tiny": (3, 40, ""), "twin": (10, 120, "twin")}
    rows = [f"good{n},{shot(tmp_path / f'{n}.png', n).name}," for n in range(10, 16)]
    rows += [f"{name},{shot(tmp_path / f'{name}.png', *how).name}," for name, how in plants.items()]
    rows += ["shared,15.png,", f"g1,{shot(tmp_path / 'g1.png', 20).name},{GTIN}"]
    rows += [
        f"g2,{shot(tmp_path / 'g2.png', 21).name},{GTIN}",
        f"own,{shot(tmp_path / 'g3.png', 22).name},2000000000008",
    ]
    (tmp_path / "c.csv").write_text("sku,image,gtin\n" + "\n".join(rows) + "\n")
    report = build_database(read_catalog(tmp_path / "c.csv", None), tmp_path / "db", encoder)
    assert (report.added, report.rejected) == (len(rows), 0)
    expected = {
        ("gtin", "g1", "g2"), ("gtin", "own", ""), ("shared picture", "good15", "shared"), ("twins", "good10", "twin"),
        ("picture", "blur", ""), ("picture", "plain", ""), ("picture", "tiny", ""),
    }  # fmt: skip
    if from_files:
        (tmp_path / "13.png").unlink()
        expected |= {("picture", "good13", "")}
    found = findings(tmp_path / "db", tmp_path if from_files else None)
    assert len(found) == len(set(found)) and set(found) == expected


def test_a_wrong_check_digit_in_the_database_is_found(
    open_writer: Callable[..., object], tmp_path: Path, unit: object
) -> None:
    with open_writer() as writer:
        writer.upsert_references([ReferenceRecord(Sku(-1, "A", gtin="04006381333932"))], unit(1))
    assert findings(tmp_path / "db") == [("gtin", "A", "")]


def test_an_empty_database_has_no_findings(open_writer: Callable[..., object], tmp_path: Path) -> None:
    open_writer().close()
    assert findings(tmp_path / "db") == []


@pytest.mark.parametrize(
    ("gtin", "words"),
    [
        ("", ""),
        (GTIN, ""),
        ("00036000291452", ""),
        ("04006381333932", "wrong check digit"),
        ("02000000000008", "a shop gives itself"),
        ("00212345678909", "(02)"),
        ("09521234543213", "demonstrations"),
        ("14006381333938", "case"),
        ("94006381333934", "varying measure"),
        ("00000020123451", "8 digits"),
        ("00000096385074", ""),
    ],
)
def test_suspicious_gtins(gtin: str, words: str) -> None:
    from recognition.skus.gtin import check_digit

    if words != "wrong check digit" and gtin:
        gtin = gtin[:-1] + str(check_digit(gtin[:-1]))
    assert words in suspicion(gtin) and bool(words) is bool(suspicion(gtin))
