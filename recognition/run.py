"""One run: opens the models and the database, recognises photos, writes results. What the commands call."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

import recognition
from recognition.detection.yolo import YoloDetector
from recognition.devices import best_device
from recognition.embedding.crops import cut_crops
from recognition.embedding.encoder import Encoder
from recognition.embedding.loading import load_encoder
from recognition.errors import DatabaseError, SourceError
from recognition.matching.calibration import Calibration
from recognition.matching.proof import proven_encoder
from recognition.matching.verify import Verifier
from recognition.outputs.jsonl import error_line, match_line
from recognition.outputs.writer import Mode, RunSummary, RunWriter
from recognition.pipeline import Recognizer
from recognition.settings import EmbedSettings, Settings
from recognition.skus.database import SkuDatabase
from recognition.skus.packshot import trim_border
from recognition.skus.selection import select
from recognition.sources.inputs import expand_inputs, without_repeats
from recognition.sources.meta import PhotoMeta
from recognition.sources.photos import read_photos
from recognition.types import Failure, Frame, FrameResult, Image, Matches, Sku, Status
from recognition.weights import detector_path

LIBRARIES = ("torch", "transformers", "ultralytics", "opencv-python", "numpy", "pillow")
READ_AHEAD = 2  # photos; the recognizer holds others, between detection and layout


@dataclass(frozen=True)
class PhotoOptions:
    """What the user says of all photos. meta: rows of `--meta`, which win over store_id and planogram_id."""

    store_id: str = ""
    planogram_id: str = ""
    meta: Mapping[str, PhotoMeta] | None = None


@contextmanager
def open_recognizer(settings: Settings, db: Path) -> Iterator[tuple[Recognizer, SkuDatabase]]:
    """A recognizer over the database in `db`; the database is closed at the end.

    Raises:
        DatabaseError: it cannot be used with this encoder, on this runtime, or has not been calibrated. WeightsError:
        no such model.
    """
    with SkuDatabase.open(db) as database:
        fingerprint = database.info().fingerprint
        device = best_device(settings.embed.device)

        def load(runtime: str, calibration: Sequence[Image]) -> Encoder:
            return load_encoder(replace(settings.embed, runtime=runtime), calibration)

        encoder = proven_encoder(settings.embed.runtime, device, db, fingerprint, load)
        yield recognizer_for(settings, database, encoder), database


def recognizer_for(settings: Settings, database: SkuDatabase, encoder: Encoder) -> Recognizer:
    """A recognizer from an open database and an encoder.

    Raises:
        DatabaseError: the database is of another encoder, or has not been calibrated. WeightsError: no such detector.
        UsageError: the settings look for SKUs that are not there.
    """
    database.check_encoder(encoder.fingerprint, encoder.name)
    if database.calibration is None:
        raise DatabaseError(f"{database.folder}: no thresholds yet", "finish the build: recognize.py skus build")
    database.search_with(settings.match.nprobe, best_device(settings.embed.device))
    return Recognizer(
        detector=YoloDetector(detector_path(settings.detect.detector), settings.detect),
        encoder=encoder,
        index=select(database, settings.match.where, settings.match.assortment),
        calibration=Calibration.from_json(database.calibration),
        settings=settings.match,
        describe=database.describe,
        verifier=Verifier(database.reference_image, settings.embed.device),
        batch_size=settings.embed.batch_size,
        scout=_scout(settings.embed, encoder) if settings.embed.group else None,
    )


def _scout(settings: EmbedSettings, encoder: Encoder) -> Encoder | None:
    """The starter, to tell equal facings before `encoder` sees them; None where that is no smaller."""
    scout = load_encoder(EmbedSettings(device=settings.device, batch_size=settings.batch_size))
    if scout.fingerprint != encoder.fingerprint:
        return scout
    logging.getLogger(__name__).warning("--group: facings are told apart by %s itself, nothing is saved", encoder.name)
    return None


def recognize_photos(
    inputs: Sequence[str],
    db: Path,
    out: Path,
    settings: Settings,
    mode: Mode,
    options: PhotoOptions,
    on_photo: Callable[[FrameResult | Failure, int, int], None],
) -> int:
    """Recognises photos into the folder `out`; the exit code (0 done, 1 nothing could be used, 3 some failed).

    on_photo: called after each photo is written, with its result, how many are done, and of how many.

    Raises:
        RecognitionError: the run as a whole cannot go on. KeyboardInterrupt: it was interrupted; `mode` "resume"
        goes on from there.
    """
    sources = without_repeats(expand_inputs(inputs))
    with ExitStack() as stack:
        recognizer, database = stack.enter_context(open_recognizer(settings, db))
        info = database.info()
        made_with = {
            "encoder": info.fingerprint,
            "database": f"generation {info.generation}, {info.references} references",
            "thresholds": database.calibration or "",
            "options": repr(options),
        }
        writer = RunWriter.create(out, mode, settings, made_with)
        code = 1
        try:
            code = _run(sources, writer, recognizer, options, on_photo)
        except KeyboardInterrupt:
            code = 130
            raise
        finally:
            writer.close(RunSummary(code, versions(recognizer)))
    return code


def _run(
    sources: Sequence[str],
    writer: RunWriter,
    recognizer: Recognizer,
    options: PhotoOptions,
    on_photo: Callable[[FrameResult | Failure, int, int], None],
) -> int:
    done = sum(map(writer.done, sources))
    failed = 0
    with (
        closing(read_photos(sources, options.meta, skip=writer.done, ahead=READ_AHEAD)) as frames,
        closing(recognizer.run(_with_options(frame, options) for frame in frames)) as results,
    ):
        for result in results:
            if isinstance(result, Failure):
                writer.fail(result)
                failed += 1
            else:
                writer.write(result)
                done += 1
            on_photo(result, done + failed, len(sources))
    return 0 if not failed else 3 if done else 1


def _with_options(frame: Frame | Failure, options: PhotoOptions) -> Frame | Failure:
    if isinstance(frame, Failure):
        return frame
    return replace(
        frame,
        store_id=frame.store_id or options.store_id,
        planogram_id=frame.planogram_id or options.planogram_id,
    )


@dataclass(frozen=True)
class Answer:
    """What one cropped product is: one line of `match`. error: why it could not be used, or ""."""

    line: str
    text: str
    error: str = ""


def match_pictures(inputs: Sequence[str], db: Path, settings: Settings) -> Iterator[Answer]:
    """An answer for every input, in order; pictures of one product each are embedded in batches.

    Raises:
        RecognitionError: the database or the models cannot be used. A picture that cannot is an answer with `error`.
    """
    with open_recognizer(settings, db) as (recognizer, _), closing(read_photos(inputs)) as frames:
        while batch := list(islice(frames, settings.embed.batch_size)):
            pictures = [trim_border(_whole(frame)) for frame in batch if isinstance(frame, Frame)]
            matches = recognizer.match(pictures)
            skus = recognizer.describe(int(i) for i in np.unique(matches.skus) if i >= 0)
            row = 0
            for frame in batch:
                if isinstance(frame, Failure):
                    error = SourceError(frame.error, frame.hint)
                    yield Answer(error_line(frame.source, error), f"{frame.source}: {error}", str(error))
                    continue
                yield Answer(match_line(frame.source, matches, row, skus), _words(frame.source, matches, row, skus))
                row += 1


def _whole(frame: Frame) -> Image:
    height, width = frame.image.shape[:2]
    return cut_crops(frame.image, np.array([[0, 0, width, height]], np.float32))[0]


def _words(source: str, matches: Matches, row: int, skus: Mapping[int, Sku]) -> str:
    found = zip(matches.skus[row].tolist(), matches.scores[row].tolist(), strict=True)
    best = ", ".join(f"{skus[sku].sku} {score:.3f}" for sku, score in found if sku >= 0)
    return f"{source}: {Status(int(matches.status[row])).label}  {best}"


def versions(recognizer: Recognizer) -> dict[str, str]:
    """Of this package, its models and the libraries that shape the answers; and which runtime `auto` took."""
    own = {"recognition": recognition.__version__, "detector": recognizer.detector.name}
    encoder = {"encoder": recognizer.encoder.name, "runtime": getattr(recognizer.encoder, "runtime", "")}
    return {**own, **encoder, **{name: importlib.metadata.version(name) for name in LIBRARIES}}
