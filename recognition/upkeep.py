"""Changes to the SKU database as commands make them: opens the encoder, changes, sets thresholds and probes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from recognition.devices import best_device
from recognition.embedding.encoder import Encoder
from recognition.embedding.lazy import expected_encoder
from recognition.embedding.loading import load_encoder
from recognition.embedding.runtimes import AUTO, TORCH
from recognition.errors import DatabaseDamagedError, DatabaseMissingError
from recognition.matching.calibrate import (
    GROWTH,
    SAME_PACK,
    Reference,
    Views,
    calibrate,
    choose_rows,
    draw_views,
    needs_recalibration,
)
from recognition.matching.calibration import LEAST_LEAD, Calibration
from recognition.matching.proof import INEXACT
from recognition.matching.runtime_choice import Loaders, RuntimeChoice, choose_runtime, read_choice
from recognition.matching.verify import Verifier
from recognition.settings import EmbedSettings, Settings
from recognition.skus.build import BuildReport, build_database
from recognition.skus.database import SkuDatabase
from recognition.skus.migrate import MigrationReport, Pictures, migrate_database
from recognition.skus.probes import Probes, load_probes, make_probes
from recognition.skus.staging import Catalog
from recognition.skus.writer import DatabaseWriter
from recognition.telling import Progress

COMMIT_SECONDS = 1.0


def build_and_calibrate(
    catalog: Catalog,
    db: Path,
    settings: Settings,
    prune: bool,
    false_known: float,
    progress: Progress | None = None,
    on_commit: Callable[[int], None] | None = None,
    keep: bool = False,
    views: str | None = None,
) -> tuple[BuildReport, SkuDatabase]:
    """Brings the catalogue into the database and sets its thresholds and probes where it has none that fit.

    views: `apart` or `averaged`, how several references of a SKU are compared from now on; None leaves it.

    Raises:
        RecognitionError: as `build_database`; WeightsError when the encoder is not there.
    """
    encoder = encoder_for(db, settings.embed)
    report = build_database(
        catalog, db, encoder, prune, settings.embed.batch_size, progress, on_commit, keep, COMMIT_SECONDS
    )
    if views is not None:
        with DatabaseWriter(db, encoder.name, encoder.dim, encoder.fingerprint) as writer:
            writer.set_views(views)
    with ExitStack() as stack:
        database = stack.enter_context(SkuDatabase.open(db))
        former = Calibration.from_json(database.calibration) if database.calibration else None
        stale = former is None or former.false_known != false_known or needs_recalibration(former, database.count())
        drawn = cache(lambda: draw_views(encoder, _references(database)))
        if stale or report.updated or report.removed:
            _calibrate(database, drawn(), settings.embed.device, false_known)
        carried = load_probes(catalog.path) if catalog.vectors is not None else None
        _prove(database, encoder, settings.embed, drawn, carried)
        stack.pop_all()
    return report, database


def migrate_and_calibrate(
    db: Path,
    settings: Settings,
    pictures: Pictures,
    without_lost: bool,
    false_known: float,
    progress: Progress | None = None,
    on_commit: Callable[[int], None] | None = None,
) -> MigrationReport:
    """Embeds all references anew by the encoder of the settings, and sets the thresholds anew.

    Raises:
        RecognitionError: as `migrate_database`; WeightsError when the encoder is not there.
    """
    encoder = encoder_for(db, settings.embed)
    batch = settings.embed.batch_size
    report = migrate_database(db, encoder, pictures, without_lost, batch, progress, on_commit)
    with SkuDatabase.open(db) as database:
        drawn = cache(lambda: draw_views(encoder, _references(database)))
        if database.calibration is None:
            _calibrate(database, drawn(), settings.embed.device, false_known)
        _prove(database, encoder, settings.embed, drawn)
    return report


def encoder_for(db: Path, settings: EmbedSettings) -> Encoder:
    """The encoder that the settings name; when it made the vectors of the database, it is loaded only when needed.

    What a database holds is always made by an exact runtime.

    Raises:
        WeightsError: it is not there, broken, refused, or out of reach. DatabaseError: the database cannot be read.
    """
    settings = replace(settings, runtime=AUTO) if settings.runtime in INEXACT else settings
    try:
        with SkuDatabase.open(db) as database:
            info = database.info()
    except DatabaseMissingError:
        return load_encoder(settings)
    return expected_encoder(settings, info.dim, info.fingerprint, load_encoder)


def set_thresholds(database: SkuDatabase, encoder: Encoder, device: str, false_known: float) -> None:
    """Sets the thresholds of a database from views of its own references. device: as in the settings.

    Raises:
        EncoderError: the model failed. DatabaseError: the database cannot be searched or written.
    """
    _calibrate(database, draw_views(encoder, _references(database)), device, false_known)


def tell_apart_cosine(database: SkuDatabase) -> float:
    """Cosine of two references from which even a crop that equals one of them is not named: too likely the other.

    The choice between two candidates is logistic in their scores, and such a crop scores 1 and this cosine.
    """
    calibration = Calibration.from_json(database.calibration) if database.calibration else None
    weight = calibration.plain.choice[0] if calibration is not None else 0.0
    if weight <= 0:
        return SAME_PACK
    return 1 - LEAST_LEAD / weight


def _calibrate(database: SkuDatabase, views: Views, device: str, false_known: float) -> None:
    verifier = Verifier(database.reference_image, device)
    found = calibrate(database, views, verifier, _brands(database), false_known)
    database.set_calibration(found.to_json())


def _prove(
    database: SkuDatabase,
    encoder: Encoder,
    settings: EmbedSettings,
    drawn: Callable[[], Views],
    carried: Probes | None = None,
) -> None:
    """Gives the database probes where it has none, and measures its runtimes where they were not, or it has grown.

    drawn: the views for it; carried: probes that came with its source.
    """
    probes, choice = kept = _kept_probes(database, encoder.fingerprint)
    if not len(probes) and carried is not None and carried.fingerprint == encoder.fingerprint:
        probes = carried
    elif not len(probes):
        probes = make_probes(encoder, drawn().crops, drawn().crop_vectors)
    grown = choice is None or database.count() >= GROWTH * max(choice.references, 1)
    if grown and (candidates := _candidates(settings, probes)):
        choice = choose_runtime(database.search, encoder, candidates, drawn(), probes, database.count())
    if (probes, choice) != kept and (len(probes) or choice):
        with DatabaseWriter(database.folder, encoder.name, encoder.dim, encoder.fingerprint) as writer:
            writer.set_probes(probes, choice.to_json() if choice else None)


def _candidates(settings: EmbedSettings, probes: Probes) -> Loaders:
    """What may be faster than the exact runtime here: on a GPU nothing is."""
    if settings.runtime != AUTO or not find_spec("openvino") or best_device(settings.device) != "cpu":
        return {}

    def load(runtime: str) -> Encoder:
        return load_encoder(replace(settings, runtime=runtime), probes.crops())

    return {runtime: partial(load, runtime) for runtime in (TORCH, *INEXACT)}


def _kept_probes(database: SkuDatabase, fingerprint: str) -> tuple[Probes, RuntimeChoice | None]:
    try:
        return read_choice(database.folder, fingerprint)
    except DatabaseDamagedError:  # they are made anew
        return Probes((), np.zeros((0, 0), np.float32), fingerprint), None


def _brands(database: SkuDatabase) -> Callable[[Iterable[int]], dict[int, str]]:
    return lambda ids: {sku: record.brand for sku, record in database.describe(ids).items()}


def _references(database: SkuDatabase) -> Iterator[Reference]:
    rows = choose_rows(database.live_rows())
    for row, sku in zip(rows.tolist(), database.reference_skus(rows).tolist(), strict=True):
        image = database.reference_image(row)
        if image is not None:
            yield Reference(sku, image)
