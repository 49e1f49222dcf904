"""Makes a model for OpenVINO: from the torch tower in float32, and from that in int8."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.embedding.openvino_cache import BIN, XML, Entry
from recognition.embedding.openvino_library import core, nncf, openvino, own_signal_stack
from recognition.embedding.runtimes import INT8_WEIGHTS, Model
from recognition.errors import EncoderError

MOST_CALIBRATION = 64
"""Pictures that activations are measured on: SmoothQuant and bias correction look at each twice."""
_NOISE = 4


def convert(model: Model, folder: Path) -> Entry:
    """Writes the float32 model; its features are held against torch's.

    Raises:
        WeightsError: the torch model cannot be loaded. OSError: the folder cannot be written.
    """
    tower = model.load()
    noise = noise_pictures(model.size)
    with torch.inference_mode():
        wanted = tower(torch.from_numpy(noise)).numpy()
    try:
        with _quiet():
            made = _trace(tower, model.size)
        found = core().compile_model(made, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(noise)[0]
        save(made, folder)
    # torch.export and OpenVINO's frontend let dozens of kinds of errors through for a network they cannot follow.
    except Exception as error:
        if isinstance(error, OSError):
            raise
        return Entry(failure=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return Entry(tower.dim, least_cosine(found, wanted))


def quantize(kind: str, exact: Path, dim: int, size: tuple[int, int], crops: NDArray[np.uint8], folder: Path) -> Entry:
    """Writes an int8 model made of the float32 one in the folder `exact`. crops: uint8 (n, h, w, 3), to calibrate.

    Raises:
        EncoderError: NNCF is missing or fails. OSError: the folder cannot be written.
    """
    source = core().read_model(exact / XML)
    try:
        with _quiet(), own_signal_stack():
            library = nncf()
            if kind == INT8_WEIGHTS:
                made = library.compress_weights(source, mode=library.CompressWeightsMode.INT8_ASYM)
            else:
                made = _calibrated(library, source, crops)
    except (RuntimeError, ValueError, TypeError) as error:  # nncf's own errors derive from these or from Exception
        raise EncoderError(f"int8: {error}", "take --runtime openvino") from error
    save(made, folder)
    noise = noise_pictures(size)
    setting = {"INFERENCE_PRECISION_HINT": "f32"}
    found, wanted = (core().compile_model(each, "CPU", setting)(noise)[0] for each in (made, exact / XML))
    return Entry(dim, least_cosine(found, wanted))


def save(made: Any, folder: Path) -> None:
    """Writes graph and weights as they are: stored in half precision they would not be exact."""
    openvino().save_model(made, folder / XML, compress_to_fp16=False)
    assert (folder / BIN).is_file()


def noise_pictures(size: tuple[int, int]) -> NDArray[np.uint8]:
    """The same few pictures each time, from coarse to fine, uint8 (4, h, w, 3)."""
    random = np.random.default_rng(0)
    grains = [max(1, min(size) >> shift) for shift in range(2, 2 + _NOISE)]
    made = [random.integers(0, 256, (-(-size[0] // g), -(-size[1] // g), 3), np.uint8) for g in grains]
    large = [np.kron(p, np.ones((g, g, 1), np.uint8)) for p, g in zip(made, grains, strict=True)]
    return np.stack([picture[: size[0], : size[1]] for picture in large])


def least_cosine(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """The smallest cosine between rows of two arrays (n, d); NaN, which is no agreement, for what is not finite."""
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float((np.einsum("nd,nd->n", found, wanted) / norms).min())


def _trace(tower: torch.nn.Module, size: tuple[int, int]) -> Any:
    library = openvino()
    for part in list(tower.modules()):
        # EfficientNet averages its whole map by a window larger than that, which OpenVINO refuses.
        if isinstance(getattr(part, "pooler", None), torch.nn.AvgPool2d):
            part.pooler = torch.nn.AdaptiveAvgPool2d(1)
    example = torch.zeros((2, *size, 3), dtype=torch.uint8)
    shape = [([-1, *size, 3], library.Type.u8)]
    return library.convert_model(tower, input=shape, example_input=example, dynamo=True)


def _calibrated(library: Any, source: Any, crops: NDArray[np.uint8]) -> Any:
    places = np.linspace(0, len(crops) - 1, min(len(crops), MOST_CALIBRATION)).astype(int)
    data = library.Dataset([crops[place : place + 1] for place in places])
    transformer = any(op.get_type_name() in ("Softmax", "ScaledDotProductAttention") for op in source.get_ops())
    return library.quantize(
        source,
        data,
        preset=library.QuantizationPreset.MIXED,
        model_type=library.ModelType.TRANSFORMER if transformer else None,
        subset_size=len(places),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps progress bars, advice and deprecations of three libraries away from the user."""
    levels = {name: logging.getLogger(name).level for name in ("nncf", "torch.export", "torch._export", "torch.utils")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
