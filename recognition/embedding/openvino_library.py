"""Brings OpenVINO and NNCF into the process. The only file that imports them."""

from __future__ import annotations

import sys
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
