"""What runs a model: torch, or OpenVINO in one of four precisions. Another runtime never changes a fingerprint."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from recognition.errors import EncoderError, UsageError
from recognition.settings import RUNTIMES

if TYPE_CHECKING:
    from recognition.embedding.towers import ImageTower

AUTO = "auto"
TORCH, OPENVINO, BF16, INT8_WEIGHTS, INT8 = RUNTIMES
NO_CALIBRATION = np.empty((0, 0, 0, 3), np.uint8)


class Runtime(Protocol):
    """Runs one model. exact: gives what the model's own weights give in float32, or in half precision on a GPU."""

    name: str
    exact: bool
    dim: int

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features float32 (n, dim), of any norm. batch: uint8 (n, h, w, 3), RGB, of the model's size, any n > 0.

        Raises:
            EncoderError: the model failed. BatchTooLargeError: a smaller batch may do.
        """
        ...


class BatchTooLargeError(EncoderError):
    """There is no memory for so many pictures at once."""


@dataclass(frozen=True)
class Model:
    """What a runtime is made of. name: for messages. key: digest of weights, architecture and preprocessing.

    size: (h, w) of the input, pixels. load: makes the torch tower, which a model converted before does not need.
    """

    name: str
    key: str
    size: tuple[int, int]
    load: Callable[[], ImageTower]


def open_runtime(wanted: str, device: str, model: Model, calibration: NDArray[np.uint8] = NO_CALIBRATION) -> Runtime:
    """The runtime by its name; `auto` takes the fastest exact one of this machine.

    device: as in the settings; OpenVINO runs on the CPU. calibration: uint8 (n, h, w, 3), for `openvino-int8` alone.

    Raises:
        UsageError: there is no such runtime or device, or they exclude each other, or there is nothing to calibrate
        with. WeightsError: the model cannot be loaded. EncoderError: it cannot be run so.
    """
    check_runtime(wanted)
    if wanted.startswith(OPENVINO):
        if device not in ("auto", "cpu"):
            raise UsageError(f"--runtime {wanted} and --device {device} exclude each other", "OpenVINO runs on the CPU")
        from recognition.embedding.openvino_runtime import OpenVinoRuntime

        return OpenVinoRuntime(wanted, model, calibration)
    from recognition.devices import best_device

    place = best_device(device)
    if wanted == AUTO and place == "cpu" and importlib.util.find_spec("openvino"):
        from recognition.embedding.openvino_runtime import OpenVinoRuntime

        try:
            return OpenVinoRuntime(OPENVINO, model)
        except EncoderError as error:  # its answers are the yardstick of torch's place, so torch can always serve
            logging.getLogger(__name__).info("torch instead of OpenVINO: %s", error)
    from recognition.embedding.torch_runtime import TorchRuntime

    return TorchRuntime(model, place)


def check_runtime(name: str) -> None:
    """Refuses a name that is none.

    Raises:
        UsageError: there is no such runtime.
    """
    if name not in (AUTO, *RUNTIMES):
        raise UsageError(f"runtime {name}: no such runtime", f"wanted {AUTO}, {', '.join(RUNTIMES)}")
