"""From the name a user gives to an encoder: `starter`, a short name, a local folder, or a hub id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recognition.embedding.encoder import Encoder
from recognition.embedding.hub import HUB_ID, at_hand
from recognition.embedding.registry import HUB_ENCODERS, hub_id
from recognition.errors import WeightsError
from recognition.settings import EmbedSettings
from recognition.types import Image
from recognition.weights import STARTER_ENCODER, weights_dir


def load_encoder(settings: EmbedSettings, calibration: Sequence[Image] = ()) -> Encoder:
    """The encoder that the settings name, ready to use. calibration: crops, RGB uint8, for the runtime `openvino-int8`.

    Raises:
        WeightsError: it is not there, broken, refused, or out of reach.
    """
    path, name = encoder_folder(settings.encoder)
    from recognition.embedding.huggingface import HuggingFaceEncoder  # only now: a wrong name is told at once

    return HuggingFaceEncoder(path, name, settings, calibration)


def encoder_folder(name: str) -> tuple[Path, str]:
    """The local folder of an encoder, fetched from the hub unless it was before, and what messages call it.

    Short names come before folders of the same name; `./clip` is the folder.

    Raises:
        WeightsError: there is no such encoder, or the hub is out of reach.
    """
    if name == "starter":
        path = weights_dir() / STARTER_ENCODER
        if not path.is_dir():
            raise WeightsError(f"the encoder that ships is missing: {path}", "install the program again")
        return path, name
    wanted = hub_id(name)
    if name and wanted == name and Path(name).is_dir():
        return Path(name), Path(name).resolve().name
    if not HUB_ID.fullmatch(wanted):
        hint = f"names are {', '.join(['starter', *HUB_ENCODERS])}; or give a folder or a hub id"
        raise WeightsError(f"encoder {name}: no such folder or name", hint)
    return at_hand(wanted).path, wanted
