"""A shop made on the spot: packs, a catalogue, shelf photos, and the command line run in this process over fakes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeDetector, FakeEncoder
from PIL import Image as Pictures

SHELF = (200, 300)  # height, width of a shelf photo, pixels
PLACES = ((20, 60, 80, 150), (100, 60, 160, 150), (180, 60, 240, 150))


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]


class CountingEncoder(FakeEncoder):
    """Counts the crops it was given."""

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, crops: list[np.ndarray]) -> np.ndarray:
        self.encoded += len(crops)
        return super().encode(crops)


@dataclass
class Shop:
    """A folder with pictures; `encoder` and `detector` stand behind the command line."""

    folder: Path
    encoder: CountingEncoder
    detector: FakeDetector

    def pack(self, seed: int) -> np.ndarray:
        """A pack, RGB uint8 (90, 60, 3): large fields and small ones by seed, for encoder and verification."""
        dice = np.random.default_rng(seed)
        large = dice.integers(0, 150, (3, 2, 3)).repeat(30, axis=0).repeat(30, axis=1)
        small = dice.integers(0, 100, (15, 10, 1)).repeat(6, axis=0).repeat(6, axis=1)
        return (large + small).astype(np.uint8)

    def picture(self, name: str, seed: int) -> Path:
        """A packshot."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pictures.fromarray(self.pack(seed)).save(path)
        return path

    def photo(self, name: str, *seeds: int) -> Path:
        """A shelf photo with the packs of `seeds` in the places where the detector sees products."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((*SHELF, 3), 120, np.uint8)
        for seed, (x_min, y_min, x_max, y_max) in zip(seeds, PLACES, strict=False):
            image[y_min:y_max, x_min:x_max] = self.pack(seed)
        Pictures.fromarray(image).save(path)
        return path

    def catalog(self, *seeds: int, extra: str = "") -> Path:
        """A catalogue with one SKU `S<seed>` per seed; `extra`: further lines."""
        rows = [f"S{seed},{self.picture(f'packs/{seed}.png', seed).relative_to(self.folder)}\n" for seed in seeds]
        path = self.folder / "catalog.csv"
        path.write_text("sku,image\n" + "".join(rows) + extra, encoding="utf-8")
        return path


@pytest.fixture(scope="session", autouse=True)
def converted_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Models converted by tests, and by processes that they start, lie together and away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHELF_RECOGNITION_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Ctrl-C is heard: a shell that starts tests in the background leaves it ignored, in their processes, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose folder is the working directory, fakes at two seams, the real database at the third."""
    import recognition.run
    import recognition.upkeep

    made = Shop(tmp_path, CountingEncoder(), FakeDetector({SHELF: PLACES}))
    monkeypatch.setattr(recognition.run, "load_encoder", lambda settings, calibration=(): made.encoder)
    monkeypatch.setattr(recognition.upkeep, "load_encoder", lambda settings, calibration=(): made.encoder)
    monkeypatch.setattr(recognition.run, "YoloDetector", lambda path, settings: made.detector)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Runs `recognize.py` with arguments, as its `main` does."""
    import recognize

    former = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["recognize.py", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            recognize.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    yield run
    signal.signal(signal.SIGTERM, former)
