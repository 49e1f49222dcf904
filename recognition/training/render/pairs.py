"""Training material: packshot and shelf view of the same pack, and whole labelled shelves in YOLO format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.errors import UsageError
from recognition.outputs.files import replace_file, writing
from recognition.parallel import THREADS, map_ahead, thread_pool
from recognition.telling import Progress
from recognition.training.render.brands import RESERVED_SEEDS, PackDesign, make_brand_world
from recognition.training.render.camera import develop, jpeg_bytes, random_look
from recognition.training.render.canvas import blend
from recognition.training.render.gondola import Stock
from recognition.training.render.multipacks import random_bundles
from recognition.training.render.scene import Scene, random_style, render_scene
from recognition.training.render.truth import yolo_lines

Rgb = NDArray[np.uint8]
_BUNDLED = 0.4
"""Share of the shelves on which multipacks stand."""


def training_world(seed: int, brands: int = 6, skus_per_brand: int = 5) -> list[PackDesign]:
    """Invented packs to train on.

    Raises:
        UsageError: the seed is one kept for samples/.
    """
    if seed in RESERVED_SEEDS:
        raise UsageError(f"seed {seed} belongs to samples/", "train on any other seed")
    return make_brand_world(seed, brands, skus_per_brand)


def render_training_shelves(
    out: Path,
    count: int,
    seed: int,
    packshots: Sequence[Rgb] = (),
    progress: Progress = lambda done, total: None,
) -> None:
    """Writes `count` scenes of random worlds as `out/images/*.jpg` and `out/labels/*.txt`.

    packshots: RGB pictures on white that are put on the shelves among the invented packs. Labels are in YOLO format,
    one class; products of which less than 30 % can be seen have none. What an earlier call with the same arguments has
    written is passed over, so that it goes on where it was stopped.

    Raises:
        UsageError: the seed is one kept for samples/.
        OutputError: a file cannot be written.
    """
    if seed in RESERVED_SEEDS:
        raise UsageError(f"seed {seed} belongs to samples/", "train on any other seed")
    cut = [cut_out(picture) for picture in packshots]
    with writing(out):
        for folder in ("images", "labels"):
            (out / folder).mkdir(parents=True, exist_ok=True)

    def render(number: int) -> None:
        name = f"r{seed}_{number:05d}"
        labels = out / "labels" / f"{name}.txt"
        if labels.is_file():  # written last
            return
        scene = _training_shelf(number, seed, cut)
        height, width = scene.image.shape[:2]
        replace_file(out / "images" / f"{name}.jpg", jpeg_bytes(scene.image, scene.jpeg))
        replace_file(labels, yolo_lines(scene.truth, width, height).encode())

    with thread_pool(name="render-shelves") as pool:
        for done, _ in enumerate(map_ahead(pool, render, range(count), 2 * THREADS)):
            progress(done + 1, count)


def _training_shelf(number: int, seed: int, cut: Sequence[NDArray[np.uint8]]) -> Scene:
    rng = np.random.default_rng([seed, number, 5])
    world = seed * 1_000_003 + number
    designs = training_world(world, int(rng.integers(3, 10)), int(rng.integers(3, 7)))
    stock = Stock.of(designs, known=[bool(v) for v in rng.random(len(designs)) > 0.15])
    bundles = int(rng.integers(1, 6)) if rng.random() < _BUNDLED else 0
    stock = stock.with_bundles(random_bundles(designs, bundles, rng))
    if cut:
        stock = stock.with_pictures([cut[int(i)] for i in rng.integers(len(cut), size=min(len(cut), 12))])
    return render_scene(stock, random_style(rng), world)


def cut_out(packshot: Rgb) -> NDArray[np.uint8]:
    """The pack without its white ground, RGBA uint8 cropped to it; the whole picture if the ground is not white.

    packshot: RGB uint8 (h, w, 3). White that touches the border counts as ground; white inside the pack stays.
    """
    padded = np.ascontiguousarray(np.pad(packshot, ((1, 1), (1, 1), (0, 0)), constant_values=255))
    mask = np.zeros((padded.shape[0] + 2, padded.shape[1] + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (255 << 8)
    cv2.floodFill(padded, mask, (0, 0), 0, (12,) * 3, (12,) * 3, flags)
    alpha = _mend(cv2.erode(255 - mask[2:-2, 2:-2], np.ones((3, 3), np.uint8)))
    rows, columns = np.flatnonzero(alpha.max(axis=1)), np.flatnonzero(alpha.max(axis=0))
    if len(rows) < 4 or len(columns) < 4:
        return np.dstack([packshot, np.full(packshot.shape[:2], 255, np.uint8)])
    cut = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return np.dstack([packshot[cut], alpha[cut]])


def _mend(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The convex hull of a cut-out of which the flood has taken a large part: a white pack on white ground."""
    points = cv2.findNonZero(alpha)
    if points is None:
        return alpha
    hull = np.zeros_like(alpha)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 255)
    return hull if np.count_nonzero(alpha) < 0.65 * np.count_nonzero(hull) else alpha


def shelf_view(packshot: Rgb, rng: np.random.Generator, neighbours: Sequence[Rgb] = ()) -> Rgb:
    """A packshot turned into a crop from a shelf photo, RGB uint8, 20 to 150 pixels high.

    neighbours: packshots that may stand at its sides; without any, copies of itself do.
    """
    pack = cut_out(packshot)
    height = round(float(np.exp(rng.uniform(np.log(20), np.log(150)))))
    work = max(48, round(height * rng.uniform(1.0, 1.6)))  # drawn larger, then shrunk as a far camera does
    scale = work / pack.shape[0]
    pack = _resize(pack, max(8, round(pack.shape[1] * scale)), work)
    scene, matrix = _stage(pack, neighbours, rng)
    scene = _shade(scene, rng)
    crop = _crop(scene, matrix, pack.shape[1], pack.shape[0], rng)
    small = _resize(crop, max(6, round(crop.shape[1] * height / crop.shape[0])), max(8, height))
    look = random_look(rng, harsh=float(rng.uniform(0.2, 1.6)))
    look = replace(
        look, glare=0, blur=look.blur * min(1.0, small.shape[0] / 60), motion=look.motion * (small.shape[0] > 60)
    )
    bgr = develop(np.ascontiguousarray(small[..., ::-1]), look, rng)
    data = np.frombuffer(jpeg_bytes(bgr, int(rng.integers(45, 96))), np.uint8)
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def _resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrinks = height < image.shape[0]
    return np.asarray(
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )


def _stage(
    pack: NDArray[np.uint8], neighbours: Sequence[Rgb], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A piece of shelf with the pack in its middle, RGB, and the transform (3, 3) that put the pack there."""
    height, width = pack.shape[:2]
    room = width // 2, height // 3
    sheet = np.empty((height + 2 * room[1], width + 2 * room[0], 3), np.uint8)
    sheet[:] = rng.integers(10, 110) + rng.integers(-12, 13, 3)
    base = room[1] + height
    sheet[base:] = rng.integers(90, 225) + rng.integers(-10, 11, 3)
    sheet[base : base + max(1, height // 40)] = 30  # contact shadow
    gap = round(width * float(rng.choice([0.0, 0.02, 0.05, 0.3])))
    for side in (-1, 1):
        if rng.random() < 0.85:
            other = (
                cut_out(neighbours[int(rng.integers(len(neighbours)))])
                if len(neighbours) and rng.random() < 0.5
                else pack
            )
            tall = round(height * (1.0 if other is pack else rng.uniform(0.7, 1.2)))
            other = _resize(other, max(4, round(other.shape[1] * tall / other.shape[0])), tall)
            left = room[0] + (width + gap if side > 0 else -gap - other.shape[1])
            move = np.array([[1, 0, left], [0, 1, base - tall]], np.float64)
            _lay(sheet, other, np.vstack([move, [0, 0, 1]]))
    matrix = _turn(width, height, rng)
    matrix = np.array([[1, 0, room[0]], [0, 1, room[1]], [0, 0, 1]]) @ matrix
    _lay(sheet, pack, matrix)
    if rng.random() < 0.12:  # a price rail or label in front of its foot
        top = base - round(height * float(rng.uniform(0.03, 0.18)))
        sheet[top : top + height // 5] = rng.integers(150, 255, 3)
    return sheet, matrix


def _turn(width: int, height: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A pack seen a little from the side, from above, and leaning."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    squeeze = 1 - abs(float(rng.normal(0, 0.08)))
    moved = (corners - [width / 2, height]) * [squeeze, 1]
    keystone = rng.normal(0, 0.035, 2)
    moved[:, 1] *= 1 + keystone[0] * np.sign(moved[:, 0])
    moved[:, 0] *= 1 + keystone[1] * np.sign(-moved[:, 1] - height / 2)
    angle = float(rng.normal(0, 0.025))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = moved @ turn.T + [width / 2, height]
    moved[:, 1] += float(rng.normal(0, 0.05)) * (moved[:, 0] - width / 2)  # the shelf runs downhill in a tilted photo
    return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32)))


def _lay(sheet: NDArray[np.uint8], sprite: NDArray[np.uint8], matrix: NDArray[np.float64]) -> None:
    layer = cv2.warpPerspective(sprite, matrix, sheet.shape[1::-1], flags=cv2.INTER_LINEAR)
    blend(sheet, layer[..., :3], layer[..., 3:])


def _shade(scene: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shadow of the board above, the dimmer light inside a shelf, and sometimes a gleam."""
    v = np.linspace(0, 1, scene.shape[0], dtype=np.float32)[:, None, None]
    depth, reach = float(rng.uniform(0, 0.5)), float(rng.uniform(0.1, 0.35))
    light = float(rng.uniform(0.65, 1.05)) * (1 - depth * np.exp(-((v / reach) ** 2)))
    lit = scene * light
    if rng.random() < 0.3:  # a lamp mirrored on foil or varnish
        height, width = scene.shape[:2]
        spot = np.zeros((height, width), np.float32)
        centre = int(rng.uniform(0.2, 0.8) * width), int(rng.uniform(0.2, 0.8) * height)
        axes = max(1, int(rng.uniform(0.01, 0.06) * width)), max(1, int(rng.uniform(0.03, 0.15) * height))
        cv2.ellipse(spot, centre, axes, float(rng.uniform(-20, 20)), 0, 360, float(rng.uniform(60, 160)), -1)
        lit = lit + cv2.GaussianBlur(spot, (0, 0), max(1.0, width / 40))[..., None]
    return np.asarray(lit.clip(0, 255), np.uint8)


def _crop(
    scene: NDArray[np.uint8], matrix: NDArray[np.float64], width: int, height: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The pack's box, each side off by up to 8 %."""
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    placed = cv2.perspectiveTransform(corners, matrix)[0]
    low, high = placed.min(axis=0), placed.max(axis=0)
    off = rng.uniform(-0.08, 0.08, (2, 2)) * (high - low)
    x0, y0 = np.maximum(np.round(low + off[0]), 0).astype(int)
    x1, y1 = np.maximum(np.round(high + off[1]).astype(int), [x0 + 4, y0 + 4])
    return scene[y0:y1, x0:x1]
