from pathlib import Path

import pytest

from recognition.sources.inputs import expand_inputs, not_a_file, without_repeats

TREE = [
    "b.jpg",
    "a.PNG",
    "notes.txt",
    ".hidden.jpg",
    "aisle1/2.heic",
    "aisle1/10.webp",
    "aisle1/deep/x.tif",
    "aisle2/1.jpg",
    "aisle2/notes.txt",
    ".cache/1.jpg",
    "odd[1].jpg",
    "odd1.jpg",
    "shot.dat",
]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in TREE:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([], []),
        (["b.jpg", "a.PNG"], ["b.jpg", "a.PNG"]),
        (["notes.txt", ".hidden.jpg"], ["notes.txt", ".hidden.jpg"]),
        (["aisle1"], ["aisle1/10.webp", "aisle1/2.heic", "aisle1/deep/x.tif"]),
        (["aisle1/"], ["aisle1/10.webp", "aisle1/2.heic", "aisle1/deep/x.tif"]),
        (["aisle2", "b.jpg", "aisle1/2.heic"], ["aisle2/1.jpg", "b.jpg", "aisle1/2.heic"]),
        (["*.jpg"], ["b.jpg", "odd1.jpg", "odd[1].jpg"]),
        (["aisle2/*"], ["aisle2/1.jpg"]),
        (["aisle2/*.txt"], ["aisle2/notes.txt"]),
        (["ai*2"], ["aisle2/1.jpg"]),
        (["**/*.jpg"], ["aisle2/1.jpg", "b.jpg", "odd1.jpg", "odd[1].jpg"]),
        (["aisle1/**"], ["aisle1/10.webp", "aisle1/2.heic", "aisle1/deep/x.tif"]),
        (["odd[1].jpg"], ["odd[1].jpg"]),
        (["odd[12].jpg"], ["odd1.jpg"]),
        (["b.jpg", "./b.jpg", "odd*"], ["b.jpg", "./b.jpg", "odd1.jpg", "odd[1].jpg"]),
        (["gone.jpg", "b.jpg"], ["gone.jpg", "b.jpg"]),
        (["empty", "gone/", "no*where", ""], ["empty", "gone/", "no*where", ""]),
        (["x" * 300, "a\0b"], ["x" * 300, "a\0b"]),
    ],
)
def test_inputs_expand_in_order(tree: Path, inputs: list[str], expected: list[str]) -> None:
    assert expand_inputs(inputs) == expected
    assert expand_inputs(expected) == expected  # what came out can be put in again


def test_photos_named_twice_stay_once_as_first_spelled(tree: Path) -> None:
    assert without_repeats(["b.jpg", "./b.jpg", "", "aisle2/1.jpg", "b.jpg", ""]) == ["b.jpg", "", "aisle2/1.jpg"]


def test_absolute_inputs_stay_absolute(tree: Path) -> None:
    assert expand_inputs([str(tree / "aisle2")]) == [str(tree / "aisle2" / "1.jpg")]
    assert expand_inputs([f"{tree}/aisle2/*.jpg"]) == [str(tree / "aisle2" / "1.jpg")]


def test_the_same_file_under_two_spellings_counts_once(tree: Path) -> None:
    assert without_repeats(["b.jpg", str(tree / "b.jpg")]) == ["b.jpg"]


def test_a_link_is_not_resolved_and_a_loop_of_folders_ends(tree: Path) -> None:
    (tree / "aisle2" / "again").symlink_to(tree / "aisle2")
    (tree / "aisle2" / "link.jpg").symlink_to(tree / "b.jpg")
    assert expand_inputs(["aisle2"]) == ["aisle2/1.jpg", "aisle2/link.jpg"]


def test_a_folder_inside_that_refuses_is_kept_to_fail_later(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import recognition.sources.inputs as module

    def walk(folder: Path, onerror: object) -> list[object]:
        onerror(PermissionError(13, "Permission denied", "aisle1/locked"))
        return [(str(folder), [], ["1.jpg"])]

    monkeypatch.setattr(module.os, "walk", walk)
    assert expand_inputs(["aisle1"]) == ["aisle1/1.jpg", "aisle1/locked"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "no such file"),
        ("gone.jpg", "gone.jpg: no such file"),
        ("empty", "folder empty: holds no picture"),
        ("aisle2", "aisle2 is a folder, not a photo"),
        ("no*where", "pattern no*where: matches no picture"),
    ],
)
def test_what_gives_no_photo_says_why(tree: Path, source: str, sentence: str) -> None:
    error = not_a_file(source)
    assert sentence in error.message
    assert error.hint


def test_a_path_that_cannot_be_looked_at_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.stat", refuse)
    assert expand_inputs(["locked/1.jpg"]) == ["locked/1.jpg"]


def test_a_locked_folder_says_so(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import recognition.sources.inputs as module

    monkeypatch.setattr(module.os, "access", lambda path, mode: False)
    assert "no permission" in not_a_file("empty").message
