"""What an encoder's training is asked to do, and the folder that it does it in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from recognition.errors import UsageError
from recognition.training.claim import claim
from recognition.training.encoder_blocks import PARTS, Part

Loss = Literal["infonce", "sigmoid"]
LOSSES: tuple[Loss, ...] = ("infonce", "sigmoid")
MINUTES = 30.0
DEFAULT_SEED = 1000


@dataclass(frozen=True)
class EncoderOptions:
    """The options of `train encoder`. start: an encoder by name, folder or hub id. 0 chooses dim, rate and size.

    judge: the encoder that says which facings of photos are alike, "" for the start. minutes, steps: one of the two
    ends the training; neither means 30 minutes. fit: "" takes the start's.
    """

    catalog: Path | None = None
    images: Path | None = None
    db: Path | None = None
    crops: Path | None = None
    photos: Path | None = None
    rendered: int = 0
    packshots: Path | None = None
    start: str = "starter"
    judge: str = ""
    part: Part = "most"
    loss: Loss = "infonce"
    dim: int = 0
    minutes: float = 0.0
    steps: int = 0
    batch: int = 64
    rate: float = 0.0
    size: int = 0
    seed: int = DEFAULT_SEED
    fit: str = ""

    def check(self) -> None:
        """Holds the options against each other.

        Raises:
            UsageError: they make no sense.
        """
        sources = (self.catalog, self.db, self.crops, self.photos, self.packshots)
        if not self.rendered and all(source is None for source in sources):
            hint = "give --catalog, --db, --crops, --photos, --packshots or --rendered, or several of them"
            raise UsageError("nothing to learn from", hint)
        if self.catalog is not None and self.db is not None:
            raise UsageError("--catalog and --db exclude each other", "give one of them")
        if self.images is not None and self.catalog is None:
            raise UsageError("--images belongs to --catalog", "give the catalogue too")
        if self.minutes and self.steps:
            raise UsageError("--minutes and --steps exclude each other", "give one of them")
        for name, known in (("part", PARTS), ("loss", LOSSES)):
            if (value := getattr(self, name)) not in known:
                option = "train" if name == "part" else name
                raise UsageError(f"--{option} {value}: no such choice", f"wanted {', '.join(known)}")
        for name in ("rendered", "dim", "minutes", "steps", "rate", "size"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"--{name} {getattr(self, name)}", "wanted a number above 0")
        if self.batch < 2:
            raise UsageError(f"--batch {self.batch}", "wanted 2 or more: the others are what a product is told from")

    def as_dict(self) -> dict[str, str | float | None]:
        """The fields by name, paths as text, ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


@dataclass(frozen=True)
class RunFolder:
    """The --out folder: what a run keeps in it."""

    path: Path

    @property
    def options(self) -> Path:
        """The options of the run."""
        return self.path / "options.json"

    @property
    def boxes(self) -> Path:
        """Boxes that the detector found on photos."""
        return self.path / "boxes.jsonl"

    @property
    def packs(self) -> Path:
        """Rendered packs."""
        return self.path / "packs"

    @property
    def likeness(self) -> Path:
        """Vectors of the encoder before training."""
        return self.path / "likeness.npy"

    @property
    def pairs(self) -> Path:
        """Facings of photos that show one product."""
        return self.path / "pairs.npz"

    @property
    def checkpoint(self) -> Path:
        """The state of training."""
        return self.path / "last.pt"

    @property
    def encoder(self) -> Path:
        """What `--encoder` loads."""
        return self.path / "encoder"

    @property
    def report(self) -> Path:
        """The figures."""
        return self.path / "report.json"

    def begin(self, options: EncoderOptions, overwrite: bool) -> None:
        """Makes the folder ready for a run, which goes on if it is the same as before.

        Raises:
            UsageError: the folder holds another run, or something else. OutputError: it cannot be written.
        """
        made = (self.packs, self.encoder, self.boxes, self.likeness, self.pairs, self.checkpoint, self.report)
        claim(self.options, options.as_dict(), [path.name for path in made], overwrite)
