"""Annotated photos that stay readable at 150 products: one outline and one label per position, row lines, a legend.

Colours say the status: green recognized, amber ambiguous, red unknown, dashed blue empty. Sizes follow the products:
a photo whose products are narrow is enlarged until their labels can be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from recognition.outputs.labels import Label, Rect, drawable, font, place, printable, wrap
from recognition.types import NO_SKU, FrameResult, Image, Slot, Status

COLOURS = {
    Status.UNKNOWN: sv.Color.from_hex("#ff5a5f"),
    Status.AMBIGUOUS: sv.Color.from_hex("#ffb224"),
    Status.RECOGNIZED: sv.Color.from_hex("#3ddc84"),
    Status.EMPTY: sv.Color.from_hex("#57b0ff"),
}
_LEGEND_ORDER = (Status.RECOGNIZED, Status.AMBIGUOUS, Status.UNKNOWN, Status.EMPTY)
_DARK = (18, 20, 24)
_LIGHT = (245, 246, 248)
_READABLE_PX = 92  # width of a median position at which three short lines can be read
_LARGEST_PX = 4096  # enlarged no further than this, longest side
_MOST_LINES = 3


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels of the enlarged photo."""

    scale: float
    line: int
    text: int
    pad: int


def annotate(result: FrameResult) -> Image:
    """The photo, BGR uint8, with what was found in it, over a legend strip; enlarged where products are small."""
    image, style = result.frame.image, _style(result)
    size = round(image.shape[1] * style.scale), round(image.shape[0] * style.scale)
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if style.scale > 1 else image.copy()
    _draw_lines(canvas, result, style)
    _draw_boxes(canvas, result, style)
    labels = list(_labels(result, style, (canvas.shape[1], canvas.shape[0])))
    for _, label in labels:
        _darken(canvas, label.rect)
    picture = PillowImage.fromarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB))
    for status, label in labels:
        _draw_label(ImageDraw.Draw(picture), label, status, style)
    return np.ascontiguousarray(cv2.cvtColor(np.asarray(_with_legend(picture, result, style)), cv2.COLOR_RGB2BGR))


def _style(result: FrameResult) -> _Style:
    longest = max(result.frame.image.shape[:2])
    widths = [slot.xyxy[2] - slot.xyxy[0] for slot in result.layout.slots if slot.status is not Status.EMPTY]
    median = max(float(np.median(widths)), 1.0) if widths else _READABLE_PX
    scale = min(max(1.0, min(_READABLE_PX / median, 3.0)), max(1.0, _LARGEST_PX / longest))
    text = round(min(max(median * scale / 7.5, longest * scale / 220, 11), longest * scale / 45))
    return _Style(scale, max(2, round(text / 6)), max(9, text), max(2, text // 4))


def _draw_lines(canvas: Image, result: FrameResult, style: _Style) -> None:
    """Base line of each shelf, with a dark rim so that it shows on anything."""
    for ends in result.layout.lines:
        start, end = ((round(float(x) * style.scale), round(float(y) * style.scale)) for x, y in ends)
        cv2.line(canvas, start, end, _DARK[::-1], style.line + 2, cv2.LINE_AA)
        cv2.line(canvas, start, end, _LIGHT[::-1], style.line, cv2.LINE_AA)


def _draw_boxes(canvas: Image, result: FrameResult, style: _Style) -> None:
    slots = result.layout.slots
    found = [slot for slot in slots if slot.status is not Status.EMPTY]
    grouped = [i for slot in found if len(slot.members) > 1 for i in slot.members]
    for slot in found:
        if slot.status is not Status.RECOGNIZED:
            _tint(canvas, _inner(slot.xyxy, style), COLOURS[slot.status])
    for i in grouped:
        box = _inner(result.detections.xyxy[i].tolist(), style)
        cv2.rectangle(
            canvas, box[:2], box[2:], COLOURS[Status(int(result.matches.status[i]))].as_bgr(), max(1, style.line // 3)
        )
    if found:
        xyxy = np.array([_inner(slot.xyxy, style) for slot in found], np.float32)
        outlines = sv.Detections(xyxy, class_id=np.array([int(slot.status) for slot in found]))
        palette = sv.ColorPalette([COLOURS[status] for status in sorted(COLOURS)])
        rim = sv.RoundBoxAnnotator(sv.Color(*_DARK), style.line + 2, roundness=0.2)
        rim.annotate(canvas, outlines)
        sv.RoundBoxAnnotator(palette, style.line, roundness=0.2).annotate(canvas, outlines)
    for slot in slots:
        if slot.status is Status.EMPTY:
            _draw_dashed(canvas, _inner(slot.xyxy, style), style)


def _inner(xyxy: Sequence[float], style: _Style) -> Rect:
    """A box on the canvas, drawn in by half a line so that neighbours' outlines stand side by side."""
    x_min, y_min, x_max, y_max = (round(v * style.scale) for v in xyxy)
    inset = min(style.line // 2 + 1, max(0, (min(x_max - x_min, y_max - y_min) - 2) // 2))
    return x_min + inset, y_min + inset, x_max - inset, y_max - inset


def _draw_dashed(canvas: Image, box: Rect, style: _Style) -> None:
    x_min, y_min, x_max, y_max = box
    dash = style.line * 4
    corners = ((x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max))
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        along = np.array(end) - start
        length = float(np.abs(along).max())
        for at in np.arange(0, length, 2 * dash):
            first, last = ((start + along * (t / length)).astype(int).tolist() for t in (at, min(at + dash, length)))
            cv2.line(canvas, first, last, COLOURS[Status.EMPTY].as_bgr(), style.line, cv2.LINE_AA)


def _tint(canvas: Image, box: Rect, colour: sv.Color) -> None:
    _blend(canvas, box, colour.as_bgr(), 0.18)


def _darken(canvas: Image, box: Rect) -> None:
    _blend(canvas, box, _DARK[::-1], 0.78)


def _blend(canvas: Image, box: Rect, bgr: tuple[int, ...], amount: float) -> None:
    part = canvas[max(box[1], 0) : max(box[3], 0), max(box[0], 0) : max(box[2], 0)]
    part[:] = (part * (1 - amount) + np.array(bgr) * amount).astype(np.uint8)


def _labels(result: FrameResult, style: _Style, bounds: tuple[int, int]) -> Iterator[tuple[Status, Label]]:
    """Labels that have room: shelf numbers, then large groups first, for they get the better places."""
    taken: list[Rect] = []
    for number, ((x, y), _) in enumerate(result.layout.lines.tolist(), 1):
        size = _plate((str(number),), style)
        at = round(x * style.scale), round(y * style.scale)
        rect = place(size, (at[0], at[1] - size[1] // 2, at[0] + size[0], at[1] + size[1] // 2), bounds, taken)
        if rect:
            taken.append(rect)
            yield Status.RECOGNIZED, Label((str(number),), rect)
    for slot in sorted(result.layout.slots, key=lambda slot: -len(slot.members)):
        label = _label(_text(result, slot), _inner(slot.xyxy, style), style, bounds, taken)
        if label:
            taken.append(label.rect)
            yield slot.status, label


def _label(text: str, box: Rect, style: _Style, bounds: tuple[int, int], taken: list[Rect]) -> Label | None:
    """The label of one position with as many lines as find room without hiding more than half of the product."""
    most = max(1, min(_MOST_LINES, (box[3] - box[1]) // (2 * _line_height(style))))
    for most_lines in range(most, 0, -1):
        lines = wrap(text, box[2] - box[0] - 2 * style.pad, most_lines, font(style.text).getlength)
        rect = place(_plate(lines, style), box, bounds, taken) if lines else None
        if rect:
            return Label(lines, rect)
    return None


def _text(result: FrameResult, slot: Slot) -> str:
    """What to write: the name, else the SKU; what the font cannot draw gives way to the SKU."""
    if slot.status is Status.EMPTY:
        return "empty"
    if slot.sku == NO_SKU or slot.status is Status.UNKNOWN:
        return "?"
    sku = result.skus[slot.sku]
    name = printable(sku.name)
    text = name if name and drawable(name) else printable(sku.sku)
    return f"? {text}" if slot.status is Status.AMBIGUOUS else text


def _plate(lines: tuple[str, ...], style: _Style) -> tuple[int, int]:
    width = max(round(font(style.text).getlength(line)) for line in lines)
    return width + 2 * style.pad, len(lines) * _line_height(style) + style.pad


def _line_height(style: _Style) -> int:
    return round(style.text * 1.18)


def _draw_label(draw: ImageDraw.ImageDraw, label: Label, status: Status, style: _Style) -> None:
    colour = _LIGHT if status is Status.RECOGNIZED else COLOURS[status].as_rgb()
    middle = (label.rect[0] + label.rect[2]) / 2
    for row, line in enumerate(label.lines):
        y = label.rect[1] + style.pad / 2 + (row + 0.5) * _line_height(style)
        draw.text((middle, y), line, fill=colour, font=font(style.text), anchor="mm")


def _with_legend(picture: PillowImage.Image, result: FrameResult, style: _Style) -> PillowImage.Image:
    """The picture over a strip that explains the colours and counts."""
    size = max(12, min(round(max(picture.size) / 70), picture.width // 34))
    letters, gap = font(size), size
    whole = PillowImage.new("RGB", (picture.width, picture.height + round(size * 2.4)), _DARK)
    whole.paste(picture)
    draw, x, y = ImageDraw.Draw(whole), float(gap), picture.height + size * 1.2
    for status, words in _legend(result):
        if status is not None:
            draw.rounded_rectangle((x, y - size / 2, x + size, y + size / 2), size / 4, fill=COLOURS[status].as_rgb())
            x += size * 1.4
        draw.text((x, y), words, fill=_LIGHT, font=letters, anchor="lm")
        x += letters.getlength(words) + gap * 1.5
    return whole


def _legend(result: FrameResult) -> Iterator[tuple[Status | None, str]]:
    status: NDArray[np.int8] = result.matches.status
    gaps = sum(slot.status is Status.EMPTY for slot in result.layout.slots)
    for kind in _LEGEND_ORDER:
        count = gaps if kind is Status.EMPTY else int((status == kind).sum())
        yield kind, f"{count} {kind.label}"
    yield None, f"{len(result.layout.lines)} shelves"
