"""What benchmarks/photo.py is measured on: one shelf photo, and a SKU database of rendered packs and distractors.

Distractors are vectors without pictures, drawn near the distribution of real embeddings: each is a random mixture
(Dirichlet weights) of the vectors of three rendered packs of other brands than the photo's, plus noise in a random
direction, brought to norm 1. The noise is set so that a distractor is about as near to its nearest rendered pack as
those are to each other; `Inputs` says how near both are.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from benchmarks.encode_inputs import make_model
from benchmarks.photo_ways import DATABASE, DISTRACTOR, MODEL, NAMES, PHOTO, STARTER, VECTORS, Choice
from recognition.embedding.encoder import Encoder
from recognition.embedding.loading import load_encoder
from recognition.skus.database import SkuDatabase
from recognition.skus.packshot import trim_border
from recognition.skus.records import ReferenceRecord
from recognition.skus.thumbnails import encode_thumbnail
from recognition.skus.writer import DatabaseWriter
from recognition.sources.decode import read_image
from recognition.training.render.brands import PackDesign, make_brand_world
from recognition.training.render.camera import Look
from recognition.training.render.gondola import PlanStyle
from recognition.training.render.packs import draw_packshot
from recognition.training.render.samples import sample_stock
from recognition.training.render.scene import SceneStyle, render_scene
from recognition.types import Sku

MIXED, NOISE = 3, 0.45
_SEED, _OTHER_PACKS, _SHOT_PX, _ROWS = 34, 160, 400, 20_000
_SCENE = SceneStyle(
    4000, 3000, PlanStyle(2350, 1760, gaps=0.05, unknowns=0.05, tidy=0.8, max_wide=4), side=0.1, up=0.06, roll=0.008,
    look=Look(1.05, (0.98, 1.0, 1.02), (0.06, -0.08), 0.12, 1, 1.2, 0, 2.0, 90),
)  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """What was made. width, height: of the photo, pixels. rendered, distractors: references with and without a picture.

    index, nprobe, recall: as the database says. nearest_rendered, nearest_distractor: median cosine of a rendered
    pack, and of a distractor, to the nearest (other) rendered pack.
    """

    width: int
    height: int
    rendered: int
    distractors: int
    index: str
    nprobe: int
    recall: float
    nearest_rendered: float
    nearest_distractor: float


def make_inputs(
    folder: Path, photo: Path | None, distractors: int, other_packs: int = _OTHER_PACKS, choice: Choice | None = None
) -> Inputs:
    """Writes photo, database and vectors into `folder`; without `photo` a shelf with about 150 products is rendered."""
    stock = sample_stock()
    if photo is None:
        scene = render_scene(stock, _SCENE, _SEED)
        Pictures.fromarray(scene.image[..., ::-1]).save(folder / PHOTO, "JPEG", quality=scene.jpeg)
    else:
        shutil.copyfile(photo, folder / PHOTO)
    height, width = read_image(folder / PHOTO).image.shape[:2]
    known = [design for design, known in zip(stock.designs, stock.known, strict=True) if known]
    designs = [*known, *make_brand_world(_SEED, -(-other_packs // 5), 5)[:other_packs]]
    choice = choice or Choice()
    choice.save(folder)
    if choice.shape != STARTER:
        make_model(choice.shape, folder / MODEL)
    # The references are embedded exactly, whatever the runtime of the photo's crops.
    encoder = load_encoder(replace(choice, runtime="auto").settings(folder))
    with DatabaseWriter(folder / DATABASE, encoder.name, encoder.dim, encoder.fingerprint) as writer:
        real = _add_packs(writer, designs, encoder)
        drawn = draw_distractors(real[len(known) :], distractors, _SEED)
        names = [f"{DISTRACTOR}{number}" for number in range(distractors)]
        for start in range(0, distractors, _ROWS):
            part = slice(start, start + _ROWS)
            writer.upsert_references([ReferenceRecord(Sku(0, name)) for name in names[part]], drawn[part])
        if writer.index_is_due():
            writer.build_index()
    np.save(folder / VECTORS, np.concatenate([real, drawn]))
    (folder / NAMES).write_text("\n".join([*(design.sku for design in designs), *names]), encoding="utf-8")
    with SkuDatabase.open(folder / DATABASE) as database:
        info = database.info()
    return Inputs(
        width, height, len(real), distractors, info.index, info.nprobe, info.recall,
        _nearest(real @ real.T - 2 * np.eye(len(real), dtype=np.float32)), _nearest(drawn @ real.T),
    )  # fmt: skip


def draw_distractors(references: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    """Vectors (count, dim) float32 of norm 1 near the distribution of `references` (n, dim); see the module."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(MIXED), count).astype(np.float32)
    mixed = np.zeros((count, references.shape[1]), np.float32)
    for column in weights.T:
        mixed += column[:, None] * references[rng.integers(len(references), size=count)]
    noise = rng.standard_normal(mixed.shape, np.float32)
    return _unit(_unit(mixed) + NOISE * _unit(noise))


def _add_packs(writer: DatabaseWriter, designs: Sequence[PackDesign], encoder: Encoder) -> NDArray[np.float32]:
    shots = [trim_border(draw_packshot(design, _SHOT_PX)) for design in designs]
    vectors = encoder.encode(shots)
    records = [ReferenceRecord(Sku(0, design.sku)) for design in designs]
    writer.upsert_references(records, vectors, [encode_thumbnail(shot) for shot in shots])
    return vectors


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _nearest(cosines: NDArray[np.float32]) -> float:
    return float(np.median(cosines.max(axis=1))) if len(cosines) else 0.0


if __name__ == "__main__":
    where, own_photo, wanted, chosen = sys.argv[1:]
    own = Path(own_photo) if own_photo else None
    print(json.dumps(asdict(make_inputs(Path(where), own, int(wanted), choice=Choice(**json.loads(chosen))))))
