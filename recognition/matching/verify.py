"""Verification by local features: are a candidate's there, and do they lie where its reference has them?

SIFT (Lowe 2004) with Hellinger-normalised descriptors (RootSIFT, Arandjelovic & Zisserman 2012), Lowe's ratio test,
an affine transform by RANSAC (Fischler & Bolles 1981) held against what a shelf allows, then a look at both pictures
laid over each other. Beside it, wherever they lie, the patches of the reference (see patches.py), and the proportions
of both pictures: two sizes of one product wear one print on packs of other proportions.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.matching.evidence import Evidence
from recognition.matching.overlay import Overlay, Picture, align, overlay, small_picture
from recognition.matching.patches import Patches, found_again, patch_network
from recognition.parallel import thread_pool
from recognition.types import Image

ReferenceImage = Callable[[int], Image | None]

WORKING_SIDE = 256
LARGEST_ZOOM = 4.0
KEYPOINTS = 500
RATIO = 0.8
REPROJECTION_PX = 5.0
ITERATIONS = 500
LEAST_MATCHES = 5
SCALES = (0.15, 4.0)
LARGEST_STRETCH = 2.0
LEAST_SPREAD_PX = 8.0
KEPT_REFERENCES = 1024
LEAST_SIDE_PX = 8
MOST_STRETCH = 0.5
"""Beyond it a box is none of this product, a photo that shows more than the product, or a reference seen from an angle:
how far beyond says no more."""
SMALL_PX = 60
"""Longer side of a crop below which keypoints of its print are not expected to agree."""


@dataclass(frozen=True, eq=False)
class Features:
    """Keypoints of one picture at working size: points float32 (m, 2), pixels; descriptors float32 (m, 128), norm 1."""

    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reference:
    """What is kept of a reference: its features, its small picture, its longer side at working size, pixels, its width
    by its height, and its patches."""

    features: Features
    picture: Picture
    side: int
    aspect: float
    patches: Patches


class Verifier:
    """Holds crops against the references of their candidates. What was found in 1,024 references is kept."""

    def __init__(self, reference_image: ReferenceImage, device: str = "cpu") -> None:
        """reference_image: an index row to its picture, RGB uint8 (h, w, 3), or None when none is kept; called in the
        thread that asks. device: of the patch network, as in the settings."""
        self._reference_image, self._device = reference_image, device
        self._kept: OrderedDict[bytes, Reference] = OrderedDict()

    def verify(self, crops: Sequence[Image], rows: NDArray[np.int64]) -> Evidence:
        """What local features say. A crop is left unverified when it has no candidate, or one without a picture.

        crops: RGB uint8 (h, w, 3). rows: int64 (n, v), -1 = none. Features are sought in threads, since OpenCV lets
        the interpreter go.

        Raises:
            EncoderError, WeightsError: as `PatchNetwork`. DatabaseError: a picture cannot be read.
        """
        evidence = Evidence.empty(*rows.shape)
        evidence.small[:] = [max(crop.shape[:2]) < SMALL_PX for crop in crops]
        images = {int(row): self._reference_image(int(row)) for row in np.unique(rows[rows >= 0])}
        wanted = [[images[int(row)] for row in own if row >= 0] for own in rows]
        asked = [i for i, own in enumerate(wanted) if own and all(image is not None for image in own)]
        if not asked:
            return evidence
        patches = patch_network(self._device).patches([crops[i] for i in asked])
        with thread_pool(os.cpu_count() or 1) as pool:
            references = self._references({r: image for r, image in images.items() if image is not None}, pool)
            candidates = [{j: references[int(row)] for j, row in enumerate(rows[i]) if row >= 0} for i in asked]
            compared = pool.map(_compare_all, [crops[i] for i in asked], patches, candidates)
            for i, found in zip(asked, compared, strict=True):
                evidence.verified[i] = True
                for j, finding in found.items():
                    evidence.inliers[i, j], laid, evidence.patches[i, j], evidence.stretch[i, j] = finding
                    evidence.likeness[i, j], evidence.hue[i, j] = laid
        return evidence

    def _references(self, images: dict[int, Image], pool: ThreadPoolExecutor) -> dict[int, Reference]:
        # Rows may change their meaning when the database is rewritten; the picture itself cannot.
        digests = {row: _digest(image) for row, image in images.items()}
        fresh = {digests[row]: image for row, image in images.items() if digests[row] not in self._kept}
        patches = patch_network(self._device).patches(list(fresh.values()))
        self._kept |= zip(fresh, pool.map(_reference, fresh.values(), patches), strict=True)
        references = {row: self._kept[digest] for row, digest in digests.items()}
        for digest in digests.values():
            self._kept.move_to_end(digest)
        while len(self._kept) > KEPT_REFERENCES:
            self._kept.popitem(last=False)
        return references


def extract(image: Image) -> Features:
    """Features of a picture at working size, at most 500; none for a blank one."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    keypoints, raw = _sift().detectAndCompute(grey, None)
    if raw is None:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32)
    return Features(points, np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-7)))


def _sift() -> Any:
    # The stubs of OpenCV 5 leave the factory of SIFT out.
    return vars(cv2)["SIFT_create"](nfeatures=KEYPOINTS)


def locate(crop: Features, reference: Features) -> tuple[int, NDArray[np.float64] | None]:
    """Inliers and the 2 x 3 affine transform from reference to crop, working pixels; 0 and None if none is sane."""
    target, source = _pairs(crop, reference)
    if len(target) < LEAST_MATCHES:
        return 0, None
    transform, used = cv2.estimateAffine2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION_PX, maxIters=ITERATIONS
    )
    if transform is None or not _sane(transform):
        return 0, None
    kept = used.ravel().astype(bool)
    # Inliers on one spot or line fix no transform: a bar code, a price rail, one line of small print.
    if kept.sum() < LEAST_MATCHES or np.linalg.svd(np.cov(source[kept].T), compute_uv=False)[1] < LEAST_SPREAD_PX**2:
        return 0, None
    return int(kept.sum()), transform


def _sane(transform: NDArray[np.float64]) -> bool:
    linear = transform[:, :2]
    large, small = np.linalg.svd(linear, compute_uv=False)
    # A negative determinant mirrors, and packs are not seen in mirrors.
    return bool(np.linalg.det(linear) > 0 and SCALES[0] < small and large < min(SCALES[1], LARGEST_STRETCH * small))


def _pairs(crop: Features, reference: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    nothing = np.zeros((0, 2), np.float32)
    if len(crop.points) < LEAST_MATCHES or len(reference.points) < LEAST_MATCHES:
        return nothing, nothing
    similarity = crop.descriptors @ reference.descriptors.T
    nearest = similarity.argmax(axis=1)
    everyone = np.arange(len(nearest))
    best = similarity[everyone, nearest]
    similarity[everyone, nearest] = -1
    # Of unit vectors, squared distance is 2 - 2 cos: the ratio test without roots.
    passed = np.flatnonzero(1 - best < RATIO**2 * (1 - similarity.max(axis=1)))
    passed = passed[np.argsort(-best[passed])]
    # One keypoint of the reference answers once: repeated print would vote many times.
    kept = passed[np.unique(nearest[passed], return_index=True)[1]]
    return crop.points[kept], reference.points[nearest[kept]]


def stretch(one: float, other: float) -> float:
    """By how much a picture is wider or higher than another one for its size: the natural logarithm of the ratio of
    their aspects (width by height), without its sign, at most 0.5."""
    return min(abs(math.log(one / other)), MOST_STRETCH)


def _compare_all(
    image: Image, patches: Patches, candidates: dict[int, Reference]
) -> dict[int, tuple[int, Overlay, float, float]]:
    if min(image.shape[:2]) < LEAST_SIDE_PX:
        return {}
    crop = working_picture(image)
    features, aspect = extract(crop), image.shape[1] / image.shape[0]
    return {
        j: (*_compare(crop, features, r), found_again(patches, r.patches), stretch(aspect, r.aspect))
        for j, r in candidates.items()
    }


def _compare(crop: Image, features: Features, reference: Reference) -> tuple[int, Overlay]:
    inliers, transform = locate(features, reference.features)
    if transform is None:
        return 0, overlay(crop, reference.picture, align(crop, reference.picture))
    unit = transform * np.array([reference.side, reference.side, 1.0])
    return inliers, overlay(crop, reference.picture, unit)


def _digest(image: Image) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16, key=str(image.shape).encode()).digest()


def _reference(picture: Image, patches: Patches) -> Reference:
    image = working_picture(picture)
    aspect = picture.shape[1] / picture.shape[0]
    return Reference(extract(image), small_picture(image), max(image.shape[:2]), aspect, patches)


def working_picture(image: Image) -> Image:
    """A picture at the size that features are looked for in: RGB uint8, of any size -> its longer side 256 px or so."""
    zoom = min(WORKING_SIDE / max(image.shape[:2]), LARGEST_ZOOM)
    size = max(2, round(image.shape[1] * zoom)), max(2, round(image.shape[0] * zoom))
    method = cv2.INTER_CUBIC if zoom > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=method))
