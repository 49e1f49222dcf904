"""Writes films of rendered walks: an mp4 beside the truth of its frames, events and planogram.

`python -m recognition.training.render.walk_files --out walks --seed 41` writes one walk; `--still` a watched shelf.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import OutputError
from recognition.training.render.truth import write_truth
from recognition.training.render.walk import Film, WalkStyle, render_film


def write_film(film: Film, folder: Path, name: str = "walk") -> Path:
    """Writes `<name>.mp4`, `<name>.json` (frames and events), and `truth.csv` and `truth_planogram.csv` of the whole
    shelf at the film's end in the layout of samples/, boxes in pixels of the panorama; the path of the mp4.

    Raises:
        OutputError: a file cannot be written.
    """
    path = folder / f"{name}.mp4"
    frames: list[dict[str, object]] = []

    def images() -> Iterable[NDArray[np.uint8]]:
        for frame in film.frames():
            products = [[*p.box, p.sku, p.instance, p.visible] for p in frame.products]
            frames.append({"seconds": frame.seconds, "products": products, "homography": frame.homography.tolist()})
            yield frame.image

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_mp4(path, images(), film.style.fps)
        truth = {"style": asdict(film.style), "events": [asdict(e) for e in film.events], "frames": frames}
        (folder / f"{name}.json").write_text(json.dumps(truth), encoding="utf-8")
        write_truth(folder, {path.name: film.planogram()})
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}", "give a folder that can be written to") from error
    return path


def write_mp4(path: Path, images: Iterable[NDArray[np.uint8]], fps: float) -> int:
    """Writes BGR pictures of one size as H.264; the number of frames.

    Raises:
        OutputError: the file cannot be written, or the picture's sides are odd.
    """
    import av

    count = 0
    try:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
            stream.pix_fmt, stream.options = "yuv420p", {"crf": "20", "preset": "veryfast", "threads": "1"}
            for image in images:
                count += 1
                if count == 1:
                    stream.height, stream.width = image.shape[:2]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            if count:
                container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise OutputError(f"cannot write {path}: {error}", "give a folder that can be written to") from error
    return count


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and writes a film."""
    default = WalkStyle()
    parser = argparse.ArgumentParser(description="Render a walk along a shelf with its exact truth.")
    parser.add_argument("--out", type=Path, default=Path("walks"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=41, help="another seed is another shelf and another walk")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="length of the film")
    parser.add_argument("--still", action="store_true", help="a fixed camera instead of a walk")
    options = parser.parse_args(arguments)
    style = WalkStyle(seconds=options.seconds, still=options.still)
    film = render_film(options.seed, style)
    print(f"{write_film(film, options.out)}: {style.frames} frames, {len(film.events)} events")


if __name__ == "__main__":
    main()
