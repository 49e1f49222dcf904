"""An encoder for a database: on the runtime that was chosen for it, and proved by the probes that are kept there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from recognition.embedding.encoder import Encoder
from recognition.embedding.runtimes import AUTO, BF16, INT8, INT8_WEIGHTS
from recognition.errors import EncoderMismatchError, RecognitionError
from recognition.matching.runtime_choice import Trial, is_refuted, read_choice
from recognition.skus.probes import Probes, least_cosine
from recognition.types import Image

OPENING = 4
"""Probes that are embedded when a database is opened: what a runtime does wrong it does to every crop."""
LEAST_EXACT = 0.999
LEAST_INEXACT = 0.97
"""Cosine wanted of an inexact runtime of which nothing was measured; see docs/sku-database.md."""
INEXACT = (BF16, INT8_WEIGHTS, INT8)

Load = Callable[[str, Sequence[Image]], Encoder]
"""From a runtime's name, and the crops that calibrate int8, to the encoder."""
_log = logging.getLogger(__name__)


def proven_encoder(runtime: str, device: str, folder: Path, fingerprint: str, load: Load) -> Encoder:
    """The encoder of the database in `folder`, on a runtime that reproduces its vectors.

    `auto` takes the runtime that was measured to keep the answers; and the exact one where none was, where that does
    not hold here, or where the device is a GPU. device: as torch calls it. fingerprint: of the database's encoder;
    another one is given back unproved.

    Raises:
        EncoderMismatchError: the runtime makes other vectors, was measured to change the answers, or cannot be proved.
        RecognitionError: the encoder cannot be loaded, or the database not read.
    """
    probes, choice = read_choice(folder, fingerprint)
    if runtime == AUTO and choice is not None and device == "cpu":
        try:
            return _proven(choice.runtime, folder, probes, choice.trial(choice.runtime), load)
        except RecognitionError as error:
            _log.warning("%s: going on with the exact runtime", error.message)
    return _proven(runtime, folder, probes, choice.trial(runtime) if choice else None, load)


def _proven(runtime: str, folder: Path, probes: Probes, trial: Trial | None, load: Load) -> Encoder:
    name, exact = f"{folder}: runtime {runtime}", runtime not in INEXACT
    way_out = "take --runtime auto"
    if not exact and trial is not None and is_refuted(trial):
        found = f"{trial.agreement:.1%} of {trial.queries} views"
        raise EncoderMismatchError(f"{name} finds the same SKU as the exact one for {found} only", way_out)
    if not exact and not len(probes):
        hint = f"{way_out}, or let recognize.py skus build --db {folder} make them from the catalogue"
        raise EncoderMismatchError(f"{name} is not exact, and no probes are there to prove it", hint)
    encoder = load(runtime, () if exact else probes.crops())
    if encoder.fingerprint != probes.fingerprint:
        return encoder
    least, cosine = least_wanted(exact, trial), least_cosine(encoder, probes.few(OPENING))
    if not cosine >= least:
        error = f"{name} makes other vectors than the database holds: cosine {cosine:.4f}, wanted {least:.4f}"
        hint = f"take --runtime torch --device cpu; if that fails too: recognize.py skus verify --db {folder}"
        raise EncoderMismatchError(error, hint if exact else way_out)
    return encoder


def least_wanted(exact: bool, trial: Trial | None) -> float:
    """The cosine with its probes that a runtime must reach. trial: what was measured of it on the database.

    An inexact runtime that kept the answers may stray half as far again as it did there: processors round differently.
    """
    if exact:
        return LEAST_EXACT
    return LEAST_INEXACT if trial is None or trial.verdict.startswith("failed") else 1 - 1.5 * (1 - trial.cosine)
