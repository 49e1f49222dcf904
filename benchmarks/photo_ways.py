"""The ways that benchmarks/photo.py measures, each run in a process of its own: `detect`, `ours`, `naive`.

Each loads what it needs, warms up on grey pictures, then does its work on the photo once; only that is timed. Heavy
libraries are imported by the way that uses them, so that the memory of a process is that of its way.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image as Pictures

    from recognition.settings import EmbedSettings

PHOTO, DATABASE, VECTORS, NAMES, BOXES = "photo.jpg", "sku_db", "vectors.npy", "skus.txt", "boxes.npy"
"""Names in the folder of inputs: vectors are the references' as float32 (n, dim), names their SKUs, line by line."""
MODEL, CHOICE = "model", "choice.json"
DISTRACTOR = "distractor-"
"""How the SKUs without a picture begin; the others come before them."""
CANDIDATES = 10
STARTER, INT8 = "starter", "openvino-int8"
CALIBRATION = 48
"""References, of the packs in no photo among them, that calibrate INT8."""


@dataclass(frozen=True)
class Choice:
    """What both ways run with. shape: `starter`, or a model of true shape with random weights, in MODEL; runtime and
    group: of our way alone."""

    shape: str = STARTER
    runtime: str = "auto"
    group: bool = False

    def save(self, folder: Path) -> None:
        """Leaves it for the processes of the ways."""
        (folder / CHOICE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def of(cls, folder: Path) -> Choice:
        """What `save` left."""
        return cls(**json.loads((folder / CHOICE).read_text(encoding="utf-8")))

    def settings(self, folder: Path) -> EmbedSettings:
        """Of our encoder; random weights are given their processor's own fit, as the naive way does it."""
        from recognition.settings import EmbedSettings

        if self.shape == STARTER:
            return EmbedSettings(device="cpu", runtime=self.runtime)
        return EmbedSettings(str(folder / MODEL), "processor", device="cpu", runtime=self.runtime)


@dataclass
class Measured:
    """One way, once. seconds: per stage. answers: the SKU of each box. exact: what an exact search over float32 says to
    the same vectors. ready_mib, peak_mib: most memory the process had held before the photo (libraries, models,
    database, warm), and after it."""

    seconds: dict[str, float] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    exact: list[str] = field(default_factory=list)
    ready_mib: float = 0.0
    peak_mib: float = 0.0

    # Not the pipeline's StageClock: importing it would load OpenCV into the naive way's process.
    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Adds the time spent inside the block to `stage`."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def detect(folder: Path) -> Measured:
    """Our detector on the photo; its boxes are written for both other ways."""
    from recognition.detection.yolo import YoloDetector
    from recognition.settings import DetectSettings
    from recognition.sources.decode import read_image
    from recognition.weights import detector_path

    settings = DetectSettings(device="cpu")
    detector = YoloDetector(detector_path(settings.detector), settings)
    image = read_image(folder / PHOTO).image
    detector.detect([np.full((320, 320, 3), 128, np.uint8)])
    measured = Measured(ready_mib=peak_mib())
    with measured.time("detect"):
        found = detector.detect([image])[0]
    measured.peak_mib = peak_mib()
    np.save(folder / BOXES, found.xyxy)
    return measured


def ours(folder: Path) -> Measured:
    """What `recognize.py run` does with the boxes of a photo before it decides."""
    from recognition.embedding.crops import cut_crops
    from recognition.embedding.loading import load_encoder
    from recognition.matching.grouping import group_facings
    from recognition.matching.verify import Verifier
    from recognition.settings import EmbedSettings
    from recognition.skus.database import SkuDatabase
    from recognition.sources.decode import read_image

    choice, boxes = Choice.of(folder), np.load(folder / BOXES)
    settings = choice.settings(folder)
    with SkuDatabase.open(folder / DATABASE) as database:
        pictures = [database.reference_image(row) for row in range(CALIBRATION)] if settings.runtime == INT8 else []
        encoder = load_encoder(settings, [picture for picture in pictures if picture is not None])
        database.search(encoder.encode([_grey(160)] * settings.batch_size), CANDIDATES)
        scout = load_encoder(EmbedSettings(device="cpu")) if choice.group else None
        if scout:
            scout.encode([_grey(160)] * settings.batch_size)
        verifier = Verifier(database.reference_image)
        verifier.verify([_grey(160)], np.zeros((1, 1), np.int64))
        measured = Measured(ready_mib=peak_mib())
        with measured.time("decode"):
            image = read_image(folder / PHOTO).image
        with measured.time("crop"):
            crops = cut_crops(image, boxes)
        stands = np.arange(len(crops))
        if scout:
            with measured.time("group"):
                stands = group_facings(crops, scout.encode(crops), boxes)
        with measured.time("embed"):
            rows, of = np.unique(stands, return_inverse=True)
            vectors = encoder.encode([crops[row] for row in rows])[of]
        with measured.time("search"):
            best = database.search(vectors, CANDIDATES).skus[:, 0].tolist()
        names = (folder / NAMES).read_text(encoding="utf-8").split("\n")
        nearest = _nearest_pictured(folder, names, vectors)
        with measured.time("verify"):
            verifier.verify(crops, nearest)
        known = database.describe(best)
    measured.peak_mib = peak_mib()
    measured.answers = [known[sku].sku for sku in best]
    measured.exact = [names[row] for row in (vectors @ np.load(folder / VECTORS).T).argmax(axis=1)]
    return measured


def naive(folder: Path) -> Measured:
    """The way of a first script: Pillow, then processor, model and exact search in float32, crop by crop."""
    import faiss
    import torch
    from PIL import Image, ImageOps

    embed, boxes = _naive_encoder(folder), np.load(folder / BOXES)
    names = (folder / NAMES).read_text(encoding="utf-8").split("\n")
    stored = np.load(folder / VECTORS)
    index: Any = faiss.IndexFlatIP(stored.shape[1])
    index.add(stored)
    del stored
    with torch.inference_mode():
        index.search(embed(Image.fromarray(_grey(160))), CANDIDATES)
        measured = Measured(ready_mib=peak_mib())
        with measured.time("decode"):
            photo = ImageOps.exif_transpose(Image.open(folder / PHOTO)).convert("RGB")
        for x0, y0, x1, y1 in boxes.tolist():
            with measured.time("crop"):
                crop = photo.crop((math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)))
            with measured.time("embed"):
                vector = embed(crop)
            with measured.time("search"):
                _, rows = index.search(vector, CANDIDATES)
            measured.answers.append(names[rows[0, 0]])
    measured.peak_mib, measured.exact = peak_mib(), measured.answers
    return measured


def _naive_encoder(inputs: Path) -> Callable[[Pictures.Image], NDArray[np.float32]]:
    """The encoder by transformers' own classes: a picture to its vector, float32 (1, dim), norm 1.

    The starter wants crops whole on white; that is Pillow's part, and the processor does the rest. It has a head.
    """
    import torch
    import transformers
    from PIL import Image, ImageOps
    from safetensors.torch import load_file

    from recognition.weights import STARTER_ENCODER, weights_dir

    transformers.utils.logging.disable_progress_bar()
    starter = Choice.of(inputs).shape == STARTER
    folder = weights_dir() / STARTER_ENCODER if starter else inputs / MODEL
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    side = processor.size.height, processor.size.width
    head = {k: tensor.float() for k, tensor in load_file(folder / "head.safetensors").items()} if starter else {}

    def embed(crop: Pictures.Image) -> NDArray[np.float32]:
        fitted = ImageOps.pad(crop, side, Image.Resampling.BILINEAR, "white") if starter else crop
        pooled = model(**processor(images=fitted, return_tensors="pt")).pooler_output.flatten(1)
        feature = torch.nn.functional.linear(pooled, head["weight"], head["bias"]) if starter else pooled
        vector: NDArray[np.float32] = torch.nn.functional.normalize(feature).numpy()
        return vector

    return embed


def _nearest_pictured(folder: Path, names: list[str], vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest references with a picture, int64 (n, 10): with a distractor among them no crop would be verified."""
    count = sum(not name.startswith(DISTRACTOR) for name in names)
    cosines = vectors @ np.load(folder / VECTORS, mmap_mode="r")[:count].T
    return np.argsort(-cosines, axis=1)[:, :CANDIDATES].astype(np.int64)


def _grey(side: int) -> NDArray[np.uint8]:
    return np.full((side, side, 3), 128, np.uint8)


def peak_mib() -> float:
    """Most memory this process has held, MiB, shared libraries and mapped files included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


WAYS: dict[str, Callable[[Path], Measured]] = {"detect": detect, "ours": ours, "naive": naive}

if __name__ == "__main__":
    print(json.dumps(asdict(WAYS[sys.argv[1]](Path(sys.argv[2])))))
