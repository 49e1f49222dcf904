"""One source: its camera, tracks and shelf. Frames and detections in, crops to embed out, then events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import cut
from recognition.embedding.crops import cut_crops
from recognition.live.items import Box, Item
from recognition.live.motion import CameraMotion
from recognition.live.neighbours import measure
from recognition.live.overlap import stacked
from recognition.live.past import Past
from recognition.live.sighting import News, Sighting, Views
from recognition.live.stacks import Stacks
from recognition.live.state import Shelf
from recognition.live.still import StillPicture
from recognition.live.tracking import Tracks
from recognition.live.views import Look, qualities
from recognition.matching.surroundings import Describe, Millimetres
from recognition.outputs.live_events import Box as Corners
from recognition.outputs.live_events import Event, EventKind
from recognition.settings import StreamSettings
from recognition.shelves.layout import lay_out
from recognition.shelves.mosaic import ShelfMosaic
from recognition.shelves.places import Place, moved
from recognition.shelves.register import Homography
from recognition.types import NO_SKU, Detections, Frame, FrameResult, Gap, Matches, ShelfLayout, Sku, Status

_AMBIGUOUS = -2  # the mosaic's vote of an ambiguous view
_RECHECK_S = 0.2  # an undecided shelf is looked at this often while its picture does not change


class Session:
    """The live state of one source. Call `wants`; where it is true, `observe` and then `conclude` or `give_up`."""

    def __init__(self, source: str, settings: StreamSettings, describe: Describe) -> None:
        self._millimetres = Millimetres(describe)
        self.source, self.shelf, self.tracks = source, Shelf(self._millimetres), Tracks()
        self.processed = self.skipped = self.boxes = self.embeddings = self.gaps = self.failed = 0
        self._settings, self._describe = settings, describe
        self._still, self._motion = StillPicture(), CameraMotion()
        self._past, self._stacks = Past(), Stacks()
        self._to_part = self._from_part = np.eye(3)
        self._looked = -np.inf
        self._frame: Frame | None = None

    def wants(self, frame: Frame) -> bool:
        """Whether products are to be searched for in this frame: it changed, something is undecided, or it is time."""
        changed, before = self._still.changed(frame.image), self._frame
        self._frame = frame
        since = frame.seconds - self._looked
        restless = self.shelf.restless and since >= _RECHECK_S
        if before is None or changed > 0 or restless or not 0 <= since < self._settings.every_s:
            return True
        self.skipped += 1
        return False

    def observe(self, frame: Frame, found: Detections) -> Views:
        """Takes the products of a frame in; what is to be matched, nothing when the frame cannot be placed."""
        self._looked = frame.seconds
        self.processed += 1
        self.boxes += len(found)
        part, before, to_part = self._motion.part, self._motion.to_part, self._motion.follow(frame.image)
        for joined in self._motion.joined:
            self.shelf.join(joined)
            self._past.join(joined.part, joined.into, joined.homography)
            self._stacks.join(joined)
        if to_part is None:
            self.shelf.look_away()
            return Views([], np.zeros((0, 2)))
        if self._motion.part != part:
            self._forget_tracks()
        self._still.keep()
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        found = self._stacks.part(found, carry(found.xyxy, to_part), self._motion.part)
        boxes = carry(found.xyxy, to_part)
        self.shelf.observe(
            Sighting(
                seconds=frame.seconds,
                part=self._motion.part,
                moving=self.processed > 1 and to_part is not before,
                middle=_middle(grey, to_part),
                boxes=boxes,
                scores=found.scores,
                tracks=self.tracks.update(boxes, found.scores),
                qualities=qualities(grey, found.xyxy),
                cut=cut(found.xyxy, (grey.shape[1], grey.shape[0])),
                whole=lambda box: self._whole(box, grey),
                within=lambda boxes, reach: self._within(boxes, reach, grey),
                look=lambda box: Look.at(grey, self.in_picture(box[None])[0]),
                since=lambda item, first: self._past.since(first, item.part, item.home, item.glance),
            )
        )
        self._past.keep(frame.seconds, self._motion.part, grey, to_part)
        asked = [(item, found.xyxy[item.row]) for item in self.shelf.wanted]
        asked += self._stacks.ask(self.shelf.wanted, found)
        self.embeddings += len(asked)
        views = stacked([box for _, box in asked])
        physical = measure(carry(views, to_part), [item for item, _ in asked], self.shelf.near, self._millimetres)
        return Views(cut_crops(frame.image, views), physical)

    def conclude(self, matches: Matches) -> list[Event]:
        """What happened, given what the crops of `observe` show."""
        wanted = self.shelf.wanted
        own, levels = matches.select(slice(len(wanted))), matches.select(slice(len(wanted), None))
        news = self.shelf.conclude(own)
        sure = np.where(own.status == Status.RECOGNIZED, own.confidence, 0.0)
        for item, high in self._stacks.hear(levels, dict(zip(wanted, sure.tolist(), strict=True)), self.shelf.near):
            self.shelf.part(item, high)
        named = {item.item.votes.answer().sku for item in news} | {n.was for n in news if isinstance(n.was, int)}
        skus = self._describe(sku for sku in named if sku != NO_SKU) if news else {}
        return [self._event(one, skus) for one in news]

    def give_up(self) -> None:
        """The frame that was observed could not be matched; its products are embedded in another one."""
        self.failed += 1
        self.shelf.retry()
        self._stacks.retry()

    def gap(self, gap: Gap) -> Event:
        """The source stopped for a while, or goes on: tracks end, products stay in their places."""
        over = not math.isnan(gap.until)
        self.gaps += not over or gap.since == gap.until
        self._forget_tracks()
        self._motion.interrupt()
        seconds = gap.until if over else gap.since
        time = datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")
        words = f"pictures again after {gap.until - gap.since:.1f} s" if over and gap.until > gap.since else gap.error
        return Event(time, seconds, self.source, EventKind.GAP, was=words)

    def planogram(self) -> FrameResult | None:
        """The whole shelf as it stands, in the pixels of its mosaic; None before the first frame."""
        if self._frame is None:
            return None
        items = self.shelf.present
        mosaic = ShelfMosaic()
        mosaic.map, mosaic.places = self._motion.map, [_place(item) for item in items]
        whole = mosaic.current()
        return self._result(whole.detections.xyxy, whole.matches, whole.layout)

    def picture(self) -> FrameResult | None:
        """The latest frame with the products of the shelf that it shows, in its own pixels; None before the first."""
        if self._frame is None:
            return None
        height, width = self._frame.image.shape[:2]
        items = [item for item in self.shelf.present if item.part == self._motion.part]
        boxes = self.in_picture(_homes(items)).clip(0, np.array([width, height, width, height], np.float32))
        shown = ((boxes[:, 2:] - boxes[:, :2]) > 2).all(axis=1)
        matches = _matches([item for item, visible in zip(items, shown, strict=True) if visible])
        return self._result(boxes[shown], matches, lay_out(boxes[shown], matches, (width, height)))

    def _forget_tracks(self) -> None:
        self.tracks.reset()
        self.shelf.forget_tracks()

    def in_picture(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes float32 (n, 4) of the shelf, in pixels of the latest frame."""
        if self._motion.to_part is not self._to_part:  # asked for each product of a frame
            self._to_part = self._motion.to_part
            self._from_part = np.asarray(np.linalg.inv(self._to_part), np.float64)
        return carry(boxes, self._from_part)

    def _whole(self, home: Box, grey: NDArray[np.uint8]) -> bool:
        box = self.in_picture(home[None])
        margin = (box[:, 2:] - box[:, :2]) * 0.1  # a product cut a little at the border still counts as in view
        inside = np.concatenate([box[:, :2] + margin, box[:, 2:] - margin], axis=1)
        return not bool(cut(inside, (grey.shape[1], grey.shape[0]))[0])

    def _within(self, homes: NDArray[np.float32], reach: float, grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
        size = np.array([grey.shape[1], grey.shape[0]], np.float32)
        boxes = self.in_picture(homes)
        return np.asarray(((boxes[:, 2:] > -reach * size) & (boxes[:, :2] < (1 + reach) * size)).all(axis=1))

    def _result(self, boxes: NDArray[np.float32], matches: Matches, layout: ShelfLayout) -> FrameResult:
        assert self._frame is not None
        named = [int(sku) for sku in np.unique(matches.skus) if sku != NO_SKU]
        removed_since = {sku: Sku(sku, "") for sku in named}
        skus = {**removed_since, **self._describe(named)}
        found = Detections(boxes.copy(), np.ones(len(boxes), np.float32))
        return FrameResult(replace(self._frame, source=self.source), found, matches, layout, skus, {})

    def _event(self, one: News, skus: Mapping[int, Sku]) -> Event:
        answer, was = one.item.votes.answer(), one.was
        return Event(
            self._time_of(one.seconds),
            one.seconds,
            self.source,
            one.kind,
            one.item.number,
            _corners(one.box),
            skus[answer.sku].sku if answer.sku in skus else "",
            answer.confidence if answer.sku != NO_SKU else None,
            _sku_name(was, skus) if isinstance(was, int) else None if was is None else _corners(was),
        )

    def _time_of(self, seconds: float) -> str:
        """ISO time of a moment a little before the latest frame."""
        frame = self._frame
        if frame is None or not frame.captured_at:
            return ""
        moment = datetime.fromisoformat(frame.captured_at) - timedelta(seconds=frame.seconds - seconds)
        return moment.isoformat(timespec="milliseconds")


def _sku_name(sku: int, skus: Mapping[int, Sku]) -> str:
    return skus[sku].sku if sku in skus else ""


def carry(boxes: NDArray[np.float32], homography: Homography) -> NDArray[np.float32]:
    """Boxes float32 (n, 4) after a homography."""
    return moved(boxes.astype(np.float64), homography).astype(np.float32)


def _middle(grey: NDArray[np.uint8], to_part: Homography) -> NDArray[np.float64]:
    """What the middle of a picture shows, (2,), coordinates of the shelf."""
    height, width = grey.shape
    return np.asarray(cv2.perspectiveTransform(np.array([[[width / 2, height / 2]]]), to_part)[0, 0])


def _homes(items: list[Item]) -> NDArray[np.float32]:
    return np.array([item.home for item in items], np.float32).reshape(-1, 4)


def _place(item: Item) -> Place:
    """An item as the mosaic knows it: its votes are shares, so that they come out as its confidence."""
    answer = item.votes.answer()
    first = {Status.RECOGNIZED: answer.sku, Status.AMBIGUOUS: _AMBIGUOUS}.get(answer.status, NO_SKU)
    share = max(answer.confidence, 0.51) if answer.status is Status.RECOGNIZED else 1.0
    return Place(
        item.part,
        item.home.astype(np.float64),
        not item.cut,
        item.last,
        item.number,
        votes={first: share, NO_SKU: 1 - share} if first != NO_SKU else {NO_SKU: 1.0},
        scores={sku: answer.score for sku in answer.candidates if sku != NO_SKU},
    )


def _matches(items: list[Item]) -> Matches:
    given = [item.votes.answer() for item in items]
    return Matches(
        np.array([answer.status for answer in given], np.int8),
        np.array([answer.candidates for answer in given], np.int64).reshape(-1, 2),
        np.array([(answer.score, -np.inf) for answer in given], np.float32).reshape(-1, 2),
        np.array([answer.confidence for answer in given], np.float32),
    )


def _corners(box: Box) -> Corners:
    x_min, y_min, x_max, y_max = (float(edge) for edge in box)
    return x_min, y_min, x_max, y_max
