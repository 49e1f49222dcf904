"""Brings OpenVINO and NNCF into the process. The only file that imports them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from recognition.errors import EncoderError

_HINT = "pip install {}; or take --runtime torch"


def openvino() -> Any:
    """The library.

    Raises:
        EncoderError: it is not installed.
    """
    _stay_silent()
    try:
        import openvino as library
    except ImportError as error:
        raise EncoderError(f"OpenVINO cannot be imported: {error}", _HINT.format("openvino")) from error
    return library


@cache
def core() -> Any:
    """The one core of this process, kept to its end.

    The first use of a core gives the calling thread a signal stack, which goes with the core. When two come and go out
    of turn a stack that was given back stays in use, and the next signal, a Ctrl-C say, kills the process.

    Raises:
        EncoderError: OpenVINO is not installed.
    """
    return openvino().Core()


@contextmanager
def own_signal_stack() -> Iterator[None]:
    """Gives the calling thread its signal stack back afterwards: for libraries that make cores of their own."""
    if not sys.platform.startswith("linux"):
        yield
        return
    system = ctypes.CDLL(None)
    before = (ctypes.c_char * 64)()  # a stack_t, 24 bytes
    system.sigaltstack(None, before)
    try:
        yield
    finally:
        system.sigaltstack(before, None)


def nncf() -> Any:
    """The library that makes int8 models.

    Raises:
        EncoderError: it is not installed.
    """
    _stay_silent()
    try:
        import nncf as library
    except ImportError as error:
        hint = _HINT.format("'shelf-recognition[int8]', or pip install nncf") + " or openvino"
        raise EncoderError(f"int8 needs NNCF, which cannot be imported: {error}", hint) from error
    return library


def _stay_silent() -> None:
    # Both libraries report their use over the network, and write files into the home folder, through this package,
    # and do without where it cannot be imported; no setting of theirs turns it off for one process.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
