"""Films: every frame of a video file, or of a folder of frames, in order."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from recognition.errors import SourceError
from recognition.sources.av_video import Lost, Shot, Video, open_film
from recognition.sources.camera import LiveSource
from recognition.sources.choice import Picker, ReadOptions
from recognition.sources.decode import read_image
from recognition.sources.inputs import PICTURE_SUFFIXES
from recognition.sources.network import device_number
from recognition.sources.reader import StreamStats, Wake
from recognition.sources.several import Item, Stream, one_by_one
from recognition.sources.urls import is_url, mask_secrets, url_suffix
from recognition.types import Failure, Frame, Image

FILM_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv"})
"""An address whose path ends so is a film, read in order; any other is a live stream."""

_SHORT_S = 0.5  # seconds that a film may end before it says


def open_stream(source: str, options: ReadOptions | None = None) -> Stream:
    """A camera for a device number or an address, a film for a file, a folder of frames or the address of a film.

    Raises:
        SourceError: it is none of these. A camera that does not answer is no error: it is waited for.
        UsageError: start or end is given for a camera.
    """
    live = device_number(source) is not None and not Path(source).is_file()
    live = live or (is_url(source) and url_suffix(source) not in FILM_SUFFIXES)
    return LiveSource(source, options) if live else Film(source, options)


def read_video(path: str | Path, options: ReadOptions | None = None) -> Iterator[Frame | Failure]:
    """The frames of a film; see `Film`, which is opened here and not at the first frame."""
    return Film(path, options).frames()


class Film:
    """Frames of a file or folder, in order; decoded when asked for.

    A folder gives the pictures in it (not in folders in it) in natural order (`2.png` before `10.png`), with
    options.frame_rate frames a second. Frame.index counts all frames of the film from 0, also those left out;
    Frame.seconds is the time in the film, from its time stamps. Frames that cannot be decoded are left out and
    counted; at the end one Failure says how many. A film that ends before the time it states, or cannot be read
    on, ends with a Failure that says where. Frames are turned upright as the file says.

    Raises:
        SourceError: there is no such file, or it is no film.
    """

    def __init__(self, path: str | Path, options: ReadOptions | None = None) -> None:
        self.source, self.live, self.ended = mask_secrets(str(path)), False, False
        self.options = options or ReadOptions()
        self.wake = Wake()
        self._read = self._skipped = self._broken = 0
        self._first_broken = (0, 0.0)
        self._closed = False
        name = str(path)
        if not is_url(name) and Path(name).is_dir():
            self._items = self._folder_items(_pictures(Path(name)))
        else:
            self._items = self._film_items(_opened(name, self.options))

    @property
    def stats(self) -> StreamStats:
        """Counts so far; frames before `start` are not read."""
        return StreamStats(self._read, skipped=self._skipped, broken=self._broken)

    def frames(self) -> Iterator[Frame | Failure]:
        """All items. Closes the film when left."""
        return one_by_one(self)

    def take(self) -> Item | None:
        """The next item; None once the film has ended."""
        item = None if self._closed else next(self._items, None)
        self.ended = item is None
        return item

    def close(self) -> None:
        """Ends the film, after the frame that another thread is just decoding if there is one."""
        self._closed = self.ended = True
        with suppress(ValueError):  # that thread is inside
            self._items.close()

    def _film_items(self, video: Video) -> Generator[Item, None, None]:
        with closing(video):
            try:
                yield from self._chosen(video.shots(self.options.start), video.created)
            except SourceError as error:
                yield self._cut(f"{error.message}; stops at {video.last_s:.2f} s", error.hint)
            else:
                missing = video.length_s - video.last_s
                if missing > _SHORT_S and video.last_s < self.options.end:
                    words = f"film {self.source}: cut short: ends at {video.last_s:.2f} of {video.length_s:.2f} s"
                    yield self._cut(words, "copy it again from the camera")
        yield from self._report()

    def _folder_items(self, pictures: list[Path]) -> Generator[Item, None, None]:
        rate = self.options.frame_rate
        yield from self._chosen(
            Shot(number, number / rate, partial(_picture, path)) for number, path in enumerate(pictures)
        )
        yield from self._report()

    def _chosen(self, shots: Iterator[Shot | Lost], created: datetime | None = None) -> Iterator[Frame]:
        picker = Picker(self.options)
        number, seconds = -1, self.options.start
        for shot in shots:
            if isinstance(shot, Lost):
                number += 1
                self._break(number, seconds)
                continue
            number, seconds = shot.number, shot.seconds
            if picker.ended(seconds):
                return
            self._read += 1
            if not picker.takes(seconds):
                self._skipped += 1
                continue
            try:
                image = shot.image()
            except SourceError:
                self._break(number, seconds)
                continue
            moment = (created + timedelta(seconds=seconds)).isoformat(timespec="milliseconds") if created else ""
            yield Frame(self.source, number, image, moment, seconds=seconds)

    def _break(self, number: int, seconds: float) -> None:
        if not self._broken:
            self._first_broken = (number, seconds)
        self._broken += 1

    def _report(self) -> Iterator[Failure]:
        if self._broken:
            number, seconds = self._first_broken
            words = f"film {self.source}: {self._broken} frames could not be decoded, the first at {seconds:.2f} s"
            yield Failure(self.source, number, "read", words, "copy it again from the camera")

    def _cut(self, words: str, hint: str) -> Failure:
        return Failure(self.source, self._read, "read", words, hint)


def _opened(name: str, options: ReadOptions) -> Video:
    """The open film. A pipe or device is refused: opening one could wait for ever."""
    try:
        if not is_url(name) and not Path(name).is_file():
            there = bool(name) and Path(name).exists()
            words = "not a regular file" if there else "no such file"
            raise SourceError(f"film {name or '(empty name)'}: {words}", "check the path")
    except OSError as error:
        raise SourceError(f"film {name}: cannot be read ({error.strerror})", "check the path") from error
    return open_film(name, options)


def _pictures(folder: Path) -> list[Path]:
    """Pictures of a folder in natural order.

    Raises:
        SourceError: there is none, or the folder cannot be read.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
    except OSError as error:
        raise SourceError(f"folder {folder}: cannot be read ({error.strerror})", "change its permissions") from error
    pictures = sorted((path for path in found if not path.name.startswith(".")), key=_natural)
    if not pictures:
        raise SourceError(f"folder {folder}: holds no picture", "give a folder of .jpg, .png, ... frames")
    return pictures


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", path.name.lower())
    return [(int(part), "") if n % 2 else (-1, part) for n, part in enumerate(parts)], path.name


def _picture(path: Path) -> Image:
    return read_image(path).image
