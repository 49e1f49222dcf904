from pathlib import Path

import pytest

from recognition.errors import UsageError
from recognition.sources.meta import PhotoMeta, match_meta, read_meta

FULL = PhotoMeta("a/1.jpg", "7", "P3", "2026-05-31T08:30:00+02:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source,store_id\n", []),
        ("source,store_id,planogram_id,captured_at\na/1.jpg,7,P3,2026-05-31T08:30:00+02:00\n", [FULL]),
        ("\ufeffsource;store_id;planogram_id;captured_at\r\na/1.jpg;7;P3;2026-05-31T08:30:00+02:00\r\n", [FULL]),
        ("captured_at, Store_ID ,planogram_id,SOURCE,remark\n2026-05-31 08:30:00+02:00,7,P3,a/1.jpg,hi\n", [FULL]),
        ("source,store_id\n1.jpg,\n\n2.jpg, 8 \n", [PhotoMeta("1.jpg"), PhotoMeta("2.jpg", "8")]),
        ('source,store_id\n"a, b.jpg","say ""hi"""\n', [PhotoMeta("a, b.jpg", 'say "hi"')]),
        ("source,store_id\n'=1.jpg,'-7\n", [PhotoMeta("=1.jpg", "-7")]),
        ("source,store_id\n'+.jpg,'@a\n", [PhotoMeta("+.jpg", "@a")]),
        ("source,store_id\n'quoted.jpg,7\n", [PhotoMeta("'quoted.jpg", "7")]),
        ("source,captured_at\n1.jpg,2026-05-31T06:30:00Z\n", [PhotoMeta("1.jpg", "", "", "2026-05-31T06:30:00+00:00")]),
    ],
)
def test_rows(tmp_path: Path, text: str, expected: list[PhotoMeta]) -> None:
    (tmp_path / "photos.csv").write_bytes(text.encode())
    assert read_meta(tmp_path / "photos.csv") == {row.source: row for row in expected}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "line 1: columns are missing"),
        (b"photo,store_id\n1.jpg,7\n", "line 1: columns are photo, store_id"),
        (b"source\n1.jpg\n", "line 1: columns are source"),
        (b"source,store_id,store_id\n", "line 1: columns are"),
        (b"source,store_id\n1.jpg,7\n1.jpg,8\n", "line 3: 1.jpg stands here twice"),
        (b"source,store_id\n1.jpg,7,8\n", "line 2: 3 cells, the header has 2"),
        (b"source,store_id\n,7\n", "line 2: no source"),
        (b'source,store_id\n"1.jpg"x,7\n', "line 2: "),
        (b"source,captured_at\n1.jpg,yesterday\n", "line 2: captured_at yesterday is no time"),
        (b"source,captured_at\n1.jpg,2026-05-31T08:30:00\n", "line 2: captured_at 2026-05-31T08:30:00 has no offset"),
        (b"source,store_id\n1.jpg,Caf\xe9\n", "line 2: not UTF-8"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "photos.csv").write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_meta(tmp_path / "photos.csv")
    assert f"photos.csv, {sentence}" in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.csv: cannot be read"):
        read_meta(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("listed", "sources", "expected"),
    [
        ([], [], {}),
        ([], ["a.jpg"], {}),
        (["a.jpg"], ["a.jpg"], {"a.jpg": "a.jpg"}),
        (["./a.jpg"], ["a.jpg"], {"a.jpg": "./a.jpg"}),
        (["a.jpg"], ["shop/a.jpg"], {"shop/a.jpg": "a.jpg"}),
        (["elsewhere/a.jpg"], ["shop/a.jpg"], {"shop/a.jpg": "elsewhere/a.jpg"}),
        (["a.jpg"], ["x/a.jpg", "y/a.jpg"], {}),
        (["x/a.jpg"], ["x/a.jpg", "y/a.jpg"], {"x/a.jpg": "x/a.jpg"}),
        (["p/a.jpg", "q/a.jpg"], ["x/a.jpg"], {}),
        (["x/a.jpg", "q/a.jpg"], ["x/a.jpg"], {"x/a.jpg": "x/a.jpg"}),
    ],
)
def test_a_row_is_found_by_path_or_by_unique_name(
    listed: list[str], sources: list[str], expected: dict[str, str]
) -> None:
    found = match_meta({name: PhotoMeta(name) for name in listed}, sources)
    assert {source: row.source for source, row in found.items()} == expected
