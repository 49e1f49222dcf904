"""Brings products to the size the detector knows: a coarse look measures them, another sees them at that size.

The products of one photo differ in size, and a hand may hold one before the lens: a thumbnail, which costs next to
nothing, shows the very large ones, and a closer look parts the small ones. What two looks agree on is surer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from recognition.detection import boxes as bx
from recognition.detection.merge import add_large, fuse, unite
from recognition.detection.tiling import Finder, look, whole_side
from recognition.detection.visible import SURE, weigh_visible
from recognition.settings import DetectSettings
from recognition.types import Detections, Image

THUMB = 160
"""Longer side of the photo in the look for products that fill much of it, pixels."""
COARSE = 640
"""Longer side of the photo in the look that measures the products, pixels."""
NEAR = (0.85, 1.25)
"""Sizes in that look, as a multiple of the wanted one, at which its answer is final."""
CLOSER = 1.5
"""How much closer the closer look is. At 2 products of the wanted size are torn apart."""
_LEAST_CLOSER = 1.2
"""Less is no other look: a photo that cannot be enlarged further has none."""
_LARGE = 3.0
"""From this multiple of the wanted size on, a product is sought in the look before."""
MAX_ZOOM = 2.0
"""Most a photo is enlarged: beyond twice its own pixels there is nothing more to see."""
MAX_PIXELS = 20_000_000
"""Largest zoomed photo; 3,000 products of 56 pixels fill about half of it."""


def detect_by_size(images: Sequence[Image], find: Finder, settings: DetectSettings) -> list[Detections]:
    """Products of each image, best score first, above settings.conf, in pixels of the image.

    `find` must report boxes from `floor_score(settings)` up. Each look answers for the sizes it sees well; larger
    products come from the look before it.
    """
    overlap = round(_LARGE * settings.product_px)

    def see(rows: Sequence[int], zooms: Sequence[float], under: Sequence[Detections]) -> list[Detections]:
        found = look([images[i] for i in rows], zooms, find, overlap)
        joined = [add_large(f, u, whole_side(overlap) / z) for f, u, z in zip(found, under, zooms, strict=True)]
        return [unite(j, settings.iou, settings.max_boxes) for j in joined]

    everything = range(len(images))
    longest = [max(image.shape[:2]) for image in images]
    thumbs = see(everything, [min(THUMB / side, MAX_ZOOM) for side in longest], [Detections.empty()] * len(images))
    thumbs = [thumb.select(np.flatnonzero(thumb.scores >= SURE)) for thumb in thumbs]
    zooms = [min(COARSE / side, MAX_ZOOM) for side in longest]
    results = see(everything, zooms, thumbs)
    wanted = [_wanted_zoom(*known, settings.product_px) for known in zip(images, results, zooms, strict=True)]
    again = [i for i in everything if wanted[i] != zooms[i]]
    under = [results[i] if wanted[i] > zooms[i] else thumbs[i] for i in again]
    for i, found in zip(again, see(again, [wanted[i] for i in again], under), strict=True):
        results[i] = found
    if settings.close_look:
        close = [min(CLOSER * zoom, _most_zoom(image)) for image, zoom in zip(images, wanted, strict=True)]
        again = [i for i in everything if len(results[i]) and close[i] >= _LEAST_CLOSER * wanted[i]]
        under = [results[i] for i in again]
        for i, found in zip(again, see(again, [close[i] for i in again], under), strict=True):
            results[i] = unite(fuse(results[i], found), settings.iou, settings.max_boxes)
    results = [weigh_visible(found, *image.shape[1::-1]) for image, found in zip(images, results, strict=True)]
    return [found.select(np.flatnonzero(found.scores >= settings.conf)) for found in results]


def floor_score(settings: DetectSettings) -> float:
    """Lowest score asked of the model: low enough for measuring sizes whatever is kept in the end."""
    return min(settings.conf, SURE)


def typical_size(found: Detections) -> float | None:
    """Median product size (square root of box area), pixels, weighted by squared score; None without a sure box."""
    sure = found.select(np.flatnonzero(found.scores >= SURE))
    if not len(sure):
        return None
    order = np.argsort(bx.sizes(sure.xyxy))
    weight = np.cumsum(sure.scores[order].astype(np.float64) ** 2)
    middle = float(bx.sizes(sure.xyxy)[order][np.searchsorted(weight, weight[-1] / 2)])
    return middle


def _wanted_zoom(image: Image, found: Detections, zoom: float, product_px: float) -> float:
    """Zoom at which the median product has the wanted size; the present one when that is near enough."""
    size = typical_size(found)
    if size is None:
        return min(2 * zoom, MAX_ZOOM)
    if NEAR[0] <= size * zoom / product_px <= NEAR[1]:
        return zoom
    least: float = THUMB / max(image.shape[:2])
    return min(max(product_px / size, least), _most_zoom(image))


def _most_zoom(image: Image) -> float:
    return min(MAX_ZOOM, math.sqrt(MAX_PIXELS / (image.shape[0] * image.shape[1])))
