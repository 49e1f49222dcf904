"""Shelf boards as a pencil of lines: parallel when the camera faces them, meeting far away when it does not.

Level edges of one flat shelf front all pass through one vanishing point, so the slope of a line is a linear function
of its height in the picture. Two numbers, tilt and convergence, describe every board of a photo, and the equation
that says "these two points lie on one board" is linear in both: a robust least-squares problem over pairs of points.
Method: iteratively reweighted least squares with Cauchy weights (Holland & Welsch, 1977), scale shrinking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

MAX_SLOPE = 0.45  # a neighbour seen under more than about 24 degrees is not on the same board
_COARSE = (0.3, 0.3, 0.2)  # of a product's height: how far off a pair may be
_FINE = (0.15, 0.1, 0.07, 0.05, 0.05)
_PRIOR = 1e-3  # weight of "no tilt, parallel" against one pair: decides only where the pairs say nothing


@dataclass(frozen=True)
class Pencil:
    """The line of `level` c is y = y0 + c + (tilt + convergence * c) * (x - x0), pixels; levels grow downwards."""

    x0: float = 0.0
    y0: float = 0.0
    tilt: float = 0.0
    convergence: float = 0.0

    def level(self, x: Floats, y: Floats) -> Floats:
        """Level of the line through each point (x, y): its height where it crosses x0, pixels below y0."""
        u = x - self.x0
        return (y - self.y0 - self.tilt * u) / self.scale(x)

    def y(self, level: Floats, x: Floats) -> Floats:
        """Height in the picture at which the line of `level` passes x, pixels."""
        return self.y0 + level + (self.tilt + self.convergence * level) * (x - self.x0)

    def slope(self, x: Floats, y: Floats) -> Floats:
        """Slope of the line through each point, pixels per pixel, positive when it falls to the right."""
        return self.tilt + self.convergence * self.level(x, y)

    def scale(self, x: Floats) -> Floats:
        """How much larger things are drawn at x than at x0."""
        return np.maximum(1 + self.convergence * (x - self.x0), 0.2)


@dataclass(frozen=True)
class Upright:
    """Boxes with perspective and tilt taken out of the vertical: top, bottom (levels) and height, float64 (n,) each.

    left, right, x: edges and centre as in the picture, pixels.
    """

    left: Floats
    right: Floats
    top: Floats
    bottom: Floats

    @property
    def x(self) -> Floats:
        """Centres, pixels."""
        return (self.left + self.right) / 2

    @property
    def width(self) -> Floats:
        """Widths, pixels."""
        return self.right - self.left

    @property
    def height(self) -> Floats:
        """Heights in levels, at least a small positive number."""
        return np.maximum(self.bottom - self.top, 1e-6)


def upright(xyxy: NDArray[np.float32], pencil: Pencil) -> Upright:
    """Boxes, float32 (n, 4), in levels of the pencil."""
    left, y_min, right, y_max = xyxy.astype(np.float64).T
    x = (left + right) / 2
    spare = _overhang(right - left, y_max - y_min, pencil.slope(x, y_max))
    return Upright(left, right, pencil.level(x, y_min + spare), pencil.level(x, y_max - spare))


def _overhang(width: Floats, height: Floats, slope: Floats) -> Floats:
    """How far the box around a product on a sloping board reaches below the middle of its base, pixels.

    Half the product's width times the slope. A camera turned about its axis makes the box wider than the product by
    height times slope, one that looks along the shelf does not: the mean of both is never far off.
    """
    steep = np.abs(slope)
    return steep / 2 * np.maximum(width - steep / 2 * height, width / 2)


def neighbour_pairs(xyxy: NDArray[np.float32]) -> tuple[Ints, Ints]:
    """Pairs (left, right) of boxes of like height that may stand side by side on one board, whatever its slope."""
    x_min, y_min, x_max, y_max = xyxy.astype(np.float64).T
    x, width, height = (x_min + x_max) / 2, x_max - x_min, y_max - y_min
    dx = x[None] - x[:, None]
    dy = y_max[None] - y_max[:, None]
    low, high = np.minimum(height[None], height[:, None]), np.maximum(height[None], height[:, None])
    reach = np.maximum(2 * low, 1.3 * np.maximum(width[None], width[:, None]))
    beside = (dx > 0.6 * np.minimum(width[None], width[:, None])) & (dx < reach)
    first, second = np.nonzero(beside & (np.abs(dy) < MAX_SLOPE * dx) & (low > 0.75 * high))
    return first, second


def row_pairs(rows: NDArray[np.int32], x: Floats) -> tuple[Ints, Ints]:
    """Pairs (left, right) within each row at distances 1, 2, 4, ... places: short ones and those that span it."""
    left, right = [], []
    for row in np.unique(rows[rows >= 0]):
        members = np.flatnonzero(rows == row)
        members = members[np.argsort(x[members], kind="stable")]
        step = 1
        while step < len(members):
            left.append(members[:-step])
            right.append(members[step:])
            step *= 2
    none = np.zeros(0, np.intp)
    return np.concatenate([none, *left]), np.concatenate([none, *right])


def fit_pencil(xyxy: NDArray[np.float32], pairs: tuple[Ints, Ints], start: Pencil | None = None) -> Pencil:
    """The pencil on which the base points of most pairs share a line.

    xyxy: float32 (n, 4), n >= 1. start: a first estimate, which tells how far wide products hang below their base.
    """
    boxes = xyxy.astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    x, y, height = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], np.median(sides[:, 1])
    x0, y0 = float(x.mean()), float(y.mean())
    unit = max(float(np.ptp(boxes[:, [0, 2]])), float(np.ptp(boxes[:, [1, 3]])), 1e-6)
    if start is not None:
        y = y - _overhang(sides[:, 0], sides[:, 1], start.slope(x, y))
    u, v = (x - x0) / unit, (y - y0) / unit
    i, j = pairs
    if len(i) == 0:
        return Pencil(x0, y0)
    # v_j - v_i = tilt * (u_j - u_i) + convergence * (v_i * u_j - v_j * u_i), exact for two points of one line.
    terms, rise = np.stack([u[j] - u[i], v[i] * u[j] - v[j] * u[i]], axis=1), v[j] - v[i]
    scales: tuple[float, ...]
    if start is None:
        fit = np.array([np.median(rise / terms[:, 0]), 0.0])
        scales = _COARSE + _FINE
    else:
        fit = np.array([start.slope(np.array([x0]), np.array([y0]))[0], start.convergence * unit])
        scales = _FINE
    for scale in scales:
        weight = 1 / (1 + ((rise - terms @ fit) / (scale * height / unit)) ** 2)
        normal = terms.T @ (terms * weight[:, None]) + _PRIOR * np.diag([(height / unit) ** 2, 1.0])
        fit = np.linalg.solve(normal, terms.T @ (rise * weight))
    return Pencil(x0, y0, float(fit[0]), float(fit[1]) / unit)
