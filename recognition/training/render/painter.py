"""Draws the packs of a gondola from back to front, and finds out what can be seen of them and where."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.art import mean_colour, tone
from recognition.training.render.assortment import Colour
from recognition.training.render.brands import PackDesign
from recognition.training.render.canvas import Canvas
from recognition.training.render.gondola import GAP, Gondola, Shelf, Stock, Unit
from recognition.training.render.packs import ROUND, draw_pack
from recognition.training.render.truth import MIN_VISIBLE, Gap, Seen, visible_boxes

_SOFT = frozenset({"pouch", "flow", "picture"})
"""Kinds that show no side or top face although they are not round."""


class Painter:
    """Draws the packs of a gondola and remembers which number stands for which pack."""

    def __init__(self, canvas: Canvas, gondola: Gondola, stock: Stock, board: Colour) -> None:
        self.canvas = canvas
        self.gondola = gondola
        self.stock = stock
        self.board = board
        self.textures: dict[int, NDArray[np.uint8]] = {}
        self.fronts: list[tuple[int, Unit]] = []

    def texture(self, index: int) -> NDArray[np.uint8]:
        """The design's picture, drawn once at about twice the size it is seen at."""
        if index not in self.textures:
            camera, design = self.canvas.camera, self.stock.designs[index]
            pixels = design.height_mm * camera.focal / camera.eye[2]
            picture = self.stock.pictures[index]
            self.textures[index] = (
                draw_pack(design, int(np.clip(pixels * 1.5, 48, 700))) if picture is None else picture
            )
        return self.textures[index]

    def paint_units(self, number: int, shelf: Shelf) -> None:
        """All packs of a shelf, back rows first, and in a row from the sides towards the camera."""
        eye = self.canvas.camera.eye[0]
        for unit in sorted(shelf.units, key=lambda u: (-u.row, u.z, u.level, -abs(u.x - eye))):
            if unit.row == 0:
                self.fronts.append((number, unit))
            self._paint(unit, shelf, len(self.fronts) if unit.row == 0 else 0)

    def _paint(self, unit: Unit, shelf: Shelf, owner: int) -> None:
        design = self.stock.designs[unit.design]
        depth_light = 1.12 * float(np.exp(unit.z / 400)) * (1.0, 0.62, 0.42)[min(unit.row, 2)] * unit.light
        corners = _corners(design, unit)
        texture = self.texture(unit.design)
        if unit.level == 0 and unit.row == 0:
            self._ground_shadow(design, unit)
        if design.kind not in _SOFT:
            self._paint_sides(design, unit, texture, depth_light)
        if design.kind in ROUND and abs(unit.spin) > 0.06 and unit.row == 0:
            texture = _spin(texture, unit.spin)
        headroom = shelf.y + shelf.clear - (unit.y + design.height_mm * np.linspace(1, 0, len(texture)))
        light = depth_light * (1 - 0.42 * np.exp(-np.maximum(headroom, 0) / 75))
        lit = texture.copy()
        lit[..., :3] = (texture[..., :3] * light[:, None, None]).clip(0, 255).astype(np.uint8)
        self.canvas.sprite(lit, corners, owner)

    def _ground_shadow(self, design: PackDesign, unit: Unit) -> None:
        """What the pack takes from the light that falls on the board in front of it."""
        x0, x1, y = unit.x - 1, unit.x + design.width_mm + 1, unit.y + 0.3
        for reach, light in ((7.0, 0.72), (2.5, 0.42)):
            z = unit.z + reach
            quad = np.array([[x0, y, z - 30], [x1, y, z - 30], [x1, y, z], [x0, y, z]])
            self.canvas.fill(quad, self.board, light)

    def _paint_sides(self, design: PackDesign, unit: Unit, texture: NDArray[np.uint8], light: float) -> None:
        """The side and top faces of boxes, and the lids of round packs, where the camera can see them."""
        eye, x1, top = self.canvas.camera.eye, unit.x + design.width_mm, unit.y + design.height_mm
        back = unit.z - design.depth_mm
        if design.kind in ROUND:
            if eye[1] > top and design.kind not in ("shampoo", "bottle", "jug", "tube"):
                angle = np.linspace(0, 2 * np.pi, 25)[:-1]
                radius, centre = design.width_mm * 0.44, (unit.x + design.width_mm / 2, unit.z - design.depth_mm / 2)
                lid = np.stack(
                    [centre[0] + radius * np.cos(angle), np.full(24, top), centre[1] + radius * np.sin(angle)], 1
                )
                self.canvas.fill(lid, mean_colour(texture[2 : max(3, len(texture) // 20)]), light * 0.9)
            return
        colour = tone(mean_colour(texture), 0.9)
        if eye[0] < unit.x or eye[0] > x1:
            x, column = (
                (unit.x, texture[:, : texture.shape[1] // 6])
                if eye[0] < unit.x
                else (x1, texture[:, -texture.shape[1] // 6 :])
            )
            side = cv2.blur(column, (column.shape[1] | 1, 3)).copy()
            side[..., :3] = (side[..., :3] * (0.72 * light)).clip(0, 255).astype(np.uint8)
            side[..., 3] = 255
            near, far = (unit.z, back) if eye[0] > x1 else (back, unit.z)
            foot, head = unit.y, top if design.kind != "tetra" else top - design.height_mm * 0.1
            self.canvas.sprite(side, np.array([[x, head, near], [x, head, far], [x, foot, far], [x, foot, near]]))
        if eye[1] > top and design.kind != "tetra":
            self.canvas.fill(
                np.array([[unit.x, top, back], [x1, top, back], [x1, top, unit.z], [unit.x, top, unit.z]]),
                colour,
                light,
            )

    def seen(self) -> list[Seen]:
        """The front packs of which enough can be seen, with their boxes."""
        found = []
        for owner, (box, pixels) in visible_boxes(self.canvas.owner).items():
            number, unit = self.fronts[owner - 1]
            visible = pixels / self.canvas.areas[owner]
            if visible < MIN_VISIBLE or min(box[2] - box[0], box[3] - box[1]) < 4:
                continue
            sku = self.stock.designs[unit.design].sku if self.stock.known[unit.design] else ""
            found.append(Seen(box, visible, sku, number, unit.group, unit.column, unit.level))
        return found

    def gaps(self) -> list[Gap]:
        """Empty places that lie in the picture for the most part, as seen in the plane of the packs' fronts."""
        camera, found = self.canvas.camera, []
        for number, shelf in enumerate(self.gondola.shelves):
            for index, group in enumerate(shelf.groups):
                if group.design != GAP:
                    continue
                x0, x1, y0, y1 = group.x, group.x + group.width, shelf.y, shelf.y + group.height
                quad = camera.project(np.array([[x0, y1, -15.0], [x1, y1, -15.0], [x1, y0, -15.0], [x0, y0, -15.0]]))
                low, high = quad.min(axis=0), quad.max(axis=0)
                inside_low, inside_high = np.maximum(low, 0), np.minimum(high, [camera.width, camera.height])
                if np.prod((inside_high - inside_low).clip(0)) > 0.6 * np.prod(high - low):
                    x_min, y_min, x_max, y_max = (round(float(v), 1) for v in (*inside_low, *inside_high))
                    found.append(Gap((x_min, y_min, x_max, y_max), number, index))
        return found


def _corners(design: PackDesign, unit: Unit) -> NDArray[np.float64]:
    """World corners of a pack's front, turned about the vertical through its middle and leaning on a lower corner."""
    width, height = design.width_mm, design.height_mm
    flat = np.array([[-width / 2, height], [width / 2, height], [width / 2, 0], [-width / 2, 0]])
    pivot = np.array([np.sign(-unit.lean) * width / 2, 0])
    cos, sin = np.cos(unit.lean), np.sin(unit.lean)
    flat = (flat - pivot) @ np.array([[cos, sin], [-sin, cos]]) + pivot
    turn = 0.0 if design.kind in ROUND else unit.turn
    x = unit.x + width / 2 + flat[:, 0] * np.cos(turn)
    z = unit.z + flat[:, 0] * np.sin(turn)
    return np.stack([x, unit.y + flat[:, 1], z], axis=1)


def _spin(texture: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    """A round pack turned about its axis: the print moves, the outline stays."""
    width = texture.shape[1]
    u = np.linspace(-1, 1, width)
    columns = np.sin(np.clip(np.arcsin(u) + angle, -np.pi / 2, np.pi / 2))
    turned = texture[:, ((columns + 1) / 2 * (width - 1)).round().astype(int)]
    return np.dstack([turned[..., :3], texture[..., 3]])
