"""A long shelf drawn once, in two layers, with packs that can be taken away: what a walk's camera looks at.

A camera far away draws the shelf nearly without perspective. The front layer (first row of packs, board edges) and the
back layer (wall, second row) stand at different depths, so that a passing camera sees parallax between them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recognition.errors import UsageError
from recognition.training.render.camera import Camera
from recognition.training.render.canvas import Canvas
from recognition.training.render.gondola import LIP_MM, Gondola, PlanStyle, Shelf, Stock, Unit, plan_gondola
from recognition.training.render.packs import draw_pack
from recognition.training.render.painter import Painter
from recognition.training.render.pairs import training_world
from recognition.training.render.scene import paint_gondola
from recognition.training.render.truth import Box, Gap, SceneTruth, Seen, number_places, visible_boxes

FRONT_MM, BACK_MM = -12.0, -130.0
"""Depth at which each layer stands in front of the camera."""
MARGIN_MM = 320.0
_FAR_MM = 20_000.0
_WIDEST_PX = 5_800  # the canvas draws no texture that is larger


@dataclass(frozen=True, eq=False)
class Instance:
    """One pack of the front row. number: from 1, as in `Panorama.owner`. sku: "" when in no catalogue. box: pixels of
    the panorama. area: its pixels there if nothing hid it. movable: alone in its column
    and with nothing behind it: its place is empty when it is taken."""

    number: int
    sku: str
    shelf: int
    unit: Unit
    box: Box
    area: int
    movable: bool


@dataclass(frozen=True, eq=False)
class Panorama:
    """The drawn shelf. front, back: BGR uint8 (h, w, 3). owner: uint16 (h, w), number of the instance, 0 = none.
    solid: uint8 (h, w), 255 where the front layer hides the back layer. to_mm: homography 3 x 3 from pixels to the
    shelf's millimetres (x, y). gaps: places that are empty by plan."""

    front: NDArray[np.uint8]
    back: NDArray[np.uint8]
    owner: NDArray[np.uint16]
    solid: NDArray[np.uint8]
    to_mm: NDArray[np.float64]
    instances: tuple[Instance, ...]
    gaps: tuple[Gap, ...]
    gondola: Gondola
    stock: Stock

    def truth(self, absent: frozenset[int] = frozenset()) -> SceneTruth:
        """The planogram of the whole shelf, boxes in pixels of the panorama. absent: numbers of instances."""
        seen = [i for i in self.instances if i.number not in absent]
        places = [Seen(i.box, 1.0, i.sku, i.shelf, i.unit.group, i.unit.column, i.unit.level) for i in seen]
        return number_places(places, self.gaps)

    def picture(self, instance: Instance, height_px: int) -> NDArray[np.uint8]:
        """The pack alone, RGBA."""
        return draw_pack(self.stock.designs[instance.unit.design], max(8, height_px))


def draw_panorama(seed: int, width_mm: float, height_mm: float, px_per_mm: float, brands: int) -> Panorama:
    """Invents a shelf about as large as wanted and draws it.

    Raises:
        UsageError: the seed is one kept for samples/, or the shelf is too large for its resolution.
    """
    if (width_mm + 2 * MARGIN_MM) * px_per_mm > _WIDEST_PX:
        raise UsageError(f"a shelf of {width_mm:g} mm at {px_per_mm:g} pixels per mm is too wide", "ask for less")
    rng = np.random.default_rng([seed, 13])
    designs = training_world(seed, brands, 6)
    stock = Stock.of(designs, [bool(v) for v in rng.random(len(designs)) > 0.06])
    plan = PlanStyle(width_mm, height_mm, gaps=0.05, unknowns=0.05, tidy=0.7, max_wide=5)
    gondola = _open_columns(plan_gondola(stock, plan, rng))
    camera, to_mm = _far_camera(gondola, px_per_mm)
    front, painter = _draw(gondola, stock, camera, seed)
    back, _ = _draw(_back_rows(gondola), stock, camera, seed)
    edges = _board_edges(gondola, to_mm, front.image.shape[0])
    back.image[edges] = np.array(back.image[edges] * 0.25, np.uint8)
    solid = np.where((front.owner > 0) | edges[:, None], 255, 0).astype(np.uint8)
    return Panorama(
        front.image, back.image, front.owner.astype(np.uint16), solid, to_mm, _instances(painter, gondola),
        tuple(painter.gaps()), gondola, stock,
    )  # fmt: skip


def without(panorama: Panorama, numbers: frozenset[int], seed: int, px_per_mm: float) -> Panorama:
    """The same shelf, drawn without some instances; the others keep their numbers."""
    gone = {(i.shelf, i.unit) for i in panorama.instances if i.number in numbers}
    shelves = panorama.gondola.shelves
    fewer = tuple(
        replace(shelf, units=tuple(u for u in shelf.units if (number, u) not in gone))
        for number, shelf in enumerate(shelves)
    )
    gondola = replace(panorama.gondola, shelves=fewer)
    camera, _ = _far_camera(gondola, px_per_mm)
    canvas, painter = _draw(gondola, panorama.stock, camera, seed)
    name = {(i.shelf, i.unit): i.number for i in panorama.instances}
    numbers_of = np.array([0, *(name.get(front, 0) for front in painter.fronts)], np.uint16)
    owner = numbers_of[canvas.owner]
    edges = _board_edges(gondola, panorama.to_mm, owner.shape[0])
    solid = np.where((canvas.owner > 0) | edges[:, None], 255, 0).astype(np.uint8)
    return replace(panorama, front=canvas.image, owner=owner, solid=solid)


def _draw(gondola: Gondola, stock: Stock, camera: Camera, seed: int) -> tuple[Canvas, Painter]:
    canvas = Canvas(camera)
    painter = paint_gondola(canvas, gondola, stock, np.random.default_rng([seed, 17]))
    return canvas, painter


def _far_camera(gondola: Gondola, px_per_mm: float) -> tuple[Camera, NDArray[np.float64]]:
    """A camera far in front of the middle, and the way from its pixels back to millimetres on the front layer."""
    width = round((gondola.width + 2 * MARGIN_MM) * px_per_mm)
    height = round((gondola.height + 2 * MARGIN_MM) * px_per_mm)
    eye = (gondola.width / 2, gondola.height / 2, _FAR_MM)
    scale = (_FAR_MM - FRONT_MM) / (_FAR_MM * px_per_mm)
    to_mm = np.array([
        [scale, 0, eye[0] - scale * width / 2], [0, -scale, eye[1] + scale * height / 2], [0, 0, 1],
    ])  # fmt: skip
    return Camera(eye, 0.0, 0.0, 0.0, _FAR_MM * px_per_mm, width, height), to_mm


def _open_columns(gondola: Gondola) -> Gondola:
    """One group in three has a single row: nothing stands behind its packs."""
    return replace(gondola, shelves=tuple(_thin(shelf) for shelf in gondola.shelves))


def _thin(shelf: Shelf) -> Shelf:
    return replace(shelf, units=tuple(u for u in shelf.units if u.row == 0 or u.group % 3 != 1))


def _back_rows(gondola: Gondola) -> Gondola:
    shelves = [replace(s, units=tuple(u for u in s.units if u.row > 0)) for s in gondola.shelves]
    return replace(gondola, shelves=tuple(shelves))


def _board_edges(gondola: Gondola, to_mm: NDArray[np.float64], rows: int) -> NDArray[np.bool_]:
    """Rows of the panorama that show the front edge of a board, bool (h,)."""
    y = to_mm[1, 1] * (np.arange(rows) + 0.5) + to_mm[1, 2]
    return np.asarray(np.any([(y > s.y - LIP_MM) & (y <= s.y) for s in gondola.shelves], axis=0))


def _instances(painter: Painter, gondola: Gondola) -> tuple[Instance, ...]:
    """The front packs of which anything can be seen."""
    found = []
    high = {(n, u.group) for n, s in enumerate(gondola.shelves) for u in s.units if u.level > 0 or u.row > 0}
    boxes = visible_boxes(painter.canvas.owner)
    for number, (shelf, unit) in enumerate(painter.fronts, start=1):
        if number not in boxes:
            continue
        known = painter.stock.known[unit.design]
        sku = painter.stock.designs[unit.design].sku if known else ""
        movable = known and (shelf, unit.group) not in high
        found.append(Instance(number, sku, shelf, unit, boxes[number][0], painter.canvas.areas[number], movable))
    return tuple(found)
