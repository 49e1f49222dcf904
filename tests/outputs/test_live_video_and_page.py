"""Labelled video in pieces, and the page: bounded, and readable whatever happens."""

from __future__ import annotations

import errno
import http.client
import json
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from recognition.errors import OutputError, UsageError
from recognition.outputs.live_folder import VIDEOS
from recognition.outputs.live_page import LivePage
from recognition.outputs.live_pictures import LivePictures, PictureWishes
from recognition.outputs.live_video import VideoFiles
from recognition.settings import StreamSettings
from recognition.types import Detections, Frame, FrameResult, Matches, ShelfLayout


def picture(shade: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), shade, np.uint8)


def read(path: Path) -> list[tuple[float, int]]:
    """Time and shade of each picture of a film."""
    with av.open(str(path)) as film:
        return [
            (round(float(frame.time), 2), int(frame.to_ndarray(format="bgr24").mean()))
            for frame in film.decode(video=0)
        ]


def files(folder: Path) -> list[Path]:
    return sorted((folder / VIDEOS).glob("*.mkv"), key=lambda path: path.stem[-4:])


def test_no_picture_makes_no_file(tmp_path: Path) -> None:
    VideoFiles(tmp_path, "cam", 0, 60).close()
    assert files(tmp_path) == []


def test_pictures_keep_their_times_and_odd_sizes_can_be_written(tmp_path: Path) -> None:
    video = VideoFiles(tmp_path, "cam", 0, 60)
    for number in range(5):
        video.add(picture(40 * number, (49, 63)), 100 + 0.5 * number)
    video.close()
    (path,) = files(tmp_path)
    times, shades = zip(*read(path), strict=True)
    assert times == (0, 0.5, 1, 1.5, 2) and np.allclose(shades, [0, 40, 80, 120, 160], atol=4)


def test_a_new_file_after_its_time_its_bytes_and_at_another_size(tmp_path: Path) -> None:
    video = VideoFiles(tmp_path, "cam", 0, most_seconds=2)
    for number in range(12):
        video.add(picture(100), 0.5 * number)
    video.add(picture(100, (64, 64)), 6.0)
    video.close()
    assert [len(read(path)) for path in files(tmp_path)] == [4, 4, 4, 1]
    small = VideoFiles(tmp_path / "small", "cam", most_bytes=20_000, most_seconds=1e9)
    noise = np.random.default_rng(0)
    for number in range(40):
        small.add(noise.integers(0, 255, (96, 128, 3), dtype=np.uint8), float(number))
    small.close()
    assert len(files(tmp_path / "small")) > 2 and sum(len(read(p)) for p in files(tmp_path / "small")) == 40


def test_a_kill_costs_a_second_at_most(tmp_path: Path) -> None:
    video = VideoFiles(tmp_path, "cam", 0, 1e9)
    for number in range(40):
        video.add(picture(number), number / 5)
    (path,) = files(tmp_path)
    killed = Path(shutil.copy(path, tmp_path / "killed.mkv"))
    assert read(killed)[-1][0] >= 7.8 - 1.5
    video.close()


def test_a_full_disk_is_said_and_leaves_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = VideoFiles(tmp_path, "cam", 0, 60)
    video.add(picture(10), 0.0)

    def full(image: np.ndarray, format: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("recognition.outputs.live_video.av.VideoFrame", type("Full", (), {"from_ndarray": full}))
    with pytest.raises(OutputError, match=r"No space left.*free some space"):
        video.add(picture(20), 1.0)
    monkeypatch.undo()
    video.close()
    assert len(read(files(tmp_path)[0])) == 1


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    line.request("GET", path, headers={"Host": f"{host}:{port}"})
    answer = line.getresponse()
    return answer.status, answer.read()


def test_the_page_shows_the_newest_picture_to_this_machine_only() -> None:
    page = LivePage(0, ["rtsp://cam/<1>", "film.mp4"])
    try:
        status, text = get(page.port, "/")
        assert status == 200 and b"rtsp://cam/&lt;1&gt;" in text and b"/1.jpg" in text
        assert get(page.port, "/0.jpg")[0] == 404
        page.show(0, b"old")
        page.show(0, b"new")
        page.tell([])
        assert get(page.port, "/0.jpg?123") == (200, b"new")
        assert json.loads(get(page.port, "/stats.json")[1]) == []
        assert get(page.port, "/../etc/passwd")[0] == 404
        assert get(page.port, "/0.jpg", host="evil.example")[0] == 404
        with pytest.raises(OutputError, match="name another port"):
            LivePage(page.port, [])
    finally:
        page.close()


def test_visitors_who_say_nothing_do_not_stop_the_page() -> None:
    page = LivePage(0, ["cam"])
    silent = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(4)]
    try:
        assert get(page.port, "/")[0] == 200
    finally:
        for one in silent:
            one.close()
        page.close()


def result(seconds: float, shade: int = 90) -> FrameResult:
    none = np.zeros(0, np.int32)
    matches = Matches(np.zeros(0, np.int8), np.zeros((0, 1), np.int64), np.zeros((0, 1), np.float32), none.astype("f4"))
    layout = ShelfLayout(none, none.copy(), none.copy(), (), np.zeros((0, 2, 2), np.float32))
    frame = Frame("cam", 0, picture(shade), seconds=seconds)
    return FrameResult(frame, Detections.empty(), matches, layout, {}, {})


def test_pictures_come_at_a_bounded_rate_and_a_camera_rests_between_them(tmp_path: Path) -> None:
    pictures = LivePictures(PictureWishes(video=True, page=0), tmp_path, ["rtsp://u:p@cam/x?y=1"], StreamSettings())
    assert pictures.page is not None and pictures.due(0, 0.0, live=False)
    pictures.add(0, result(0.0))
    assert not pictures.due(0, 0.1, live=False) and pictures.due(0, 0.2, live=False)
    pictures._rests_until[0] += 100
    assert not pictures.due(0, 0.2, live=True)
    assert get(pictures.page.port, "/0.jpg")[1][:2] == b"\xff\xd8"
    pictures.close()
    (path,) = files(tmp_path)
    assert len(read(path)) == 1 and path.name.startswith("0-x-")


def test_pictures_of_a_film_keep_to_their_rate_though_times_are_no_round_numbers(tmp_path: Path) -> None:
    pictures, shown = LivePictures(PictureWishes(page=0), tmp_path, ["film"], StreamSettings()), 0
    for number in range(200):
        if pictures.due(0, number / 25, live=False):
            pictures.add(0, result(number / 25))
            shown += 1
    pictures.close()
    assert shown == 40


def test_faces_of_two_sources_are_followed_apart_and_blurring_can_be_turned_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = np.array([[10, 10, 30, 30]], np.float32)
    finds = {90: found, 95: found[:0]}
    monkeypatch.setattr("recognition.outputs.faces.find_faces", lambda image, px: finds[int(image[0, 0, 0])])
    drawn: list[np.ndarray] = []
    monkeypatch.setattr(
        "recognition.outputs.live_pictures.annotate", lambda one: drawn.append(one.frame.image) or one.frame.image
    )
    noise = np.random.default_rng(0).integers(100, 200, (48, 64, 3), dtype=np.uint8)

    def framed(seconds: float, mark: int) -> FrameResult:
        image = noise.copy()
        image[0, 0] = mark
        whole = result(seconds)
        return replace(whole, frame=replace(whole.frame, image=image))

    pictures = LivePictures(PictureWishes(page=0), tmp_path, ["a", "b"], StreamSettings())
    pictures.add(0, framed(0.0, 90))
    pictures.add(1, framed(0.2, 95))
    pictures.add(0, framed(0.2, 95))
    pictures.close()
    changed = [bool((image[12:28, 12:28] != noise[12:28, 12:28]).any()) for image in drawn]
    assert changed == [True, False, True]
    off = LivePictures(PictureWishes(page=0), tmp_path, ["a"], StreamSettings(blur_faces=False))
    off.add(0, framed(0.0, 90))
    off.close()
    assert (drawn[-1][12:28, 12:28] == noise[12:28, 12:28]).all()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays have names on Linux only")
@pytest.mark.parametrize("display", [None, ":987"])
def test_a_window_needs_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: str | None) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(UsageError, match=r"needs a display.*--page"):
        LivePictures(PictureWishes(window=True), tmp_path, ["cam"], StreamSettings())


WINDOWS = """
import sys
import cv2, numpy as np
from recognition.outputs.live_windows import LiveWindows
windows, picture = LiveWindows(), np.full((900, 1600, 3), 90, np.uint8)
def visible(title):
    return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
for title in ("shelf 1", "K\u00e4se", "shelf 1"):
    windows.show(title, picture)
    cv2.waitKey(100)
assert visible("shelf 1") and visible("K\u00e4se")
assert max(cv2.getWindowImageRect("shelf 1")[2:]) <= 1280
cv2.destroyWindow("shelf 1")
windows.show("shelf 1", picture)
assert not visible("shelf 1") and visible("K\u00e4se")
windows.close()
"""


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs xvfb")
def test_a_window_shows_each_source_and_stays_closed_when_it_was_closed(tmp_path: Path) -> None:
    command = ["xvfb-run", "-a", sys.executable, "-c", WINDOWS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert "font" not in done.stderr
