import struct
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from films import SIZE, number_of, numbered, write_film
from PIL import Image

from recognition.errors import SourceError, UsageError
from recognition.sources.camera import LiveSource
from recognition.sources.choice import ReadOptions
from recognition.sources.video import Film, open_stream, read_video
from recognition.types import Failure, Frame


def frames(path: Path, **options: float) -> list[Frame]:
    items = list(read_video(path, ReadOptions(**options)))
    assert all(isinstance(item, Frame) for item in items), items
    return items


def numbers(found: list[Frame]) -> list[int]:
    assert [number_of(frame.image) for frame in found] == [frame.index for frame in found]
    return [frame.index for frame in found]


FORMATS = [("mp4", "libx264"), ("mkv", "libx264"), ("mov", "mjpeg"), ("mkv", "mjpeg"), ("ts", "libx264")]


@pytest.mark.parametrize(("suffix", "codec"), [*FORMATS, ("mp4", "libx265"), ("avi", "mpeg4")])
def test_every_frame_in_order(tmp_path: Path, suffix: str, codec: str) -> None:
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else None
    film = write_film(tmp_path / f"a.{suffix}", codec=codec, codec_options=quiet)
    found = frames(film)
    assert numbers(found) == list(range(25))
    assert [frame.seconds for frame in found] == pytest.approx([n / 25 for n in range(25)], abs=2e-3)
    assert {frame.image.shape for frame in found} == {(SIZE[1], SIZE[0], 3)}
    assert {frame.source for frame in found} == {str(film)}
    assert {frame.captured_at for frame in found} == {""}


def test_variable_rate_takes_times_from_the_film(tmp_path: Path) -> None:
    times = [0, 0.04, 0.5, 0.52, 2, 2.3, 4]
    found = frames(write_film(tmp_path / "a.mp4", 7, times=times))
    assert [frame.seconds for frame in found] == pytest.approx(times, abs=2e-3)
    assert [f.seconds for f in frames(tmp_path / "a.mp4", fps=1)] == pytest.approx([0, 2, 4], abs=2e-3)


@pytest.mark.parametrize(("suffix", "codec"), FORMATS)
@pytest.mark.parametrize("start", [0.01, 0.4, 0.41, 1.0, 1.96, 3])
def test_the_start_is_exact_wherever_the_key_frames_are(tmp_path: Path, suffix: str, codec: str, start: float) -> None:
    film = write_film(tmp_path / f"a.{suffix}", 50, codec=codec)
    found = frames(film, start=start)
    assert numbers(found) == [n for n in range(50) if n / 25 >= start - 1e-6]


def test_the_start_is_exact_in_open_groups_of_pictures(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", 60, codec_options={"x264-params": "open-gop=1:bframes=4:keyint=12"})
    for start in (0.1, 0.48, 0.5, 1.0, 1.5, 2.0):
        assert numbers(frames(film, start=start)) == [n for n in range(60) if n / 25 >= start - 1e-6]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"every": 10}, [0, 10, 20, 30, 40]),
        ({"start": 0.5, "end": 1.0}, list(range(13, 25))),
        ({"start": 0.5, "end": 1.0, "every": 5}, [13, 18, 23]),
        ({"fps": 5}, list(range(0, 50, 5))),
        ({"end": 0.04}, [0]),
        ({"start": 9}, []),
    ],
)
def test_range_and_choice(tmp_path: Path, options: dict[str, float], wanted: list[int]) -> None:
    assert numbers(frames(write_film(tmp_path / "a.mp4", 50), **options)) == wanted


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    film = Film(write_film(tmp_path / "a.mp4", 20), ReadOptions(every=5))
    assert len(list(film.frames())) == 4
    assert (film.stats.frames_read, film.stats.skipped, film.stats.dropped, film.stats.broken) == (20, 16, 0, 0)
    assert film.ended


def rotated(path: Path, quarters: int) -> Path:
    """Writes the turn into the track header of an MP4, as phones do; clockwise."""
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    data = path.read_bytes()
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + turned + data[at + len(upright) :])
    return path


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_phone_held_upright(tmp_path: Path, quarters: int) -> None:
    film = rotated(write_film(tmp_path / "a.mp4", 181), quarters)
    image = frames(film, start=180 / 25)[0].image
    wanted = np.rot90(numbered(180), -quarters)
    assert image.shape == wanted.shape
    assert np.abs(image.astype(int) - wanted).mean() < 12


def test_when_it_was_filmed(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", 3, rate=2, created="2026-05-31T06:30:00.000000Z")
    assert [frame.captured_at for frame in frames(film)] == [
        "2026-05-31T06:30:00.000+00:00", "2026-05-31T06:30:00.500+00:00", "2026-05-31T06:30:01.000+00:00",
    ]  # fmt: skip


def test_a_camera_without_a_clock_gives_no_date(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", 1, created="1970-01-01T00:00:00.000000Z")
    assert frames(film)[0].captured_at == ""


def packets(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as film:
        return [(packet.pos, packet.size) for packet in film.demux(video=0) if packet.size]


@pytest.mark.parametrize("broken", [[12], [12, 13, 30]])
def test_broken_frames_are_left_out_counted_and_told(tmp_path: Path, broken: list[int]) -> None:
    film = write_film(tmp_path / "a.mkv", 50, codec="mjpeg")
    data = bytearray(film.read_bytes())
    for number in broken:
        at, size = packets(film)[number]
        data[at + 8 : at + size] = bytes(size - 8)
    film.write_bytes(data)
    source = Film(film)
    *found, failure = source.frames()
    assert numbers(found) == [n for n in range(50) if n not in broken]
    assert source.stats.broken == len(broken)
    assert isinstance(failure, Failure)
    assert (failure.frame, failure.stage) == (12, "read")
    assert f"{len(broken)} frames could not be decoded" in failure.error


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_a_film_cut_short_says_where(tmp_path: Path, suffix: str) -> None:
    options = None if suffix == "mkv" else {"movflags": "faststart"}
    codec = "mjpeg" if suffix == "mov" else "libx264"
    film = write_film(tmp_path / f"a.{suffix}", 100, options=options, codec=codec)
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 3 // 5])
    *found, failure = read_video(film)
    good = [item for item in found if isinstance(item, Frame)]
    assert numbers(good) == list(range(len(good)))
    assert 5 < len(good) < 90
    assert isinstance(failure, Failure)
    told = failure if "ends at" in failure.error else next(i for i in found if isinstance(i, Failure))
    assert "of 4.00 s" in told.error
    assert abs(float(told.error.split("ends at ")[1].split()[0]) - good[-1].seconds) < 0.2
    assert told.hint
    assert not [item for item in read_video(film, ReadOptions(end=0.5)) if isinstance(item, Failure)]


def write_mp4_without_index(path: Path) -> None:
    write_film(path)
    path.write_bytes(path.read_bytes()[:600])


BAD = {
    "empty.mp4": (lambda path: path.write_bytes(b""), "not a film"),
    "text.mp4": (lambda path: path.write_text("no film\n" * 200), "not a film"),
    "noindex.mp4": (write_mp4_without_index, "cut short or damaged"),
    "photo.png": (lambda path: Image.new("RGB", (8, 8)).save(path), "a photo, not a film"),
    "photo.jpg": (lambda path: Image.new("RGB", (8, 8)).save(path), "a photo, not a film"),
    "gone.mp4": (lambda path: None, "no such file"),
    "folder.mp4": (lambda path: path.mkdir(), "holds no picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_film_fails_at_the_call_with_a_hint(tmp_path: Path, name: str) -> None:
    make, words = BAD[name]
    make(tmp_path / name)
    with pytest.raises(SourceError, match=words) as raised:
        read_video(tmp_path / name)
    assert name in raised.value.message
    assert raised.value.hint


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        out.mux(stream.encode(sound))
    with pytest.raises(SourceError, match="no moving pictures"):
        read_video(tmp_path / "a.wav")


def test_a_name_with_a_colon_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.mp4", 3).rename(tmp_path / "concat:x.mp4")
    assert len(frames(Path("concat:x.mp4"))) == 3


def folder_of_frames(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        Image.fromarray(numbered(number)).save(folder / name)
    return folder


def test_a_folder_is_a_film_in_natural_order(tmp_path: Path) -> None:
    folder_of_frames(tmp_path, ["f1.png", "f2.png", "f9.png", "f10.png", "F11.png", "f100.png"])
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    found = frames(tmp_path, frame_rate=2)
    assert numbers(found) == list(range(6))
    assert [frame.seconds for frame in found] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert numbers(frames(tmp_path, frame_rate=2, start=0.6, end=2.1)) == [2, 3, 4]


def test_a_broken_picture_of_a_folder_is_counted(tmp_path: Path) -> None:
    folder_of_frames(tmp_path, ["1.png", "2.png", "3.png"])
    (tmp_path / "2.png").write_bytes(b"no picture")
    first, last, failure = read_video(tmp_path)
    assert isinstance(first, Frame) and isinstance(last, Frame) and isinstance(failure, Failure)
    assert (first.index, last.index, failure.frame) == (0, 2, 1)


def test_leaving_early_closes_the_file(tmp_path: Path) -> None:
    film = Film(write_film(tmp_path / "a.mp4"))
    items = film.frames()
    next(items)
    items.close()
    assert film.ended
    assert film.take() is None
    assert not [
        link for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and "a.mp4" in str(link.readlink())
    ]


def test_closing_from_another_thread_ends_it(tmp_path: Path) -> None:
    film = Film(write_film(tmp_path / "a.mp4", 250))
    threading.Timer(0.05, film.close).start()
    begun = time.monotonic()
    for _ in film.frames():
        time.sleep(0.01)
    assert time.monotonic() - begun < 2


def test_which_source_is_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.mp4", 2)
    folder_of_frames(tmp_path, ["1.png"])
    (tmp_path / "a.mp4").rename(tmp_path / "7")
    for source in ("7", "."):
        assert isinstance(open_stream(source), Film)
    for source in ("0", "/dev/video3", "rtsp://h/a", "http://h/video.mjpg", "https://h/live.m3u8"):
        stream = open_stream(source)
        assert isinstance(stream, LiveSource)
        assert stream.live
    with pytest.raises(SourceError, match="no such file"):
        open_stream("gone.mp4")
    with pytest.raises(SourceError, match="no such kind"):
        open_stream("gopher://h/a")
    with pytest.raises(UsageError, match="start and end are for films"):
        open_stream("rtsp://h/a", ReadOptions(start=3))


@pytest.mark.parametrize(("tag", "space"), [(2, "ITU601"), (6, "ITU601"), (1, "ITU709")])
def test_colours_are_those_the_film_was_made_with(tmp_path: Path, tag: int, space: str) -> None:
    red = np.full((48, 64, 3), (20, 40, 220), np.uint8)
    with av.open(str(tmp_path / "a.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = tag
        frame = av.VideoFrame.from_ndarray(red, format="bgr24").reformat(format="yuv420p", dst_colorspace=space)
        frame.colorspace = tag
        film.mux(stream.encode(frame))
        film.mux(stream.encode())
    assert np.abs(frames(tmp_path / "a.mp4")[0].image.astype(int) - red).max() < 8
