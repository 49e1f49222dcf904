"""What the `evaluate` commands call: reads the labelled data, opens the models, measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recognition.detection.yolo import YoloDetector
from recognition.embedding.loading import load_encoder
from recognition.evaluation.datasets import LabelledCrop, read_labelled, read_one_shot
from recognition.evaluation.detection import LOW_CONFIDENCE, DetectionReport, report_detection
from recognition.evaluation.matching import MatchingReport, report_matching
from recognition.settings import DetectSettings, Settings
from recognition.sources.decode import read_image
from recognition.sources.inputs import expand_inputs
from recognition.weights import detector_path

Progress = Callable[[int, int], None]


def measure_detection(data: Path, settings: DetectSettings, progress: Progress) -> DetectionReport:
    """Runs the detector over labelled photos at confidence 0.01; figures of use are taken at `settings.conf`.

    Raises:
        RecognitionError: the data or the detector cannot be used.
    """
    photos = read_labelled(data)
    detector = YoloDetector(detector_path(settings.detector), replace(settings, conf=LOW_CONFIDENCE))
    found = []
    for number, photo in enumerate(photos, 1):
        found += detector.detect([read_image(photo.path).image])
        progress(number, len(photos))
    return report_detection([photo.boxes for photo in photos], found, settings.conf)


def measure_matching(
    data: Path, settings: Settings, distractors: Path | None, asked_only: bool, progress: Progress
) -> MatchingReport:
    """One-shot matching on labelled pictures; distractors are added to the catalogue as SKUs of their own.

    Raises:
        RecognitionError: the data or the encoder cannot be used.
    """
    references, queries = read_one_shot(data)
    if asked_only:
        asked = {query.sku for query in queries}
        references = [reference for reference in references if reference.sku in asked]
    if distractors is not None:
        references += [LabelledCrop(Path(path), f"distractor {path}") for path in expand_inputs([str(distractors)])]
    return report_matching(references, queries, load_encoder(settings.embed), progress)
