"""Which runtime of an encoder is fastest without changing the answers, measured on views of a database's references.

Each candidate runs turn by turn with the exact runtime, so that a busy machine slows both. Those faster by a clear
margin are asked all views, the fastest first, until one finds the same best SKU as the exact one for 99 % of them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.encoder import Encoder
from recognition.embedding.runtimes import AUTO
from recognition.errors import DatabaseDamagedError, RecognitionError
from recognition.matching.calibrate import Search, Views
from recognition.skus.probes import Probes, least_cosine, read_probes
from recognition.types import Image

EQUAL = 0.995
"""Views are kinder than shelves: calibrated int8 of the starter gave 0.991 of 640 views the same SKU, and 0.971 of 952
rendered shelf crops; int8 weights gave 0.994 of these."""
FASTER = 1.2
LEAST_REFERENCES = 100
"""Among fewer references nearly every view finds the same SKU whatever the vectors lose."""
RACE, TURN, PART = 64, 16, 64
"""Views that a candidate is timed with; those of a turn; those that are asked before it is looked whether to go on."""
START_SECONDS = 20.0
"""Loading and converting the candidates, about, where the encoder is small; else embedding outweighs it."""
SAVING_CROPS = 15_000
"""Measuring has to pay within so many crops, a hundred photos of a shelf; a candidate is taken for twice as fast."""

Loaders = Mapping[str, Callable[[], Encoder]]


@dataclass(frozen=True)
class Trial:
    """What was measured of one runtime. seconds: per crop. speedup: times as fast as the exact one in the same turns.

    queries: views that were asked; agreement: share of them that found the same best SKU as the exact runtime, 0..1.
    cosine: smallest one with the vectors of the probes. verdict: `exact` (the yardstick), `chosen`, `equal` (as far as
    asked), `not equal`, `not faster`, or `failed: ` and why.
    """

    runtime: str
    seconds: float
    speedup: float
    queries: int
    agreement: float
    cosine: float
    verdict: str


@dataclass(frozen=True)
class RuntimeChoice:
    """The runtime of a database, kept in it as JSON text. runtime: `auto` stands for the fastest exact one.

    why: in a sentence. references: how many the database held then.
    """

    runtime: str
    why: str
    references: int
    trials: tuple[Trial, ...] = ()

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> RuntimeChoice:
        """Reads what `to_json` wrote.

        Raises:
            DatabaseDamagedError: the text is no choice.
        """
        try:
            values = json.loads(text)
            return cls(**{**values, "trials": tuple(Trial(**trial) for trial in values["trials"])})
        except (ValueError, TypeError, KeyError) as error:
            raise DatabaseDamagedError(
                f"what was measured of the runtimes cannot be read: {error}", "build the database again"
            ) from error

    def trial(self, runtime: str) -> Trial | None:
        """What was measured of a runtime; None when nothing was."""
        return next((trial for trial in self.trials if trial.runtime == runtime), None)


def read_choice(folder: Path, fingerprint: str) -> tuple[Probes, RuntimeChoice | None]:
    """The probes of an encoder that a database keeps, and its runtime, None when none was measured.

    Raises:
        DatabaseDamagedError: they do not agree with their digests. DatabaseError: the database cannot be read.
    """
    probes, text = read_probes(folder, fingerprint)
    return probes, RuntimeChoice.from_json(text) if text else None


def choose_runtime(
    search: Search, exact: Encoder, candidates: Loaders, views: Views, probes: Probes, references: int
) -> RuntimeChoice:
    """Measures candidates against the exact runtime, or says why that is not worth its time.

    candidates: runtimes to what loads the same encoder for them. views, probes: by the exact encoder. references: in
    the database. A candidate that cannot be loaded, or fails, is out.

    Raises:
        EncoderError: the exact runtime failed. DatabaseError: the database cannot be searched.
    """
    if len(views.skus) < LEAST_REFERENCES:
        why = f"{len(views.skus)} references with a picture are too few to tell, {LEAST_REFERENCES} are wanted"
        return RuntimeChoice(AUTO, why, references)
    exact.encode(views.crops[:TURN])
    seconds = _seconds(exact, views.crops[:TURN])[0]
    yardstick = Trial(AUTO, seconds, 1.0, len(views.crops), 1.0, 1.0, "exact")
    if SAVING_CROPS * seconds / 2 < START_SECONDS + 2 * len(views.crops) * seconds:
        why = f"measuring takes longer than another runtime can save in {SAVING_CROPS} crops"
        return RuntimeChoice(AUTO, why, references, (yardstick,))
    trials = _Measurement(search, exact, views, probes).trials(candidates)
    chosen = next((trial for trial in trials if trial.verdict == "chosen"), None)
    if chosen is None:
        why = f"no other runtime is {FASTER} times as fast and finds the same SKUs"
        return RuntimeChoice(AUTO, why, references, (yardstick, *trials))
    same = f"same best SKU for {chosen.agreement:.1%} of {chosen.queries} views"
    why = f"{chosen.speedup:.1f} times as fast as the exact one, {same}"
    return RuntimeChoice(chosen.runtime, why, references, (yardstick, *trials))


def is_refuted(trial: Trial) -> bool:
    """Whether a runtime was found to change the answers."""
    return trial.verdict == "not equal"


class _Measurement:
    """The views in a fixed mixed order, and what the exact runtime finds for them: candidates are held against it."""

    def __init__(self, search: Search, exact: Encoder, views: Views, probes: Probes) -> None:
        order = np.random.default_rng(0).permutation(len(views.crops))
        self._search, self._exact, self._probes = search, exact, probes
        self._crops = [views.crops[place] for place in order]
        self._best = self._found(views.crop_vectors[order])
        self._allowed = math.floor(len(order) * (1 - EQUAL) + 1e-9)

    def trials(self, candidates: Loaders) -> list[Trial]:
        """One for each candidate: first all are timed, then the faster ones asked, the fastest first."""
        done: list[Trial] = []
        faster: list[tuple[Trial, Encoder]] = []
        for runtime, load in candidates.items():
            try:
                encoder = load()
                trial = self._race(runtime, encoder)
            except RecognitionError as error:
                done.append(Trial(runtime, 0.0, 0.0, 0, 0.0, 0.0, f"failed: {error.message}"))
                continue
            if trial.verdict == "equal" and trial.speedup >= FASTER:
                faster.append((trial, encoder))
            else:
                done.append(trial)
        chosen = False
        for trial, encoder in sorted(faster, key=lambda one: -one[0].speedup):
            asked = trial if chosen else self._asked(trial, encoder)
            done.append(asked)
            chosen |= asked.verdict == "chosen"
        return done

    def _race(self, runtime: str, encoder: Encoder) -> Trial:
        cosine = least_cosine(encoder, self._probes)  # warms it up, too
        ours, theirs, vectors = [], [], []
        for start in range(0, min(RACE, len(self._crops)), TURN):
            part = self._crops[start : start + TURN]
            ours.append(_seconds(self._exact, part)[0])
            seconds, made = _seconds(encoder, part)
            theirs.append(seconds)
            vectors.append(made)
        speedup = float(np.median(np.divide(ours, theirs)))
        trial = Trial(runtime, float(np.median(theirs)), speedup, 0, 0.0, cosine, "")
        trial = self._judged(trial, self._missed(np.concatenate(vectors), 0), sum(map(len, vectors)))
        return trial if speedup >= FASTER or is_refuted(trial) else replace(trial, verdict="not faster")

    def _asked(self, trial: Trial, encoder: Encoder) -> Trial:
        """Asks the views that the race left, until it is clear that too many differ."""
        missed = round(trial.queries * (1 - trial.agreement))
        while trial.queries < len(self._crops) and not is_refuted(trial):
            part = self._crops[trial.queries : trial.queries + PART]
            try:
                missed += self._missed(encoder.encode(part), trial.queries)
            except RecognitionError as error:
                return replace(trial, verdict=f"failed: {error.message}")
            trial = self._judged(trial, missed, trial.queries + len(part))
        return trial if is_refuted(trial) else replace(trial, verdict="chosen")

    def _judged(self, trial: Trial, missed: int, queries: int) -> Trial:
        verdict = "not equal" if missed > self._allowed else "equal"
        return replace(trial, queries=queries, agreement=1 - missed / queries, verdict=verdict)

    def _missed(self, vectors: NDArray[np.float32], first: int) -> int:
        return int(np.count_nonzero(self._found(vectors) != self._best[first : first + len(vectors)]))

    def _found(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        return self._search(vectors, 1).skus[:, 0]


def _seconds(encoder: Encoder, crops: Sequence[Image]) -> tuple[float, NDArray[np.float32]]:
    """Seconds per crop, and the vectors."""
    begun = time.perf_counter()
    vectors = encoder.encode(crops)
    return (time.perf_counter() - begun) / len(crops), vectors
