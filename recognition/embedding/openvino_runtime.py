"""The model in OpenVINO on the CPU: float32, bfloat16, int8 weights, or calibrated int8; converted once and kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.openvino_cache import XML, Entry, cached
from recognition.embedding.openvino_library import core
from recognition.embedding.runtimes import BF16, INT8, INT8_WEIGHTS, NO_CALIBRATION, OPENVINO, Model
from recognition.errors import EncoderError, UsageError

FORMAT = 1  # raised when the conversion changes
AGREEMENT = 0.9999
"""Least cosine between float32 here and in torch, over a few pictures of noise."""
_LIBRARIES = ("openvino", "nncf", "torch", "transformers", "open_clip_torch", "timm")
_AT_ONCE = 8  # 8 to 16 are fastest on 2 cores; more only take memory
_GROUP = 128  # of activations quantised together; above the model's width the int8 path is left
_SLOW_SECONDS = 3.0
_TAKE_EXACT = f"take --runtime {OPENVINO}"
_log = logging.getLogger(__name__)


class OpenVinoRuntime:
    """Implements `Runtime`. One call runs at a time, on the cores that this process may use."""

    def __init__(self, name: str, model: Model, calibration: NDArray[np.uint8] = NO_CALIBRATION) -> None:
        """Opens the converted model, or converts it first, which takes seconds to minutes, once per machine.

        Raises:
            UsageError: `openvino-int8` without calibration crops. WeightsError: the model cannot be loaded.
            EncoderError: a package is missing, the model cannot be converted, it then gives other features, or the
            processor has no bfloat16.
        """
        self.name, self.exact = name, name == OPENVINO
        self._name = model.name
        if name == INT8 and not len(calibration):
            raise UsageError(
                f"encoder {model.name}: {INT8} is calibrated on pictures of your products, and there are none",
                f"use it with a database that has pictures, or take --runtime {INT8_WEIGHTS}",
            )
        if name == BF16 and not knows_bfloat16():
            raise EncoderError(f"encoder {model.name}: this processor does not calculate in bfloat16", _TAKE_EXACT)
        folder, entry = _float32(model) if name in (OPENVINO, BF16) else _int8(name, model, calibration)
        self.dim = entry.dim
        self._lock = threading.Lock()
        try:
            compiled = core().compile_model(folder / XML, "CPU", _settings(name))
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise self._failure(error) from error

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Runtime`.

        Raises:
            EncoderError: the model failed.
        """
        found = np.empty((len(batch), self.dim), np.float32)
        try:
            with self._lock:
                for start in range(0, len(batch), _AT_ONCE):
                    part = slice(start, start + _AT_ONCE)
                    found[part] = self._request.infer({0: batch[part]}, share_inputs=True, share_outputs=True)[0]
        except RuntimeError as error:
            raise self._failure(error) from error
        return found

    def _failure(self, error: RuntimeError) -> EncoderError:
        message = str(error).strip().split("\n")[-1]
        return EncoderError(f"encoder {self._name}: OpenVINO: {message}", "try --runtime torch")


def _settings(name: str) -> dict[str, Any]:
    # Left to itself OpenVINO takes bfloat16 where the CPU knows it, which changes answers; beside int8 it changes
    # nothing more. OpenVINO also ties threads to cores, and two processes to the same ones.
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if name != OPENVINO and knows_bfloat16() else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": _threads(),
        "ENABLE_CPU_PINNING": False,
    }
    if name == INT8_WEIGHTS:
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP
    return settings


def knows_bfloat16() -> bool:
    """Whether OpenVINO would choose it by itself: it does so where the processor has instructions for it."""
    return str(core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()) == "bf16"


def _threads() -> int:
    """Cores that this process may use, or fewer where OMP_NUM_THREADS says so, which torch heeds too."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) else cores


def _float32(model: Model) -> tuple[Path, Entry]:
    def make(folder: Path) -> Entry:
        from recognition.embedding.openvino_convert import convert

        with _saying(f"encoder {model.name}: converting for OpenVINO, once for this machine"):
            return convert(model, folder)

    folder, entry = cached(_key(OPENVINO, model, NO_CALIBRATION), make)
    if entry.failure:
        raise EncoderError(f"encoder {model.name}: not for OpenVINO: {entry.failure}", "take --runtime torch")
    if not entry.cosine >= AGREEMENT:
        found = f"its features agree with torch's only to cosine {entry.cosine:.5f}, wanted {AGREEMENT}"
        raise EncoderError(f"encoder {model.name}: refused in OpenVINO: {found}", "take --runtime torch")
    return folder, entry


def _int8(name: str, model: Model, calibration: NDArray[np.uint8]) -> tuple[Path, Entry]:
    def make(folder: Path) -> Entry:
        from recognition.embedding.openvino_convert import quantize

        exact, entry = _float32(model)
        with _saying(f"encoder {model.name}: making an int8 model, once for this machine"):
            return quantize(name, exact, entry.dim, model.size, calibration, folder)

    return cached(_key(name, model, calibration if name == INT8 else NO_CALIBRATION), make)


def _key(name: str, model: Model, calibration: NDArray[np.uint8]) -> str:
    """Digest of all that a converted model follows from; legible in front."""
    versions = {library: _version(library) for library in _LIBRARIES}
    facts = json.dumps([FORMAT, name, model.key, versions, calibration.shape], sort_keys=True)
    digest = hashlib.blake2b(facts.encode(), digest_size=16)
    digest.update(np.ascontiguousarray(calibration).data)
    return f"{name}-{digest.hexdigest()}"


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


@contextmanager
def _saying(what: str) -> Iterator[None]:
    """Says on stderr what goes on, if it takes long."""
    timer = threading.Timer(_SLOW_SECONDS, _log.warning, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
