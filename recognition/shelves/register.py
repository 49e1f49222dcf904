"""Where the picture of one frame lies in another of the same shelf: a homography, or None if none can be trusted.

Shelves repeat: moved by exactly one facing, two pictures look nearly the same. So the answer is never taken from
features alone. A start (the expected motion, or features that are unlike all others in their picture) is moved to the
peak of the correlation, normalised over the shared area only (Padfield 2012); corners (Shi & Tomasi 1994) are followed
from there (Lucas & Kanade 1981 in pyramids, Bouguet 2001) forward and back (Kalal, Mikolajczyk & Matas 2010); the
homography through them is found by MAGSAC++ (Barath et al. 2020), and must bring the two pictures to look alike. When
another place would look as good, only an expected motion that lies clearly nearer decides. Without a start: SIFT
(Lowe 2004), whose ratio test drops whatever stands on the shelf more than once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Homography = NDArray[np.float64]
Grey = NDArray[np.uint8]
Points = NDArray[np.float32]

WORKING_SIDE = 640
SMALL_SIDE = 160
CORNERS = 400
FORTH_AND_BACK_PX = 1.0
RESIDUAL_PX = 2.0
LEAST_INLIERS = 24
LEAST_SHARE = 0.4  # of the corners that were followed
LEAST_SPREAD = 0.3  # of the shared area: what the inliers' hull must cover
LEAST_LIKENESS = 0.5  # correlation of the two pictures, one laid over the other
LEAST_OVERLAP = 0.2  # of a picture: less is not enough to tell
RIVAL = 0.88  # of the best correlation: another place that reaches it may be the true one
EQUAL = 0.95  # of the best correlation: here the expected motion decides
DECIDES = 0.3  # of the way to the next such place: how far from the expected one the answer may be
WORSE = 0.05  # correlation that may be lost between the start and the answer
SCALES = (0.5, 2.0)
LARGEST_STRETCH = 1.5
KEYPOINTS, RATIO, LEAST_MATCHES = 800, 0.75, 12


@dataclass(frozen=True, eq=False)
class View:
    """A picture made ready. grey: uint8 at working size. small: float32, its light evened out. zoom: working pixels per
    pixel. size: width, height of the picture, pixels."""

    grey: Grey
    small: NDArray[np.float32]
    zoom: float
    size: tuple[int, int]

    @cached_property
    def features(self) -> tuple[Points, Points]:
        """SIFT features: points (m, 2) in working pixels, descriptors (m, 128); float32. Found when first asked for."""
        # The stubs of OpenCV 5 leave the factory of SIFT out.
        sift: Any = vars(cv2)["SIFT_create"](nfeatures=KEYPOINTS)
        keypoints, found = sift.detectAndCompute(self.grey, None)
        if found is None:
            return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
        return np.array([k.pt for k in keypoints], np.float32), np.asarray(found, np.float32)


@dataclass(frozen=True, eq=False)
class Registration:
    """homography: 3 x 3, pixels of the first picture to those of the second. likeness: correlation of the two where
    they overlap, -1..1. inliers: corners that agree. residual: median distance they are off, pixels of the picture."""

    homography: Homography
    likeness: float
    inliers: int
    residual: float


def prepare(image: NDArray[np.uint8]) -> View:
    """Makes a picture ready to be registered. image: BGR uint8 (h, w, 3) or grey uint8 (h, w)."""
    height, width = image.shape[:2]
    zoom = min(1.0, WORKING_SIDE / max(height, width))
    size = max(8, round(width * zoom)), max(8, round(height * zoom))
    working = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if zoom < 1 else image
    grey = working if working.ndim == 2 else cv2.cvtColor(working, cv2.COLOR_BGR2GRAY)
    return View(np.ascontiguousarray(grey), _even(grey), zoom, (width, height))


def register(
    previous: NDArray[np.uint8], image: NDArray[np.uint8], guess: Homography | None = None
) -> Homography | None:
    """Homography 3 x 3 float64 from pixels of `previous` to pixels of `image`, None when it cannot be trusted.

    previous, image: BGR uint8 (h, w, 3) or grey uint8 (h, w). guess: where it is expected, as from the motion so far;
    frames that follow each other at once may give np.eye(3). Without one, pictures that repeat are refused.
    """
    found = register_views(prepare(previous), prepare(image), guess)
    return None if found is None else found.homography


def register_views(previous: View, image: View, guess: Homography | None = None) -> Registration | None:
    """`register` for pictures made ready, with what speaks for the answer."""
    to_work = np.diag([image.zoom, image.zoom, 1.0])
    from_work = np.diag([previous.zoom, previous.zoom, 1.0])
    start = _by_features(previous, image) if guess is None else to_work @ guess @ np.linalg.inv(from_work)
    if start is None:
        return None
    nudged = _nudge(previous, image, start, expected=guess is not None)
    if nudged is None:
        return None
    found = _follow(previous, image, nudged[0])
    if found is not None:  # once more from there: corners that were too far off at first are found now
        found = _follow(previous, image, found[0])
    if found is None:
        return None
    matrix, inliers, residual = found
    likeness = _likeness(previous, image, matrix)
    if likeness < max(LEAST_LIKENESS, nudged[1] - WORSE):
        return None
    homography = np.linalg.inv(to_work) @ matrix @ from_work
    return Registration(homography / homography[2, 2], likeness, inliers, residual / image.zoom)


def overlap(homography: Homography, size: tuple[int, int], other: tuple[int, int]) -> float:
    """Share of a picture of `other` (width, height) that one of `size` covers when laid over it, 0..1."""
    corners = _outline(homography, size)
    if corners is None:
        return 0.0
    frame = np.array([[0, 0], [other[0], 0], [other[0], other[1]], [0, other[1]]], np.float32)
    return float(cv2.intersectConvexConvex(corners, frame)[0]) / (other[0] * other[1])


def _outline(homography: Homography, size: tuple[int, int]) -> Points | None:
    """Corners (4, 2) of a picture laid over another one; None where a sane camera would not put them."""
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64) @ homography.T
    if (corners[:, 2] <= 0).any() or not np.isfinite(corners).all():
        return None
    flat = (corners[:, :2] / corners[:, 2:]).astype(np.float32)
    return flat if cv2.isContourConvex(flat) and cv2.contourArea(flat, oriented=True) > 0 else None


def _sane(matrix: Homography, size: tuple[int, int]) -> bool:
    """Whether a homography is a view of the same flat shelf: upright, of like size, not squeezed."""
    if _outline(matrix, size) is None:
        return False
    x, y = size[0] / 2, size[1] / 2
    depth = matrix[2] @ [x, y, 1]
    px, py = (matrix[:2] @ [x, y, 1]) / depth
    local = (matrix[:2, :2] - np.outer([px, py], matrix[2, :2])) / depth
    large, small = np.linalg.svd(local, compute_uv=False)
    return bool(np.linalg.det(local) > 0 and SCALES[0] < small and large < min(SCALES[1], LARGEST_STRETCH * small))


def _even(grey: Grey) -> NDArray[np.float32]:
    """A small picture without slow changes of light and with its contrast evened out, float32."""
    zoom = SMALL_SIDE / max(grey.shape)
    size = max(8, round(grey.shape[1] * zoom)), max(8, round(grey.shape[0] * zoom))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = small - cv2.GaussianBlur(small, (0, 0), 8)
    return np.asarray(detail / (np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), 12)) + 4), np.float32)


def _nudge(previous: View, image: View, start: Homography, expected: bool) -> tuple[Homography, float] | None:
    """The start, moved to where the small pictures agree best, and their correlation there.

    None if they agree nowhere, or at several places of which the expected motion does not decide for one.
    """
    zoom = image.small.shape[1] / image.grey.shape[1]
    shrink = np.diag([zoom, zoom, 1.0])
    from_small = np.diag([previous.small.shape[1] / previous.grey.shape[1]] * 2 + [1.0])
    moved = shrink @ start @ np.linalg.inv(from_small)
    size = image.small.shape[1], image.small.shape[0]
    if not _sane(moved, (previous.small.shape[1], previous.small.shape[0])):
        return None
    laid = cv2.warpPerspective(previous.small, moved, size)
    mask = cv2.warpPerspective(np.ones_like(previous.small), moved, size, flags=cv2.INTER_NEAREST)
    surface = correlate(laid, mask, image.small)
    best = float(surface.max())
    if best < LEAST_LIKENESS / 2:
        return None
    peaks, values = _peaks(surface, RIVAL * best)
    if not len(peaks):
        return None
    best = float(values.max())
    away = np.hypot(*peaks.T)
    first = int(np.argmin(np.where(values >= EQUAL * best, away, np.inf))) if expected else int(np.argmax(values))
    others = np.delete(peaks, first, axis=0)
    if len(others) and (not expected or away[first] > DECIDES * np.hypot(*(others - peaks[first]).T).min()):
        return None
    dx, dy = peaks[first] / zoom
    return np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]]) @ start, float(values[first])


def correlate(laid: NDArray[np.float32], mask: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised correlation of `other` with `laid`, moved by every offset, over the area that both show.

    All float32 (h, w); mask: 1 where `laid` shows anything. Result: (2h, 2w), offset (0, 0) in the middle; -1 where
    less than a fifth of the picture is shared.
    """
    height, width = other.shape
    shape = (2 * height, 2 * width)

    def spectrum(values: NDArray[np.float32]) -> NDArray[np.complex64]:
        return np.asarray(np.fft.rfft2(values, shape), np.complex64)

    a, m, b, full = (spectrum(v) for v in (laid * mask, mask, other, np.ones_like(other)))
    a2, b2 = spectrum(laid * laid * mask), spectrum(other * other)

    def against(one: NDArray[np.complex64], two: NDArray[np.complex64]) -> NDArray[np.float32]:
        return np.asarray(np.fft.irfft2(np.conj(one) * two, shape), np.float32)

    count = np.maximum(against(m, full), 1e-3)
    mean_a, mean_b = against(a, full) / count, against(m, b) / count
    cross = against(a, b) / count - mean_a * mean_b
    spread_a = np.maximum(against(a2, full) / count - mean_a**2, 1e-3)
    spread_b = np.maximum(against(m, b2) / count - mean_b**2, 1e-3)
    value = np.where(count >= LEAST_OVERLAP * height * width, cross / np.sqrt(spread_a * spread_b), -1.0)
    return np.asarray(np.fft.fftshift(value), np.float32)


def _peaks(surface: NDArray[np.float32], least: float) -> tuple[Points, NDArray[np.float32]]:
    """Offsets (n, 2) x, y of local maxima of at least `least`, and their heights (n,): parabolas through neighbours,
    since a peak between two pixels would look lower than one on a pixel."""
    local = cv2.dilate(surface, np.ones((7, 7), np.uint8))
    rows, columns = np.nonzero((surface >= local) & (surface >= least))
    inner = (rows > 0) & (columns > 0) & (rows < surface.shape[0] - 1) & (columns < surface.shape[1] - 1)
    rows, columns = rows[inner], columns[inner]
    height = value = surface[rows, columns]
    middle = np.array([surface.shape[1] // 2, surface.shape[0] // 2])
    offsets = np.stack([columns, rows], axis=1) - middle.astype(np.float32)
    for axis, (down, right) in enumerate(((0, 1), (1, 0))):
        before, after = surface[rows - down, columns - right], surface[rows + down, columns + right]
        bend = np.minimum(before - 2 * value + after, -1e-6)
        shift = np.clip(0.5 * (before - after) / bend, -0.5, 0.5) * (np.minimum(before, after) > -1)
        offsets[:, axis] += shift
        height = height - 0.25 * (before - after) * shift
    return np.asarray(offsets, np.float32), np.asarray(height, np.float32)


def _follow(previous: View, image: View, start: Homography) -> tuple[Homography, int, float] | None:
    """Homography between working pixels through corners followed from a start; its inliers; their median error."""
    size = image.grey.shape[1], image.grey.shape[0]
    laid = cv2.warpPerspective(previous.grey, start, size)
    shown = cv2.warpPerspective(np.full_like(previous.grey, 255), start, size, flags=cv2.INTER_NEAREST)
    inner = cv2.erode(shown, np.ones((9, 9), np.uint8), borderValue=0)
    if np.count_nonzero(inner) < LEAST_OVERLAP * inner.size:
        return None
    corners = cv2.goodFeaturesToTrack(laid, CORNERS, 0.01, 7, mask=inner)
    if corners is None or len(corners) < LEAST_INLIERS:
        return None
    forth, ok_forth, _ = cv2.calcOpticalFlowPyrLK(laid, image.grey, corners, None, winSize=(15, 15), maxLevel=2)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(image.grey, laid, forth, None, winSize=(15, 15), maxLevel=2)
    lost = np.linalg.norm(corners - back, axis=2).ravel()
    kept = (ok_forth.ravel() > 0) & (ok_back.ravel() > 0) & (lost < FORTH_AND_BACK_PX)
    if kept.sum() < LEAST_INLIERS:
        return None
    source, target = corners[kept].reshape(-1, 2), forth[kept].reshape(-1, 2)
    change, used = cv2.findHomography(source, target, cv2.USAC_MAGSAC, RESIDUAL_PX, maxIters=2000, confidence=0.999)
    if change is None:
        return None
    inside = used.ravel().astype(bool)
    hull = cv2.contourArea(cv2.convexHull(source[inside])) if inside.sum() >= LEAST_INLIERS else 0.0
    if inside.sum() < max(LEAST_INLIERS, LEAST_SHARE * kept.sum()) or hull < LEAST_SPREAD * np.count_nonzero(inner):
        return None
    matrix = change @ start
    if not _sane(matrix, (previous.grey.shape[1], previous.grey.shape[0])):
        return None
    error = np.linalg.norm(cv2.perspectiveTransform(source[None], change)[0] - target, axis=1)[inside]
    return matrix / matrix[2, 2], int(inside.sum()), float(np.median(error))


def _likeness(previous: View, image: View, matrix: Homography) -> float:
    """Correlation of the two pictures where they overlap, light evened out, -1..1."""
    zoom = image.small.shape[1] / image.grey.shape[1]
    back = previous.small.shape[1] / previous.grey.shape[1]
    moved = np.diag([zoom, zoom, 1.0]) @ matrix @ np.diag([1 / back, 1 / back, 1.0])
    size = image.small.shape[1], image.small.shape[0]
    laid = cv2.warpPerspective(previous.small, moved, size)
    mask = cv2.warpPerspective(np.ones_like(previous.small), moved, size, flags=cv2.INTER_NEAREST) > 0
    if mask.sum() < LEAST_OVERLAP * mask.size:
        return -1.0
    a, b = laid[mask] - laid[mask].mean(), image.small[mask] - image.small[mask].mean()
    return float((a * b).sum() / max(float(np.sqrt((a**2).sum() * (b**2).sum())), 1e-6))


def _by_features(previous: View, image: View) -> Homography | None:
    """A start from features that occur once in each picture; None if too few agree."""
    points_a, found_a = previous.features
    points_b, found_b = image.features
    if len(points_a) < LEAST_MATCHES or len(points_b) < LEAST_MATCHES:
        return None
    near = cv2.BFMatcher().knnMatch(found_a, found_b, k=2)
    back = {m.queryIdx: m.trainIdx for m in cv2.BFMatcher().match(found_b, found_a)}
    good = [p[0] for p in near if len(p) == 2 and p[0].distance < RATIO * p[1].distance]
    good = [m for m in good if back.get(m.trainIdx) == m.queryIdx]
    if len(good) < LEAST_MATCHES:
        return None
    source, target = points_a[[m.queryIdx for m in good]], points_b[[m.trainIdx for m in good]]
    matrix, used = cv2.findHomography(source, target, cv2.USAC_MAGSAC, 2 * RESIDUAL_PX, maxIters=5000, confidence=0.999)
    if matrix is None or used.sum() < LEAST_MATCHES or not _sane(matrix, previous.grey.shape[::-1]):
        return None
    return np.asarray(matrix, np.float64)
