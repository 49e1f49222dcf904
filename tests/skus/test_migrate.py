from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import DatabaseError, DatabaseMissingError, EncoderError, EncoderMismatchError, SourceError
from recognition.skus.build import build_database
from recognition.skus.catalog import read_catalog
from recognition.skus.compact import compact
from recognition.skus.database import SkuDatabase
from recognition.skus.listing import Listing
from recognition.skus.migrate import LostReference, Pictures, lost_references, migrate_database
from recognition.skus.removal import remove_skus
from recognition.skus.writer import DatabaseWriter

COUNT = 10
Picture = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, picture: Picture, encoder: object) -> Path:
    rows = [f"S{n},pack/{picture(tmp_path / 'pack' / f'{n}.png', n).name}\n" for n in range(COUNT)]
    (tmp_path / "catalog.csv").write_text("sku,image\n" + "".join(rows))
    build_database(read_catalog(tmp_path / "catalog.csv", None), tmp_path / "db", encoder)
    with SkuDatabase.open(tmp_path / "db") as database:
        database.set_calibration("of the first")
    return tmp_path / "db"


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(tmp_path)


def content(folder: Path) -> dict[str, list[float]]:
    with Listing(folder) as listing:
        return {one.sku.sku: listing.vectors[one.row].tolist() for one in listing.references()}


class Failing:
    """Another encoder that embeds so many crops, then fails."""

    def __init__(self, inner: object, crops: int) -> None:
        self.name, self.dim, self.fingerprint = inner.name, inner.dim, inner.fingerprint
        self._inner, self._left = inner, crops

    def encode(self, crops: list[np.ndarray]) -> np.ndarray:
        self._left -= len(crops)
        if self._left < 0:
            raise EncoderError("out of memory")
        return self._inner.encode(crops)


def test_an_empty_database(tmp_path: Path, other_encoder: object, pictures: Pictures) -> None:
    with pytest.raises(DatabaseMissingError):
        migrate_database(tmp_path / "db", other_encoder, pictures)
    DatabaseWriter(tmp_path / "db", "tiny", 12, "f" * 32).close()
    report = migrate_database(tmp_path / "db", other_encoder, pictures)
    assert (report.embedded, report.references, report.lost) == (0, 0, ())
    with SkuDatabase.open(tmp_path / "db") as database:
        assert database.info().encoder == "other"


def test_all_references_are_embedded_and_readers_go_on(
    folder: Path, encoder: object, other_encoder: object, pictures: Pictures
) -> None:
    before = content(folder)
    acknowledged: list[int] = []
    steps: list[tuple[int, int]] = []
    with SkuDatabase.open(folder) as reader:
        queries = reader.vectors(reader.live_rows())
        report = migrate_database(
            folder, other_encoder, pictures, batch=4, on_commit=acknowledged.append,
            progress=lambda *step: steps.append(step),
        )  # fmt: skip
        assert (report.embedded, report.references, report.lost) == (COUNT, COUNT, ())
        assert (acknowledged, steps) == ([4, 8, 10], [(4, 10), (8, 10), (10, 10)])
        assert reader.search(queries, 1).rows[:, 0].tolist() == list(range(COUNT))
        with pytest.raises(EncoderMismatchError, match="other"):
            reader.refresh()
        assert (reader.search(queries, 1).scores > 0.99).all(), "it stays with the former encoder"
    after = content(folder)
    assert {sku: vector[::-1] for sku, vector in after.items()} == before
    with SkuDatabase.open(folder) as database:
        database.verify()
        info = database.info()
        assert (info.encoder, info.fingerprint, info.calibrated) == ("other", other_encoder.fingerprint, False)
        assert database.reference_image(0) is not None
    assert len(list(folder.glob("vectors-*"))) == 1
    with pytest.raises(EncoderMismatchError, match="migrate"):
        DatabaseWriter(folder, "tiny", 12, encoder.fingerprint)


def test_it_goes_on_where_it_stopped_with_what_changed_in_between(
    folder: Path, tmp_path: Path, encoder: object, other_encoder: object, pictures: Pictures, picture: Picture
) -> None:
    before = content(folder)
    with pytest.raises(EncoderError):
        migrate_database(folder, Failing(other_encoder, 8), pictures, batch=3)
    other_encoder.encoded = 0
    assert content(folder) == before, "the former version serves"
    remove_skus(folder, ["S1", "S8"])
    (tmp_path / "more.csv").write_text(f"sku,image\nNEW,{picture(tmp_path / 'new.png', 77).name}\n")
    build_database(read_catalog(tmp_path / "more.csv", None), folder, encoder, keep=True)
    compact(folder, rewrite=True)
    remove_skus(folder, ["S2"])
    before = content(folder)
    report = migrate_database(folder, other_encoder, pictures, batch=3)
    # Six were durable, S1 and S2 among them: S6, S7, S9 and NEW were left.
    assert (report.embedded, other_encoder.encoded, report.references) == (4, 4, 8)
    assert {sku: vector[::-1] for sku, vector in content(folder).items()} == before
    with SkuDatabase.open(folder) as database:
        database.verify()
        assert int(database.count()) == 8


def test_another_encoder_or_the_former_one_gives_an_unfinished_migration_up(
    folder: Path, encoder: object, other_encoder: object, pictures: Pictures
) -> None:
    for successor, embedded in ((encoder, 0), (other_encoder, COUNT)):
        failing = Failing(other_encoder, 8)
        failing.fingerprint = "1" * 32
        with pytest.raises(EncoderError):
            migrate_database(folder, failing, pictures, batch=3)
        assert len(list(folder.glob("vectors-*"))) == 2
        assert migrate_database(folder, successor, pictures).embedded == embedded
        assert len(list(folder.glob("vectors-*"))) == 1
    with SkuDatabase.open(folder) as database:
        database.verify()


def test_pictures_that_are_gone_are_named_before_it_starts(
    folder: Path, tmp_path: Path, other_encoder: object, pictures: Pictures
) -> None:
    (tmp_path / "pack" / "3.png").unlink()
    gone = LostReference("S3", "pack/3.png", "no such image: pack/3.png")
    assert lost_references(folder, pictures) == [gone]
    with pytest.raises(DatabaseError, match=r"1 references cannot .+ S3"):
        migrate_database(folder, other_encoder, pictures)
    assert other_encoder.encoded == 0
    report = migrate_database(folder, other_encoder, pictures, without_lost=True)
    assert (report.embedded, report.references, report.lost) == (9, 9, (gone,))
    assert set(content(folder)) == {f"S{n}" for n in range(COUNT)} - {"S3"}
    with SkuDatabase.open(folder) as database:
        database.verify()


def test_a_wrong_folder_does_not_empty_the_database(folder: Path, tmp_path: Path, other_encoder: object) -> None:
    with pytest.raises(DatabaseError, match="10 references cannot"):
        migrate_database(folder, other_encoder, Pictures(tmp_path / "elsewhere"), without_lost=True)
    assert len(content(folder)) == COUNT


def test_a_thumbnail_stands_in_for_a_picture_that_is_gone(folder: Path, tmp_path: Path, other_encoder: object) -> None:
    (tmp_path / "pack" / "3.png").unlink()
    (tmp_path / "pack" / "4.png").write_bytes(b"no picture")
    pictures = Pictures(tmp_path, thumbnails=True)
    assert lost_references(folder, pictures) == []
    assert migrate_database(folder, other_encoder, pictures).references == COUNT


def test_a_picture_that_cannot_be_read(folder: Path, tmp_path: Path, other_encoder: object, pictures: Pictures) -> None:
    (tmp_path / "pack" / "4.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"4\.png"):
        migrate_database(folder, other_encoder, pictures)
    report = migrate_database(folder, other_encoder, pictures, without_lost=True)
    assert [lost.sku for lost in report.lost] == ["S4"] and report.references == COUNT - 1
