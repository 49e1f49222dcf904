"""A shelf photo with its exact truth: a planned gondola, drawn pack by pack from back to front by a phone's camera."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recognition.training.render.assortment import Colour
from recognition.training.render.camera import Camera, Look, develop, random_look
from recognition.training.render.canvas import Canvas
from recognition.training.render.fixtures import (
    paint_board,
    paint_cart,
    paint_hand,
    paint_lip,
    paint_room,
    paint_talker,
    paint_underside,
    random_shop,
)
from recognition.training.render.gondola import Gondola, PlanStyle, Stock, plan_gondola
from recognition.training.render.painter import Painter
from recognition.training.render.surroundings import BARE, Surroundings, paint_surroundings
from recognition.training.render.truth import SceneTruth, number_places


@dataclass(frozen=True)
class SceneStyle:
    """What a photo is like. width, height: pixels. plan: how the shelves are filled. side, up: where the camera stands
    beside and above the middle, radians seen from there. roll: radians. zoom: 1 = the gondola fills the picture.
    talkers: promotion cards. hand, cart: something of a person in the picture. about: what stands about the shelves.
    look: light, lens and sensor."""

    width: int = 1600
    height: int = 1200
    plan: PlanStyle = field(default_factory=PlanStyle)
    side: float = 0.0
    up: float = 0.0
    roll: float = 0.0
    zoom: float = 1.0
    talkers: int = 2
    hand: bool = False
    cart: bool = False
    about: Surroundings = BARE
    look: Look = field(default_factory=Look)


@dataclass(frozen=True, eq=False)
class Scene:
    """image: BGR uint8 (h, w, 3), upright. truth: of what can be seen. jpeg: quality to store it with."""

    image: NDArray[np.uint8]
    truth: SceneTruth
    jpeg: int


def random_style(rng: np.random.Generator) -> SceneStyle:
    """A phone photo of either orientation, from any side a person would take it."""
    width, height = (1600, 1200) if rng.random() < 0.5 else (1200, 1600)
    span = float(np.exp(rng.uniform(np.log(750), np.log(2600)))) * (1.0 if width > height else 0.75)
    plan = PlanStyle(
        width=span * 1.12, height=span * height / width * float(rng.uniform(0.9, 1.25)),
        gaps=float(rng.uniform(0, 0.12)), unknowns=float(rng.uniform(0, 0.2)), tidy=float(rng.uniform(0, 1)),
        max_wide=int(rng.integers(2, 8)),
    )  # fmt: skip
    return SceneStyle(
        width=width, height=height, plan=plan, side=float(rng.normal(0, 0.22)), up=float(rng.normal(0.05, 0.12)),
        roll=float(rng.normal(0, 0.02)), zoom=_zoom(rng), talkers=int(rng.poisson(1.5)),
        hand=bool(rng.random() < 0.06), cart=bool(rng.random() < 0.1), look=random_look(rng),
        about=Surroundings(posters=int(rng.poisson(1.5)), boards=int(rng.poisson(1.5))),
    )  # fmt: skip


def _zoom(rng: np.random.Generator) -> float:
    """Most photos show shelves and nothing else; three of ten what stands about them, too."""
    return float(rng.uniform(0.9, 1.2) if rng.random() < 0.7 else rng.uniform(0.5, 0.9))


def render_scene(stock: Stock, style: SceneStyle, seed: int) -> Scene:
    """Draws one photo; the same arguments give the same pixels and the same truth."""
    rng = np.random.default_rng([seed, 11])
    gondola = plan_gondola(stock, style.plan, rng)
    canvas = Canvas(_aim(gondola, style))
    painter = paint_gondola(canvas, gondola, stock, rng, style.about)
    _obstruct(canvas, gondola, style, rng)
    truth = number_places(painter.seen(), painter.gaps())
    return Scene(develop(canvas.image, style.look, rng), truth, style.look.jpeg)


def paint_gondola(
    canvas: Canvas, gondola: Gondola, stock: Stock, rng: np.random.Generator, about: Surroundings = BARE
) -> Painter:
    """Draws room, what stands about, boards and packs; the painter knows what of the packs can be seen."""
    shop = random_shop(rng)
    painter = Painter(canvas, gondola, stock, shop.board)
    paint_room(canvas, gondola, shop, rng)
    paint_surroundings(canvas, gondola, stock, about, rng)
    eye = canvas.camera.eye[1]
    below = [i for i, shelf in enumerate(gondola.shelves) if shelf.y < eye]
    above = [i for i, shelf in enumerate(gondola.shelves) if shelf.y >= eye]
    for number in below + above[::-1]:  # what is nearer to eye height hides what is farther
        shelf = gondola.shelves[number]
        if number in below:
            paint_board(canvas, shelf, gondola, shop)
        painter.paint_units(number, shelf)
        paint_lip(canvas, shelf, gondola, shop, rng)
        if number in above:
            paint_underside(canvas, shelf, gondola, shop)
    return painter


def _aim(gondola: Gondola, style: SceneStyle) -> Camera:
    """A camera that looks at the middle of the gondola from the wanted side and distance."""
    focal = 0.78 * max(style.width, style.height)
    span = style.plan.width / 1.12 / style.zoom
    distance = span * focal / style.width
    target = np.array([gondola.width / 2, gondola.height * 0.5])
    eye = (float(target[0] + distance * np.tan(style.side)), float(target[1] + distance * np.tan(style.up)))
    away = float(np.hypot(distance, eye[0] - target[0]))
    yaw = float(np.arctan2(target[0] - eye[0], distance)) * 0.85
    pitch = float(np.arctan2(target[1] - eye[1], away)) * 0.8
    return Camera((*eye, distance), yaw, -pitch, style.roll, focal, style.width, style.height)


def _obstruct(canvas: Canvas, gondola: Gondola, style: SceneStyle, rng: np.random.Generator) -> None:
    """What stands between the camera and the shelf."""
    palette: tuple[Colour, ...] = ((220, 30, 36), (250, 214, 40), (255, 255, 255), (30, 120, 60), (20, 60, 150))
    for _ in range(style.talkers):
        shelf = gondola.shelves[int(rng.integers(len(gondola.shelves)))]
        x = float(rng.uniform(0.08, 0.88)) * gondola.width
        paint_talker(canvas, shelf, x, palette[int(rng.integers(len(palette)))], rng)
    if style.cart:
        paint_cart(canvas, rng)
    if style.hand:
        paint_hand(canvas, rng)
