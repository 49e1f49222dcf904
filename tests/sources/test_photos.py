import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import recognition.sources.photos as photos
from recognition.sources.decode import DecodedImage
from recognition.sources.meta import PhotoMeta
from recognition.sources.photos import read_photos
from recognition.types import Failure, Frame


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for i in range(6):
        Image.new("RGB", (8 + i, 8), (120, 120, 120)).save(tmp_path / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def within_two_seconds(work: Callable[[], object]) -> object:
    """What `work` returned or raised; fails if it hangs."""
    box: list[object] = []

    def run() -> None:
        try:
            box.append(work())
        except BaseException as error:
            box.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(2)
    assert box, "still running after two seconds"
    return box[0]


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-photos")]


def slow_read(source: str) -> DecodedImage:
    time.sleep(0.05)
    return DecodedImage(np.full((4, 4, 3), 128, np.uint8))


def test_no_inputs_give_nothing() -> None:
    assert list(read_photos([])) == []


@pytest.mark.parametrize(("ahead", "workers"), [(1, 1), (4, 1), (2, 3), (0, 0), (50, 2)])
def test_frames_come_in_order(folder: Path, ahead: int, workers: int) -> None:
    frames = list(read_photos(["."], ahead=ahead, workers=workers))
    assert [frame.source for frame in frames] == [f"{i}.png" for i in range(6)]
    assert [frame.image.shape[1] for frame in frames if isinstance(frame, Frame)] == [8, 9, 10, 11, 12, 13]
    assert {frame.index for frame in frames if isinstance(frame, Frame)} == {0}
    assert readers() == []


def test_a_bad_photo_is_an_item_and_not_an_end(folder: Path) -> None:
    (folder / "2.png").write_bytes(b"")
    items = list(read_photos(["0.png", "2.png", "gone.png", "no*", "5.png"]))
    assert [type(item) for item in items] == [Frame, Failure, Failure, Failure, Frame]
    bad = items[1]
    assert isinstance(bad, Failure)
    assert (bad.source, bad.frame, bad.stage) == ("2.png", 0, "read")
    assert bad.error == "photo 2.png: the file is empty"
    assert bad.hint


def test_skipped_photos_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def note(source: str) -> DecodedImage:
        read.append(source)
        return slow_read(source)

    monkeypatch.setattr(photos, "read_image", note)
    frames = list(read_photos(["."], skip=lambda source: source in ("0.png", "3.png")))
    assert [frame.source for frame in frames] == read == ["1.png", "2.png", "4.png", "5.png"]


def test_meta_wins_over_exif_and_fills_what_it_states(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = DecodedImage(np.full((4, 4, 3), 128, np.uint8), "2026-01-01T00:00:00+00:00", ("a note",))
    monkeypatch.setattr(photos, "read_image", lambda source: exif)
    rows = {
        "0.png": PhotoMeta("0.png", "store 7", "plan 3", "2026-05-31T08:30:00+02:00"),
        "1.png": PhotoMeta("1.png", "store 8"),
    }
    frames = [frame for frame in read_photos(["0.png", "1.png", "2.png"], rows) if isinstance(frame, Frame)]
    assert [(f.store_id, f.planogram_id, f.captured_at) for f in frames] == [
        ("store 7", "plan 3", "2026-05-31T08:30:00+02:00"),
        ("store 8", "", "2026-01-01T00:00:00+00:00"),
        ("", "", "2026-01-01T00:00:00+00:00"),
    ]
    assert frames[0].notes == ("a note",)


def test_advice_comes_with_the_frame(folder: Path) -> None:
    Image.new("RGB", (50, 50)).save(folder / "night.png")
    frame = next(iter(read_photos(["night.png"])))
    assert isinstance(frame, Frame)
    assert frame.advice == ("dark",)


@pytest.mark.parametrize("ahead", [1, 3])
def test_no_more_is_read_than_asked_ahead(folder: Path, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    read: list[str] = []

    def note(source: str) -> DecodedImage:
        read.append(source)
        return DecodedImage(np.full((4, 4, 3), 128, np.uint8))

    monkeypatch.setattr(photos, "read_image", note)
    frames = read_photos(["."], ahead=ahead)
    time.sleep(0.05)
    assert read == []  # opens lazily
    next(frames)
    until = time.monotonic() + 2
    while len(read) < 1 + ahead and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)  # what would be read too much
    assert len(read) == 1 + ahead
    frames.close()


def test_reading_goes_on_while_the_consumer_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = threading.Event()

    def note(source: str) -> DecodedImage:
        if source == "1.png":
            second.set()
        return DecodedImage(np.full((4, 4, 3), 128, np.uint8))

    monkeypatch.setattr(photos, "read_image", note)
    frames = read_photos(["."], ahead=1)
    next(frames)
    assert second.wait(2)
    frames.close()


def test_a_fault_of_the_program_crosses_to_the_consumer_in_its_turn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(source: str) -> DecodedImage:
        if source == "2.png":
            raise ZeroDivisionError("a bug")
        return slow_read(source)

    monkeypatch.setattr(photos, "read_image", faulty)
    seen: list[str] = []

    def consume() -> None:
        for frame in read_photos(["."]):
            seen.append(frame.source)

    assert isinstance(within_two_seconds(consume), ZeroDivisionError)
    assert seen == ["0.png", "1.png"]
    assert readers() == []


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closing_early_ends_the_threads(folder: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr(photos, "read_image", slow_read)
    frames = read_photos(["."], ahead=4, workers=2)
    for _ in range(taken):
        next(frames)
    within_two_seconds(frames.close)
    assert readers() == []


def test_an_error_of_the_consumer_ends_the_threads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "read_image", slow_read)

    def consume() -> None:
        frames = read_photos(["."])
        try:
            next(frames)
            raise KeyError("consumer")
        finally:
            frames.close()

    assert isinstance(within_two_seconds(consume), KeyError)
    assert readers() == []
