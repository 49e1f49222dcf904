"""Cameras and films over HTTP on loopback: MJPEG as cheap cameras send it, silence, and a film behind an address."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import cv2
import pytest
from films import number_of, numbered, write_film

from recognition.errors import SourceError
from recognition.sources.av_video import Lost, Shot, open_film
from recognition.sources.camera import LiveSource
from recognition.sources.choice import ReadOptions
from recognition.sources.lag import StreamLag
from recognition.sources.video import open_stream, read_video
from recognition.types import Frame, Gap

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cut\r\n\r\n"


def part(number: int) -> bytes:
    """One picture of an MJPEG stream."""
    data = cv2.imencode(".jpg", numbered(number))[1].tobytes()
    return b"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(data), data)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket, int], None]], str]]:
    """Answers each connection, in a thread of its own, with what a function (socket, number of it) does."""
    doors: list[socket.socket] = []

    def answer(client: socket.socket, number: int, act: Callable[[socket.socket, int], None]) -> None:
        with client:
            try:
                client.recv(4096)
                act(client, number)
            except OSError:
                return  # the reader went

    def welcome(door: socket.socket, act: Callable[[socket.socket, int], None]) -> None:
        for number in range(1000):
            try:
                client, _ = door.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client, number, act), daemon=True).start()

    def start(act: Callable[[socket.socket, int], None]) -> str:
        doors.append(door := socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=welcome, args=(door, act), daemon=True).start()
        return f"http://127.0.0.1:{door.getsockname()[1]}/video"

    yield start
    for door in doors:
        door.shutdown(socket.SHUT_RDWR)
        door.close()


def pictures(client: socket.socket, first: int, count: int) -> None:
    client.sendall(HEAD)
    for number in range(first, first + count):
        client.sendall(part(number))
        time.sleep(0.04)


def silent(client: socket.socket, number: int) -> None:
    client.recv(1)  # returns when the reader goes


def test_an_mjpeg_camera_that_breaks_comes_back(serve: Callable[..., str]) -> None:
    source = LiveSource(serve(lambda client, number: pictures(client, 100 * number, 8)), draw=lambda a, b: 0.1)
    items: list[object] = []
    for item in source.frames():
        items.append(item)
        if sum(isinstance(one, Gap) for one in items) == 2 and isinstance(item, Frame):
            break
    shown = [number_of(item.image) for item in items if isinstance(item, Frame)]
    assert shown[:-1] == sorted(shown[:-1])
    assert shown[0] < 8
    assert shown[-1] >= 100
    assert source.stats.reconnects == 1


def test_a_server_that_says_nothing_is_a_camera_without_an_answer(serve: Callable[..., str]) -> None:
    begun = time.monotonic()
    source = LiveSource(serve(silent), ReadOptions(open_s=0.4, read_s=0.4))
    gap = next(source.frames())
    assert isinstance(gap, Gap)
    assert "no answer in time" in gap.error
    assert time.monotonic() - begun < 2


def test_a_stream_that_falls_silent_is_lost_after_the_time_out(serve: Callable[..., str]) -> None:
    def act(client: socket.socket, number: int) -> None:
        pictures(client, 0, 8)
        silent(client, number)

    source = LiveSource(serve(act), ReadOptions(open_s=2, read_s=0.5))
    begun, last = time.monotonic(), 0.0
    for item in source.frames():
        if isinstance(item, Gap):
            break
        last = time.monotonic()
    assert last > begun
    assert time.monotonic() - last < 2.5


def test_closing_during_a_blocked_read_is_prompt_and_the_thread_ends_with_its_time_out(
    serve: Callable[..., str],
) -> None:
    source = LiveSource(serve(silent), ReadOptions(open_s=1, read_s=1))
    threading.Timer(0.2, source.close).start()
    begun = time.monotonic()
    assert list(source.frames()) == []
    assert time.monotonic() - begun < 1
    until = time.monotonic() + 3
    while time.monotonic() < until and [t for t in threading.enumerate() if t.name == "read-camera"]:
        time.sleep(0.01)
    assert not [t for t in threading.enumerate() if t.name == "read-camera"]


def test_closing_in_a_signal_handler_ends_the_wait_of_the_same_thread(serve: Callable[..., str]) -> None:
    source = LiveSource(serve(silent), ReadOptions(open_s=1, read_s=1))
    former = signal.signal(signal.SIGUSR1, lambda number, frame: source.close())
    try:
        for delay in (0.05, 0.1, 0.15):  # the later ones find it closed
            threading.Timer(delay, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        begun = time.monotonic()
        assert list(source.frames()) == []
        assert time.monotonic() - begun < 1
        time.sleep(0.2)
    finally:
        signal.signal(signal.SIGUSR1, former)


def web_folder(path: Path) -> Callable[[socket.socket, int], None]:
    """A web server of one file."""
    data = path.read_bytes()

    def act(client: socket.socket, number: int) -> None:
        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)

    return act


def test_a_film_behind_an_address_is_read_in_order(tmp_path: Path, serve: Callable[..., str]) -> None:
    film = write_film(tmp_path / "a.mp4", options={"movflags": "faststart"})
    url = serve(web_folder(film)) + ".mp4?token=geheim"
    stream = open_stream(url)
    assert not stream.live
    found = [item for item in read_video(url) if isinstance(item, Frame)]
    assert [number_of(frame.image) for frame in found] == list(range(25))
    assert {frame.source for frame in found} == {url.replace("geheim", "***")}


def test_a_film_that_is_not_there_fails_at_the_call_without_its_secrets() -> None:
    with pytest.raises(SourceError, match=r"film http://me:\*\*\*@127") as raised:
        read_video("http://me:geheim@127.0.0.1:9/a.mp4")
    assert "geheim" not in str(raised.value) + repr(raised.value.__cause__)


class LateFrom(StreamLag):
    """Packets from `first` to before `last` come too late."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__(1.0)
        self.packets, self.late = 0, range(first, last)

    def behind(self, stream_s: float, received_s: float) -> float:
        self.packets += 1
        return 2.0 if self.packets - 1 in self.late else 0.0


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [(0, 0, range(30)), (5, 8, [*range(5), *range(10, 30)]), (10, 11, [*range(10), *range(20, 30)])],
)
def test_what_comes_too_late_is_not_decoded_up_to_the_next_key_picture(
    tmp_path: Path, first: int, last: int, shown: Sequence[int]
) -> None:
    plain = {"x264-params": "bframes=0:scenecut=0"}
    video = open_film(str(write_film(tmp_path / "a.mkv", 30, codec_options=plain)), ReadOptions())
    found: list[Shot | Lost] = []
    with closing(video), pytest.raises(SourceError, match="the stream ended"):
        for shot in video.live_shots(lambda: False, LateFrom(first, last), timed=True):
            found.append(shot)
    assert [number_of(shot.image()) for shot in found if isinstance(shot, Shot)] == list(shown)
    assert found.count(Lost.STALE) == 30 - len(shown)
