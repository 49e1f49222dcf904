from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recognition.errors import CatalogError
from recognition.skus.build import BuildReport, build_database, load_packshot
from recognition.skus.catalog import read_catalog
from recognition.skus.database import SkuDatabase

Picture = Callable[..., Path]
HEADER = "sku,image,name\n"


@pytest.fixture
def build(tmp_path: Path, encoder: object) -> Callable[..., BuildReport]:
    def make(*rows: str, **options: object) -> BuildReport:
        path = tmp_path / "catalog.csv"
        path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
        return build_database(read_catalog(path, None), tmp_path / "db", encoder, **options)

    return make


def counts(report: BuildReport) -> tuple[int, ...]:
    return report.added, report.updated, report.unchanged, report.removed, report.embedded


def stored(folder: Path) -> dict[str, str]:
    """SKU text to name, of the SKUs with a living reference."""
    with SkuDatabase.open(folder) as database:
        database.verify()
        skus = database.describe(database.reference_skus(database.live_rows()).tolist())
        return {sku.sku: sku.name for sku in skus.values()}


def test_an_empty_catalogue_makes_an_empty_database(tmp_path: Path, build: Callable[..., BuildReport]) -> None:
    assert counts(build()) == (0, 0, 0, 0, 0)
    assert stored(tmp_path / "db") == {}


def test_pruning_by_an_empty_catalogue_is_refused(build: Callable[..., BuildReport]) -> None:
    with pytest.raises(CatalogError, match="empty the database"):
        build(prune=True)


def test_the_database_becomes_equal_to_the_file(
    tmp_path: Path, build: Callable[..., BuildReport], picture: Picture, encoder: object
) -> None:
    for seed, name in enumerate("abcde"):
        picture(tmp_path / f"{name}.png", seed)
    rows = ["A,a.png,First", "A,b.png,First", "B,c.png,Second", "C,d.png,Third"]
    assert counts(build(*rows)) == (3, 0, 0, 0, 4)
    assert counts(build(*rows)) == (0, 0, 3, 0, 0), "nothing to do"
    assert counts(build("A,a.png,First", *rows[2:])) == (0, 1, 2, 0, 0), "a reference went"
    assert counts(build("A,a.png,New name", *rows[2:])) == (0, 1, 2, 0, 0), "metadata needs no embedding"
    picture(tmp_path / "c.png", 77)
    assert counts(build("B,c.png,Second")) == (0, 1, 0, 0, 1), "the picture changed; other SKUs stay"
    assert stored(tmp_path / "db") == {"A": "New name", "B": "Second", "C": "Third"}
    assert counts(build("B,c.png,Second", "D,e.png,Fourth", prune=True)) == (1, 0, 1, 2, 1)
    assert stored(tmp_path / "db") == {"B": "Second", "D": "Fourth"}
    with SkuDatabase.open(tmp_path / "db") as database:
        assert database.count() == 2
        vector = encoder.encode([load_packshot(tmp_path / "e.png")])
        found = database.search(vector, 1)
        assert database.describe(found.skus[0].tolist())[int(found.skus[0, 0])].sku == "D"
        image = database.reference_image(int(found.rows[0, 0]))
        assert image is not None and image.shape == (24, 24, 3)


def test_pictures_that_cannot_be_used_are_listed_and_the_rest_is_done(
    tmp_path: Path, build: Callable[..., BuildReport], picture: Picture
) -> None:
    picture(tmp_path / "a.png", 1)
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    report = build("A,a.png,", "A,copy.png,", "B,broken.png,", "C,none.png,", "D,a.png,")
    assert counts(report) == (2, 0, 0, 0, 2)
    assert [(p.line, p.sku, p.column, p.rejected) for p in report.problems] == [
        (3, "A", "sku", True),
        (4, "B", "image", True),
        (5, "C", "image", True),
    ]
    assert "line 2" in report.problems[0].error
    assert set(stored(tmp_path / "db")) == {"A", "D"}


def test_a_picture_that_broke_does_not_cost_the_good_reference(
    tmp_path: Path, build: Callable[..., BuildReport], picture: Picture
) -> None:
    for seed, name in enumerate("ab"):
        picture(tmp_path / f"{name}.png", seed)
    rows = ["A,a.png,", "B,b.png,"]
    build(*rows)
    (tmp_path / "a.png").write_bytes(b"broken")
    (tmp_path / "b.png").unlink()
    report = build(*rows, prune=True)
    assert counts(report)[3:] == (0, 0) and len(report.problems) == 2
    assert set(stored(tmp_path / "db")) == {"A", "B"}


def test_progress_and_commits_are_told(tmp_path: Path, build: Callable[..., BuildReport], picture: Picture) -> None:
    rows = [f"S{n},{picture(tmp_path / f'{n}.png', n).name}," for n in range(5)]
    steps: list[tuple[int, int]] = []
    commits: list[int] = []
    build(*rows, batch=2, progress=lambda done, total: steps.append((done, total)), on_commit=commits.append)
    assert steps == [(n, 5) for n in range(1, 6)]
    assert commits == [2, 4, 5]
