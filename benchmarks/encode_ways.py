"""One shape of benchmarks/encode.py in one process: all ways get the same crops, and take turns.

`naive` is what the library's documentation shows: Pillow, processor and model in float32, picture by picture.
`openvino plain` is OpenVINO as its documentation shows: converted, compiled, and fed by transformers' processor in our
batches; float32 is asked for, so that precision is equal. The others are this program's runtimes.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.encode_inputs import CROPS, REFERENCES, load_pictures
from recognition.embedding.huggingface import HuggingFaceEncoder
from recognition.embedding.openvino_library import core, openvino
from recognition.embedding.openvino_runtime import knows_bfloat16
from recognition.embedding.runtimes import BF16, INT8, TORCH
from recognition.settings import RUNTIMES, EmbedSettings
from recognition.types import Image
from recognition.weights import STARTER_ENCODER, weights_dir

CALIBRATION = 48
NAIVE, PLAIN = "naive", "openvino plain"
Way = Callable[[Sequence[Image]], NDArray[np.float32]]


@dataclass(frozen=True)
class Measured:
    """One way. seconds, cpu_seconds: per image, of each round, by the clock and of this process's cores. open_seconds:
    to have it ready, conversion included where it was not in the cache. cosine: least one to the naive way's vectors,
    or, of our ways, to our torch runtime's, whose preprocessing is the same. top1: share of images that find the same
    best SKU as by that yardstick, which embedded the references: one packshot per SKU, as in a database."""

    seconds: list[float]
    cpu_seconds: list[float]
    open_seconds: float
    cosine: float
    top1: float


def measure(shape: str, place: Path, images: int, rounds: int, batch: int) -> dict[str, Measured]:
    """All ways on the first `images` crops, `rounds` times, taking turns; the rest of the crops calibrate int8."""
    crops = load_pictures(place / CROPS)
    crops, others = crops[:images], crops[images:]
    folder = weights_dir() / STARTER_ENCODER if shape == "starter" else place / shape.replace("/", "-")
    opened = {name: _timed(partial(_way, name, shape, folder, batch, others)) for name in ways()}
    vectors = {name: way(crops) for name, (way, _) in opened.items()}  # warms up, too
    packshots = load_pictures(place / REFERENCES)
    references = {name: opened[name][0](packshots) for name in (NAIVE, TORCH)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in opened}
    for _ in range(rounds):
        for name, (way, _) in opened.items():
            clock, cpu = time.perf_counter(), time.process_time()
            way(crops)
            times[name].append(((time.perf_counter() - clock) / len(crops), (time.process_time() - cpu) / len(crops)))
    return {
        name: Measured(
            [a for a, _ in times[name]], [b for _, b in times[name]], opened[name][1],
            *agreement(vectors[name], vectors[yardstick(name)], references[yardstick(name)]),
        )
        for name in opened
    }  # fmt: skip


def ways() -> tuple[str, ...]:
    """Their names; bfloat16 is left out where the processor has none."""
    return (NAIVE, PLAIN, *(name for name in RUNTIMES if name != BF16 or knows_bfloat16()))


def yardstick(name: str) -> str:
    """The way that a way's vectors are held against."""
    return NAIVE if name in (NAIVE, PLAIN) else TORCH


def agreement(
    found: NDArray[np.float32], wanted: NDArray[np.float32], references: NDArray[np.float32]
) -> tuple[float, float]:
    """Least cosine between rows, and the share of rows with the same nearest reference; all (n, dim) of norm 1."""
    nearest = [(vectors @ references.T).argmax(axis=1) for vectors in (found, wanted)]
    return float((found * wanted).sum(axis=1).min()), float((nearest[0] == nearest[1]).mean())


def _way(name: str, shape: str, folder: Path, batch: int, others: Sequence[Image]) -> Way:
    if name == NAIVE:
        return _naive(shape, folder)
    if name == PLAIN:
        return _plain(shape, folder, batch)
    settings = EmbedSettings(batch_size=batch, device="cpu", runtime=name)
    return HuggingFaceEncoder(folder, shape, settings, others if name == INT8 else ()).encode


def _naive(shape: str, folder: Path) -> Way:
    import torch

    fit, model = _theirs(shape, folder)

    def encode(crops: Sequence[Image]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.concatenate([model(fit([crop])).numpy() for crop in crops])

    return encode


def _plain(shape: str, folder: Path, batch: int) -> Way:
    fit, model = _theirs(shape, folder)
    library = openvino()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = fit([np.zeros((64, 64, 3), np.uint8)] * 2)
        free = [-1, *example.shape[1:]]
        made = library.convert_model(model, input=[(free, library.Type.f32)], example_input=example, dynamo=True)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": int(os.environ["OMP_NUM_THREADS"])}
    compiled = core().compile_model(made, "CPU", settings)

    def encode(crops: Sequence[Image]) -> NDArray[np.float32]:
        parts = [crops[start : start + batch] for start in range(0, len(crops), batch)]
        return np.concatenate([compiled(fit(part).numpy())[0].copy() for part in parts])

    return encode


def _theirs(shape: str, folder: Path) -> tuple[Callable[[Sequence[Image]], Any], Any]:
    """transformers' own processor and model: crops to pixels (n, 3, h, w), and those to vectors of norm 1.

    The starter wants crops whole on white, which is Pillow's part, and has a head.
    """
    import torch
    import transformers
    from PIL import Image as Pictures
    from PIL import ImageOps
    from safetensors.torch import load_file

    transformers.utils.logging.disable_progress_bar()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = getattr(transformers, config.architectures[0])
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    starter = shape == "starter"

    def fit(crops: Sequence[Image]) -> Any:
        pictures = [Pictures.fromarray(crop) for crop in crops]
        if starter:
            side = processor.size.height, processor.size.width
            pictures = [ImageOps.pad(each, side, Pictures.Resampling.BILINEAR, "white") for each in pictures]
        return processor(images=pictures, return_tensors="pt")["pixel_values"]

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            if starter:
                # The window of its own pooling is larger than the map, which OpenVINO refuses; the mean is the same.
                self.model.pooler = torch.nn.AdaptiveAvgPool2d(1)
                head = load_file(folder / "head.safetensors")
                self.head = torch.nn.Linear(head["weight"].shape[1], head["weight"].shape[0])
                self.head.load_state_dict({key: tensor.float() for key, tensor in head.items()})

        def forward(self, pixels: Any) -> Any:
            output = self.model(pixel_values=pixels)
            pooled = output.image_embeds if hasattr(output, "image_embeds") else output.pooler_output.flatten(1)
            return torch.nn.functional.normalize(self.head(pooled) if starter else pooled)

    return fit, Whole().eval().requires_grad_(False)


def _timed(make: Callable[[], Way]) -> tuple[Way, float]:
    start = time.perf_counter()
    return make(), time.perf_counter() - start


if __name__ == "__main__":
    which, where, count, times, size = sys.argv[1:]
    found = measure(which, Path(where), int(count), int(times), int(size))
    print(json.dumps({name: asdict(each) for name, each in found.items()}))
