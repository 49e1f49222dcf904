"""Everything on a shelf photo that is not a product: wall, boards, rails, labels, floor, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.art import tone
from recognition.training.render.assortment import Colour
from recognition.training.render.canvas import Canvas
from recognition.training.render.faces import contrast
from recognition.training.render.gondola import DEPTH_MM, LIP_MM, Gondola, Shelf
from recognition.training.render.lettering import TextStyle, write

_BOLD = TextStyle(face=1, weight=800)
_THIN = TextStyle(face=0, weight=400)


@dataclass(frozen=True)
class ShopStyle:
    """Colours of a shop's furniture, RGB, and whether its wall is pegboard."""

    wall: Colour
    board: Colour
    rail: Colour
    label: Colour
    floor: Colour
    pegs: bool


def random_shop(rng: np.random.Generator) -> ShopStyle:
    """Furniture as shops have it: white, grey, cream or black steel, rails in grey or in a signal colour."""
    steel: tuple[Colour, ...] = ((226, 224, 218), (236, 236, 236), (190, 192, 196), (214, 204, 184), (60, 60, 64))
    rails: tuple[Colour, ...] = (
        (210, 212, 214),
        (240, 240, 238),
        (198, 40, 36),
        (40, 80, 150),
        (245, 205, 60),
        (90, 150, 90),
    )
    labels: tuple[Colour, ...] = ((252, 252, 248), (252, 252, 248), (250, 224, 80), (240, 236, 220))
    floors: tuple[Colour, ...] = ((150, 140, 128), (186, 180, 170), (110, 106, 102), (200, 192, 176))
    board = steel[int(rng.integers(len(steel)))]
    wall = tone(board, float(rng.uniform(0.7, 1.0)))
    return ShopStyle(wall, board, rails[int(rng.choice(6, p=[0.4, 0.3, 0.09, 0.07, 0.07, 0.07]))],
                     labels[int(rng.integers(4))], floors[int(rng.integers(4))], bool(rng.random() < 0.6))  # fmt: skip


def _quad(x0: float, x1: float, y0: float, y1: float, z: float) -> NDArray[np.float64]:
    """An upright rectangle, corners from top-left clockwise."""
    return np.array([[x0, y1, z], [x1, y1, z], [x1, y0, z], [x0, y0, z]])


def _flat(x0: float, x1: float, z0: float, z1: float, y: float) -> NDArray[np.float64]:
    """A level rectangle, far edge first."""
    return np.array([[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]])


def paint_room(canvas: Canvas, gondola: Gondola, shop: ShopStyle, rng: np.random.Generator) -> None:
    """Ceiling, floor and back wall with uprights."""
    canvas.image[:] = _far_shop(canvas.camera.width, canvas.camera.height, rng)
    far = 40_000.0
    canvas.fill(_flat(-far, far, -DEPTH_MM, 3000.0, 0), shop.floor)
    tile = float(rng.choice([300, 450, 600]))
    for i in range(-12, 18):
        canvas.fill(_flat(i * tile, i * tile + 5, 0, 1500, 0.5), tone(shop.floor, 0.8))
    for i in range(6):
        canvas.fill(_flat(-far / 8, far / 8, i * tile, i * tile + 5, 0.5), tone(shop.floor, 0.8))
    left, right, top = -60.0, gondola.width + 60, gondola.height + 60
    canvas.sprite(_wall(gondola, shop), _quad(0, gondola.width, 0, top, -DEPTH_MM))
    for side in (0.0, gondola.width):  # end panels
        panel = np.array([[side, top, -DEPTH_MM], [side, top, -160.0], [side, 0, -160.0], [side, 0, -DEPTH_MM]])
        canvas.fill(panel, tone(shop.board, 0.55))
    header = tone(shop.rail, 0.9)
    canvas.fill(_quad(left, right, top, top + 160, -DEPTH_MM + 40), header)
    edge = 0.0
    while edge <= gondola.width + 1:
        canvas.fill(_quad(edge - 18, edge + 18, 0, top, -DEPTH_MM + 12), tone(shop.board, 0.62))
        edge += gondola.bay


def _far_shop(width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What is seen past the gondola, out of focus: a ceiling with lamps, other shelves. BGR."""
    small = np.empty((height // 8, width // 8, 3), np.uint8)
    small[:] = tone((176, 178, 180), float(rng.uniform(0.7, 1.3)))
    rows, columns = small.shape[:2]
    for _ in range(5):
        x, y = int(rng.uniform(0, columns)), int(rng.uniform(0, 0.25) * rows)
        cv2.rectangle(small, (x, y), (x + columns // 8, y + max(1, rows // 40)), (255, 255, 255), -1)
    for _ in range(120):
        x, y = int(rng.uniform(0, columns)), int(rng.uniform(0.3, 1) * rows)
        colour = [int(c) for c in rng.integers(60, 170) + rng.integers(-28, 29, 3)]
        cv2.rectangle(small, (x, y), (x + columns // 25, y + rows // 20), colour, -1)
    soft = cv2.GaussianBlur(small, (0, 0), columns / 60)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _wall(gondola: Gondola, shop: ShopStyle) -> NDArray[np.uint8]:
    """The back wall as a texture, darker under each board."""
    width, height = 512, 512
    wall = np.empty((height, width, 4), np.uint8)
    wall[:] = (*shop.wall, 255)
    if shop.pegs:
        step_x, step_y = 25 * width / gondola.width, 25 * height / gondola.height
        y, x = np.mgrid[0:height, 0:width]
        holes = np.hypot((x % step_x) - step_x / 2, ((y % step_y) - step_y / 2) * step_x / step_y) < step_x * 0.16
        wall[holes, :3] = tone(shop.wall, 0.4)
    up = (gondola.height + 60) * (1 - np.arange(height) / height)
    light = np.full(height, 0.5)
    for shelf in gondola.shelves:
        inside = (up >= shelf.y) & (up < shelf.y + shelf.clear)
        light[inside] = 0.74 - 0.38 * np.exp(-(shelf.y + shelf.clear - up[inside]) / 90)
    wall[..., :3] = (wall[..., :3] * light[:, None, None]).astype(np.uint8)
    return wall


def paint_board(canvas: Canvas, shelf: Shelf, gondola: Gondola, shop: ShopStyle) -> None:
    """The top of a board: light at its edge, dark inside."""
    for start, end, light in (
        (-DEPTH_MM, -250.0, 0.35),
        (-250.0, -120.0, 0.5),
        (-120.0, -40.0, 0.68),
        (-40.0, 0.0, 0.9),
    ):
        canvas.fill(_flat(0, gondola.width, start, end, shelf.y), shop.board, light)


def paint_underside(canvas: Canvas, shelf: Shelf, gondola: Gondola, shop: ShopStyle) -> None:
    """The bottom of a board, seen from below: darker inside."""
    for start, end, light in ((-DEPTH_MM, -280.0, 0.34), (-280.0, -140.0, 0.4), (-140.0, -8.0, 0.47)):
        canvas.fill(_flat(0, gondola.width, start, end, shelf.y - LIP_MM * 0.6), shop.board, light)


def paint_lip(canvas: Canvas, shelf: Shelf, gondola: Gondola, shop: ShopStyle, rng: np.random.Generator) -> None:
    """The front edge with its price rail, joints between bays, and a label under the start of most groups."""
    low, width = shelf.y - LIP_MM, gondola.width
    canvas.fill(_quad(0, width, low, shelf.y, 0), tone(shop.board, 0.85))
    canvas.fill(_quad(0, width, low + 4, shelf.y - 5, 2), shop.rail)
    canvas.fill(_quad(0, width, shelf.y - 8, shelf.y - 5, 2.5), tone(shop.rail, 1.35))
    canvas.fill(_quad(0, width, low, low + 5, 2.5), tone(shop.rail, 0.55))
    for joint in np.arange(gondola.bay, width, gondola.bay):
        canvas.fill(_quad(joint - 1.5, joint + 1.5, low, shelf.y, 3), (40, 40, 40))
    if shelf is gondola.shelves[0]:
        canvas.fill(_quad(0, width, 0, low, -30), tone(shop.board, 0.45))
    for group in shelf.groups:
        if rng.random() < 0.88:
            wide = float(rng.uniform(44, 72))
            start = group.x + float(rng.uniform(0, max(1.0, group.width - wide)))
            paper = shop.label if rng.random() < 0.85 else (250, 210, 40)
            canvas.sprite(_price(paper, rng), _quad(start, start + wide, low + 3, shelf.y - 2, 4))


def _price(paper: Colour, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A price label, RGBA."""
    sheet = np.empty((56, 104, 3), np.uint8)
    sheet[:] = paper
    ink = contrast(paper)
    write(sheet, f"{rng.integers(0, 15)}.{rng.integers(10)}9", _BOLD, (46, 8, 54, 30), ink)
    for line in range(3):
        write(
            sheet,
            "".join(str(c) for c in rng.choice(list("abc efg nop rst"), 12)),
            _THIN,
            (4, 6 + 9 * line, 40, 7),
            ink,
        )
    for x in range(6, 60, 2):
        if rng.random() < 0.6:
            sheet[40:52, x] = 30
    cv2.rectangle(sheet, (0, 0), (103, 55), tone(paper, 0.7), 1)
    return np.dstack([sheet, np.full(sheet.shape[:2], 255, np.uint8)])


def paint_talker(canvas: Canvas, shelf: Shelf, x: float, colour: Colour, rng: np.random.Generator) -> None:
    """A promotion card that stands out from the rail and hides part of what is behind it."""
    card = np.empty((150, 120, 3), np.uint8)
    card[:] = colour
    ink = contrast(colour)
    write(card, str(rng.choice(["SALE", "PROMO", "NEW", "2+1", "-30%", "TOP"])), _BOLD, (8, 12, 104, 46), ink)
    write(card, f"{rng.integers(1, 9)}.{rng.integers(10)}9", _BOLD, (14, 74, 92, 56), ink)
    alpha = np.zeros(card.shape[:2], np.uint8)
    if rng.random() < 0.5:
        cv2.circle(alpha, (60, 75), 59, 255, -1, cv2.LINE_AA)
    else:
        alpha[:] = 255
    side = float(rng.uniform(55, 95))
    foot = shelf.y - LIP_MM - float(rng.uniform(-0.5, 0.6)) * side
    canvas.sprite(np.dstack([card, alpha]), _quad(x, x + side, foot, foot + side * 1.25, 25))


def paint_hand(canvas: Canvas, rng: np.random.Generator) -> None:
    """A blurred hand with its sleeve, reaching in from the lower edge."""
    width, height = canvas.camera.width // 5, canvas.camera.height // 4
    layer = np.zeros((height, width, 4), np.uint8)
    skin = tone((224, 172, 140), float(rng.uniform(0.4, 1.1)))
    layer[..., :3] = skin
    palm = round(width * 0.5), round(height * 0.5)
    cv2.ellipse(layer, palm, (round(width * 0.2), round(height * 0.2)), 0, 0, 360, (*skin, 255), -1, cv2.LINE_AA)
    for i in range(4):
        tip = round(width * (0.34 + 0.11 * i)), round(height * (0.1 + 0.05 * abs(i - 1.5)))
        root = round(width * (0.38 + 0.08 * i)), palm[1]
        cv2.line(layer, root, tip, (*tone(skin, 0.92 + 0.05 * (i % 2)), 255), round(width * 0.085), cv2.LINE_AA)
    cv2.line(
        layer,
        (round(width * 0.6), round(height * 0.6)),
        (round(width * 0.85), round(height * 0.35)),
        (*skin, 255),
        round(width * 0.09),
        cv2.LINE_AA,
    )
    sleeve = (*tone((60, 70, 110), float(rng.uniform(0.5, 1.6))), 255)
    cv2.rectangle(layer, (round(width * 0.3), round(height * 0.72)), (round(width * 0.7), height), sleeve, -1)
    layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), 2.5), np.uint8)
    canvas.cover(layer, int(rng.uniform(0.05, 0.75) * canvas.camera.width), canvas.camera.height - height + 2)


def paint_cart(canvas: Canvas, rng: np.random.Generator) -> None:
    """The wire edge of a shopping cart in a lower corner."""
    width, height = (
        round(canvas.camera.width * rng.uniform(0.25, 0.4)),
        round(canvas.camera.height * rng.uniform(0.1, 0.2)),
    )
    layer = np.zeros((height, width, 4), np.uint8)
    layer[..., :3] = 120
    steel = (150, 152, 158, 255)
    for i in range(0, width, max(8, width // 14)):
        cv2.line(layer, (i, round(height * 0.15)), (i + width // 20, height), steel, max(2, width // 90), cv2.LINE_AA)
    for share in (0.45, 0.8):
        cv2.line(
            layer, (0, round(height * share)), (width, round(height * share)), steel, max(2, width // 90), cv2.LINE_AA
        )
    colour = (*tone((200, 40, 40), float(rng.uniform(0.5, 1.0))), 255)
    cv2.line(layer, (0, round(height * 0.12)), (width, round(height * 0.12)), colour, max(6, height // 9), cv2.LINE_AA)
    layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), 2.0), np.uint8)
    left = rng.random() < 0.5
    canvas.cover(layer, 0 if left else canvas.camera.width - width, canvas.camera.height - height)
