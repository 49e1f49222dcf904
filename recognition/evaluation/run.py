"""What the `evaluate` commands call: reads the labelled data, opens the models, measures, writes the page."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from recognition.detection.yolo import YoloDetector
from recognition.embedding.encoder import Encoder
from recognition.embedding.loading import load_encoder
from recognition.errors import SourceError, UsageError
from recognition.evaluation.asking import Method, ask
from recognition.evaluation.baselines import HistogramEncoder, sift, untrained
from recognition.evaluation.datasets import read_labelled, read_one_shot
from recognition.evaluation.detection import LOW_CONFIDENCE, DetectionReport, report_detection
from recognition.evaluation.detection_page import detection_page
from recognition.evaluation.end_to_end import EndToEndReport, judge_run, report_run
from recognition.evaluation.end_to_end_page import end_to_end_page, references_of
from recognition.evaluation.labelled import LabelledCrop
from recognition.evaluation.matching import MatchingReport, embedding, report_matching
from recognition.evaluation.matching_page import matching_page
from recognition.evaluation.page import check_folder, write_page
from recognition.settings import DetectSettings, EmbedSettings, Settings
from recognition.skus.database import SkuDatabase
from recognition.sources.decode import read_image
from recognition.sources.inputs import expand_inputs
from recognition.telling import Progress
from recognition.weights import detector_path

METHODS = ("embedding", "histogram", "sift", "untrained")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MatchingOptions:
    """method: one of METHODS. distractors: a folder of pictures that become SKUs of their own.

    asked_only: only SKUs with a query stay in the catalogue.
    """

    method: str = "embedding"
    distractors: Path | None = None
    asked_only: bool = False


def measure_detection(
    data: Path, settings: DetectSettings, progress: Progress, out: Path | None = None
) -> DetectionReport:
    """Runs the detector over labelled photos at confidence 0.01; figures of use are taken at `settings.conf`.

    Photos that cannot be read are left out, counted, and named in a warning. out: folder for the page.

    Raises:
        RecognitionError: the data or the detector cannot be used.
    """
    if out is not None:
        check_folder(out)
    photos = read_labelled(data)
    detector = YoloDetector(detector_path(settings.detector), replace(settings, conf=LOW_CONFIDENCE))
    seen, found, skipped = [], [], []
    for number, photo in enumerate(photos, 1):
        try:
            found += detector.detect([read_image(photo.path).image])
            seen.append(photo)
        except SourceError as error:
            skipped.append(f"left out: {error}")
            _log.warning("left out: %s", error)
        progress(number, len(photos))
    if not seen:
        raise UsageError(f"{data}: none of its {len(photos)} photos can be read", "look at the first of them")
    report = replace(report_detection([p.boxes for p in seen], found, settings.conf), skipped=len(skipped))
    if out is not None:
        write_page(out, detection_page(data, report, seen, found, skipped))
    return report


def measure_matching(
    data: Path, settings: Settings, options: MatchingOptions, progress: Progress, out: Path | None = None
) -> MatchingReport:
    """One-shot matching on labelled pictures. out: folder for the page.

    Raises:
        RecognitionError: the data or the encoder cannot be used.
    """
    if out is not None:
        check_folder(out)
    references, queries = read_one_shot(data)
    if options.asked_only:
        asked_for = {query.sku for query in queries}
        references = [reference for reference in references if reference.sku in asked_for]
    if options.distractors is not None:
        further = expand_inputs([str(options.distractors)])
        references += [LabelledCrop(Path(path), f"distractor {path}") for path in further]
    with _method(options.method, references, settings.embed) as method:
        asked = ask(queries, references, method, progress)
    report = report_matching(asked)
    if out is not None:
        write_page(out, matching_page(data, report, asked))
    return report


@contextmanager
def _method(name: str, references: Sequence[LabelledCrop], settings: EmbedSettings) -> Iterator[Method]:
    if name == "sift":
        yield sift(references)
        return
    encoder: Encoder = HistogramEncoder()
    if name != "histogram":
        encoder = (untrained if name == "untrained" else load_encoder)(settings)
    with embedding(name, references, encoder, settings.device) as method:
        yield method


def measure_run(result: Path, truth: Path, out: Path | None = None, db: Path | None = None) -> EndToEndReport:
    """A finished run against labelled photos. out: folder for the page; db: database whose pictures stand on it.

    Raises:
        RecognitionError: the run, the labels or the database cannot be used.
    """
    if out is not None:
        check_folder(out)
    judged = judge_run(result, read_labelled(truth))
    report = report_run(judged)
    if out is not None and db is not None:
        with SkuDatabase.open(db) as database:
            write_page(out, end_to_end_page(result, report, judged, references_of(database)))
    elif out is not None:
        write_page(out, end_to_end_page(result, report, judged, lambda sku: None))
    return report
