"""From the name a user gives to an encoder: `starter`, a short name, a local folder, or a hub id."""

from __future__ import annotations

import re
from pathlib import Path

from recognition.embedding.encoder import Encoder
from recognition.embedding.folder import HUB_FILES
from recognition.embedding.registry import HUB_ENCODERS, hub_id
from recognition.errors import WeightsError
from recognition.settings import EmbedSettings
from recognition.weights import STARTER_ENCODER, weights_dir

_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")


def load_encoder(settings: EmbedSettings) -> Encoder:
    """The encoder that the settings name, ready to use.

    Raises:
        WeightsError: it is not there, broken, refused, or out of reach.
    """
    path, name = encoder_folder(settings.encoder)
    from recognition.embedding.huggingface import HuggingFaceEncoder  # only now: a wrong name is told at once

    return HuggingFaceEncoder(path, name, settings)


def encoder_folder(name: str) -> tuple[Path, str]:
    """The local folder of an encoder, fetched from the hub if need be, and what messages call it.

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
    if not _HUB_ID.fullmatch(wanted):
        hint = f"names are {', '.join(['starter', *HUB_ENCODERS])}; or give a folder or a hub id"
        raise WeightsError(f"encoder {name}: no such folder or name", hint)
    return _fetch(wanted), wanted


def _fetch(repository: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(huggingface_hub.snapshot_download(repository, allow_patterns=list(HUB_FILES)))
    except (OSError, HFValidationError) as error:  # OSError is the base of the hub's and the network's errors
        raise WeightsError(
            f"encoder {repository}: no such folder, and the Hugging Face hub is out of reach or does not have it",
            "take --encoder starter, which is on this machine; or bring the folder (config.json, "
            "preprocessor_config.json, model.safetensors) from a machine with access and give its path",
        ) from error
