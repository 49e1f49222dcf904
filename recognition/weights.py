"""Where the weights that ship are found: `weights/` of a checkout, or the copy inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

from recognition.errors import WeightsError

STARTER_DETECTOR = "starter-detector.pt"
STARTER_ENCODER = "starter-encoder"


def weights_dir() -> Path:
    """The folder of shipped weights.

    Raises:
        WeightsError: neither place exists.
    """
    package = Path(__file__).parent
    for folder in (package / "_weights", package.parent / "weights"):
        if folder.is_dir():
            return folder
    raise WeightsError("the weights that ship with the program are missing", "install it again, or clone it whole")


def detector_path(name: str) -> Path:
    """File of a detector by name: `starter`, or a path.

    Raises:
        WeightsError: there is no such file.
    """
    path = weights_dir() / STARTER_DETECTOR if name == "starter" else Path(name)
    if not path.is_file():
        raise WeightsError(f"detector weights {path}: no such file", "give --detector starter or a .pt file")
    return path
