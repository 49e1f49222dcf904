"""What stands where: a planned gondola of shelves, groups of facings, gaps and packs that no catalogue knows.

World: millimetres, x from the left, y up from the floor of the gondola, z = 0 at the shelves' front edge, negative
inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recognition.errors import UsageError
from recognition.training.render.brands import PackDesign
from recognition.training.render.multipacks import Bundle

STACKABLE = frozenset({"can", "tin", "tub", "slab", "flow", "carton"})
DEPTH_MM = 420.0
LIP_MM = 38.0
"""Depth of a shelf and height of its front edge with the price rail."""
GAP = -1
"""Stands for no design."""


@dataclass(frozen=True)
class Unit:
    """One pack. group: index of its group on the shelf. column, level: place in the group, from 0; row: 0 = front.

    x: left edge, y: foot, z: front, mm. turn: radians about the vertical. lean: radians in the picture plane. spin:
    radians a round pack is turned about its axis. light: factor.
    """

    design: int
    group: int
    column: int
    level: int
    row: int
    x: float
    y: float
    z: float
    turn: float
    lean: float
    spin: float
    light: float


@dataclass(frozen=True)
class Group:
    """Equal neighbours, one unknown pack, or a gap (design GAP). known: its SKU is in the catalogue. x, width: mm."""

    design: int
    known: bool
    x: float
    width: float
    height: float


@dataclass(frozen=True)
class Shelf:
    """One board. y: its top side, mm. clear: free height above it, mm."""

    y: float
    clear: float
    groups: tuple[Group, ...]
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Gondola:
    """Shelves from the bottom, width of the whole and of one bay, mm."""

    shelves: tuple[Shelf, ...]
    width: float
    bay: float

    @property
    def height(self) -> float:
        """Upper end of the top shelf's free height, mm."""
        return self.shelves[-1].y + self.shelves[-1].clear


@dataclass(frozen=True)
class Stock:
    """Packs to choose from. known: designs whose SKU is in the catalogue; the others are in none. pictures: RGBA to
    show instead of drawing the design, None where it is drawn."""

    designs: tuple[PackDesign, ...]
    known: tuple[bool, ...]
    pictures: tuple[NDArray[np.uint8] | None, ...]

    @classmethod
    def of(cls, designs: Sequence[PackDesign], known: Sequence[bool]) -> Stock:
        """A stock of packs that are all drawn."""
        return cls(tuple(designs), tuple(known), (None,) * len(designs))

    def with_pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> Stock:
        """Adds packs that are shown by RGBA pictures of their own; their sizes are guessed from the proportions."""
        sizes = []
        for picture in pictures:
            aspect = picture.shape[1] / picture.shape[0]
            height = 170.0 / max(1.0, aspect) ** 0.5 * (1.2 if aspect < 0.6 else 1.0)
            sizes.append((height * aspect, height))
        return self._with(pictures, sizes)

    def with_bundles(self, bundles: Sequence[Bundle]) -> Stock:
        """Adds multipacks."""
        return self._with([b.picture for b in bundles], [(b.width_mm, b.height_mm) for b in bundles])

    def _with(self, pictures: Sequence[NDArray[np.uint8]], sizes: Sequence[tuple[float, float]]) -> Stock:
        added = []
        for number, (width, height) in enumerate(sizes, start=len(self.designs)):
            design = replace(self.designs[0], sku=f"picture-{number}", kind="picture", width_mm=width, height_mm=height)
            added.append(replace(design, depth_mm=min(60.0, width)))
        known = self.known + (True,) * len(added)
        return Stock(self.designs + tuple(added), known, self.pictures + tuple(pictures))


@dataclass(frozen=True)
class PlanStyle:
    """How a gondola is filled. width, height: mm wanted. gaps, unknowns: share of places that are empty, or in no
    catalogue. tidy: 1 = straight rows, 0 = as after a busy day. max_wide: widest group of facings."""

    width: float = 1500.0
    height: float = 1200.0
    gaps: float = 0.06
    unknowns: float = 0.1
    tidy: float = 0.6
    max_wide: int = 5


def plan_gondola(stock: Stock, style: PlanStyle, rng: np.random.Generator) -> Gondola:
    """A gondola about as high as wanted, tall packs below, brands side by side.

    Raises:
        UsageError: fewer than two packs are known: equal groups cannot stand side by side.
    """
    order = [i for i, known in enumerate(stock.known) if known]
    strangers = [i for i, known in enumerate(stock.known) if not known]
    if len(order) < 2:
        raise UsageError(f"{len(order)} packs to put on the shelves", "give two known packs or more")
    rough = np.array([stock.designs[i].height_mm + rng.normal(0, 25) for i in order])
    order = [order[i] for i in np.argsort(-rough)]
    levels = max(2, round(style.height / (float(np.mean(rough)) + 110)))
    shelves: list[Shelf] = []
    y = LIP_MM + 60
    for level in range(levels):
        start = min(level * len(order) // levels, max(0, len(order) - 3))
        chosen = order[start : max(start + 3, (level + 1) * len(order) // levels)]
        pool = sorted(chosen, key=lambda i: (stock.designs[i].brand.name, stock.designs[i].noun, rng.random()))
        shelf = _fill(stock, pool, strangers, style, y, rng)
        shelves.append(shelf)
        y += shelf.clear + LIP_MM
    return Gondola(tuple(shelves), style.width, float(rng.choice([900.0, 1000.0, 1250.0])))


def _fill(
    stock: Stock, pool: list[int], strangers: list[int], style: PlanStyle, y: float, rng: np.random.Generator
) -> Shelf:
    """Fills one shelf from the left until the next group does not fit."""
    tallest = max(stock.designs[i].height_mm for i in pool) * 1.1
    clear = tallest + float(rng.uniform(10, 55))
    x = float(rng.uniform(0, 8))
    groups: list[Group] = []
    units: list[Unit] = []
    for index in _choices(pool, [i for i in strangers if stock.designs[i].height_mm <= tallest], style, rng):
        design = stock.designs[pool[0] if index == GAP else index]
        pitch = design.width_mm + float(rng.uniform(1, 7))
        if index == GAP:
            width = design.width_mm * float(rng.uniform(1.25, 2.2))
            groups.append(Group(GAP, False, x, width, min(design.height_mm, clear * 0.8)))
            x += width + 6
            continue
        known = stock.known[index]
        wide = min(int(rng.integers(1, style.max_wide + 1)) if known else 1, int((style.width - x) // pitch))
        if wide < 1:
            break
        high = _levels(design, clear, rng) if known else 1
        group = Group(index, known, x, wide * pitch, high * design.height_mm)
        units += _place(design, group, len(groups), wide, high, y, style, rng)
        groups.append(group)
        x += wide * pitch + float(rng.uniform(2, 10))
    return Shelf(y, clear, tuple(groups), tuple(units))


def _choices(pool: list[int], strangers: list[int], style: PlanStyle, rng: np.random.Generator) -> Iterator[int]:
    """What stands next, without end: a pack of the pool in turn, a stranger, or GAP; never the same twice running."""
    step, last = int(rng.integers(len(pool))), GAP
    while True:
        draw = rng.random()
        if strangers and draw < style.unknowns:
            last = int(rng.choice(strangers))
        elif draw > 1 - style.gaps and last != GAP:
            last = GAP
        else:
            step += 1
            if pool[step % len(pool)] == last:
                continue
            last = pool[step % len(pool)]
        yield last


def _levels(design: PackDesign, clear: float, rng: np.random.Generator) -> int:
    fits = int(clear // (design.height_mm + 2)) if design.kind in STACKABLE else 1
    return max(1, min(fits, 3, int(rng.integers(1, 4))))


def _place(
    design: PackDesign,
    group: Group,
    number: int,
    wide: int,
    high: int,
    y: float,
    style: PlanStyle,
    rng: np.random.Generator,
) -> list[Unit]:
    """The packs of one group: front row, up to two rows behind it, levels on top of each other."""
    loose = 1.3 - style.tidy
    pitch = group.width / wide
    mess = rng.random()
    units = []
    for column in range(wide):
        missing = int(rng.random() < 0.05 * loose)  # a customer took the first one
        front = -float(rng.uniform(4, 16)) - loose * float(rng.exponential(9))
        tilt = float(rng.normal(0, 0.02 * loose)) + (float(rng.normal(0, 0.05)) if rng.random() < 0.05 * loose else 0)
        for row in range(missing, missing + 3):
            for level in range(high):
                z = front - row * (design.depth_mm + 6)
                if -z + design.depth_mm > DEPTH_MM + 10 and row > missing:
                    continue
                slack = pitch - design.width_mm
                units.append(
                    Unit(
                        design=group.design,
                        group=number,
                        column=column,
                        level=level,
                        row=row - missing,
                        x=group.x + column * pitch + slack * float(rng.uniform(0.1, 0.9)),
                        y=y + level * design.height_mm,
                        z=z,
                        turn=float(rng.normal(0, 0.05 * loose)),
                        lean=tilt if level == 0 else tilt * 0.5,
                        spin=float(rng.normal(0, 0.12 + 0.25 * (mess < 0.2 * loose))),
                        light=float(rng.normal(1, 0.04)),
                    )
                )
    return units
