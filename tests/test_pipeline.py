from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest
from fakes import FakeDetector, FakeEncoder, FakeIndex

from recognition import pipeline
from recognition.errors import DatabaseError, DetectorError, EncoderError
from recognition.matching.calibration import default_calibration
from recognition.matching.verify import Verifier
from recognition.pipeline import Recognizer, StageClock
from recognition.settings import MatchSettings
from recognition.types import Detections, Failure, Frame, FrameResult, Image, Sku, Status

SIZE = (200, 300)
PLACES = ((20, 60, 80, 150), (100, 60, 160, 150), (180, 60, 240, 150))


def pack(seed: int, height: int = 90, width: int = 60) -> Image:
    """RGB: a grid of colours by seed."""
    colours = np.random.default_rng(seed).integers(0, 200, (3, 2, 3), dtype=np.uint8)
    return colours.repeat(height // 3, axis=0).repeat(width // 2, axis=1)


def shelf(*seeds: int, source: str = "shelf.jpg") -> Frame:
    """BGR photo with the packs of `seeds` in PLACES."""
    image = np.full((*SIZE, 3), 120, np.uint8)
    for seed, (x_min, y_min, x_max, y_max) in zip(seeds, PLACES, strict=False):
        image[y_min:y_max, x_min:x_max] = pack(seed)[..., ::-1]
    return Frame(source, 0, image)


@pytest.fixture
def recognizer() -> Callable[..., Recognizer]:
    """One that knows packs 1, 2 and 3 as SKUs 11, 12 and 13; any part can be replaced."""

    def describe(ids: Iterable[int]) -> dict[int, Sku]:
        return {i: Sku(i, f"S{i}") for i in ids}

    def make(**parts: object) -> Recognizer:
        index = FakeIndex([11, 12, 13], FakeEncoder().encode([pack(seed) for seed in (1, 2, 3)]))
        known = {
            "detector": FakeDetector({SIZE: PLACES}), "encoder": FakeEncoder(), "index": index,
            "calibration": default_calibration(3), "settings": MatchSettings(top_k=2),
            "describe": describe, "verifier": Verifier(lambda row: None),
        }  # fmt: skip
        return Recognizer(**(known | parts))  # type: ignore[arg-type]

    return make


def only(results: Iterable[FrameResult | Failure]) -> FrameResult:
    (result,) = results
    assert isinstance(result, FrameResult), result
    return result


def test_no_frames_give_no_results(recognizer: Callable[..., Recognizer]) -> None:
    assert list(recognizer().run([])) == []


def test_a_frame_without_products_is_a_result(recognizer: Callable[..., Recognizer]) -> None:
    result = only(recognizer(detector=FakeDetector()).run([shelf(1)]))
    assert len(result.detections) == len(result.matches) == len(result.layout.slots) == 0
    assert result.matches.skus.shape == (0, 2)
    assert result.skus == {}
    assert result.frame.advice == ()


def test_row_i_is_box_i_and_a_stranger_keeps_its_row(recognizer: Callable[..., Recognizer]) -> None:
    result = only(recognizer().run([shelf(2, 99, 1)]))
    assert result.detections.xyxy.tolist() == [list(map(float, place)) for place in PLACES]
    assert result.matches.decided.tolist() == [12, -1, 11]
    assert result.matches.status.tolist() == [Status.RECOGNIZED, Status.UNKNOWN, Status.RECOGNIZED]
    assert result.layout.positions.tolist() == [1, 2, 3]
    assert sorted(m for slot in result.layout.slots for m in slot.members) == [0, 1, 2]
    assert {i: sku.sku for i, sku in result.skus.items()}.items() >= {11: "S11", 12: "S12"}.items()


def test_colours_reach_the_encoder_as_rgb(recognizer: Callable[..., Recognizer]) -> None:
    """Frames are BGR, references RGB: a swap would cost the score."""
    assert only(recognizer().run([shelf(1)])).matches.scores[0, 0] == pytest.approx(1, abs=1e-3)


def test_every_stage_is_timed(recognizer: Callable[..., Recognizer]) -> None:
    seconds = only(recognizer().run([shelf(1)])).seconds
    assert list(seconds) == ["detect", "crop", "embed", "match", "lay out"]
    assert all(value >= 0 for value in seconds.values())


def test_the_clock_adds_up_and_remembers_the_stage() -> None:
    clock = StageClock()
    for _ in range(2):
        with clock.time("a"):
            pass
    assert clock.stage == "a"
    assert clock.seconds["a"] > 0


def test_failures_pass_through_in_their_place(recognizer: Callable[..., Recognizer]) -> None:
    broken = Failure("broken.jpg", 0, "read", "no picture", "take another")
    results = list(recognizer().run([broken, shelf(1, source="a.jpg"), broken]))
    assert results[0] is broken
    assert results[2] is broken
    assert isinstance(results[1], FrameResult)


class Broken:
    """Any of the three seams, failing on the frames whose first pixel is 0 (or always)."""

    name, dim, fingerprint = "broken", 192, "0"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        if images[0][0, 0, 0] == 0:
            raise self.error
        return FakeDetector({SIZE: PLACES}).detect(images)

    def encode(self, crops: Sequence[Image]) -> np.ndarray:
        raise self.error

    def search(self, *_: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("part", "error", "stage"),
    [
        ("detector", DetectorError("out of memory", "smaller photos"), "detect"),
        ("encoder", EncoderError("out of memory", "smaller batches"), "embed"),
        ("index", DatabaseError("damaged", "rebuild"), "match"),
        ("describe", DatabaseError("damaged", "rebuild"), "match"),
    ],
)
def test_a_stage_that_fails_costs_one_frame_and_is_named(
    recognizer: Callable[..., Recognizer], part: str, error: Exception, stage: str
) -> None:
    def fails(_: object) -> None:
        raise error

    frame = Frame("dark.jpg", 4, np.where(np.indices((*SIZE, 3))[2] >= 0, 0, 0).astype(np.uint8))
    (failure,) = recognizer(**{part: fails if part == "describe" else Broken(error)}).run([frame])
    assert failure == Failure("dark.jpg", 4, stage, error.message, error.hint)  # type: ignore[attr-defined]


def test_the_frames_after_a_failure_go_on(recognizer: Callable[..., Recognizer]) -> None:
    dark = Frame("dark.jpg", 0, np.zeros((*SIZE, 3), np.uint8))
    results = recognizer(detector=Broken(DetectorError("no"))).run([dark, shelf(1), dark, shelf(2)])
    assert [isinstance(result, Failure) for result in results] == [True, False, True, False]


def test_a_fault_of_the_program_is_not_hidden(recognizer: Callable[..., Recognizer]) -> None:
    with pytest.raises(ZeroDivisionError):
        list(recognizer(encoder=Broken(ZeroDivisionError())).run([shelf(1)]))


def test_products_too_small_are_said_after_the_readers_advice(recognizer: Callable[..., Recognizer]) -> None:
    small = FakeDetector({SIZE: [(10, 10, 30, 30), (50, 10, 70, 30)]})
    frame = Frame("far.jpg", 0, np.full((*SIZE, 3), 120, np.uint8), advice=("blurred",))
    assert only(recognizer(detector=small).run([frame])).frame.advice == ("blurred", "too far")
    assert only(recognizer().run([shelf(1)])).frame.advice == ()


def test_crops_are_matched_without_a_detector(recognizer: Callable[..., Recognizer]) -> None:
    assert recognizer().match([pack(3), pack(99)]).decided.tolist() == [13, -1]
    assert len(recognizer().match([])) == 0


class Gated(FakeEncoder):
    """Counts the crops of each call; the first one waits until the detector has seen `frames`. Black crops fail."""

    def __init__(self, frames: int = 0) -> None:
        self.calls: list[int] = []
        self.detector = Counting(frames)

    def encode(self, crops: Sequence[Image]) -> np.ndarray:
        assert self.detector.seen_all.wait(2)
        self.calls.append(len(crops))
        if any(not crop.any() for crop in crops):
            raise EncoderError("black")
        return super().encode(crops)


class Counting(FakeDetector):
    """Counts frames."""

    def __init__(self, frames: int) -> None:
        super().__init__({SIZE: PLACES})
        self.left, self.seen_all = frames, threading.Event()
        self._count(0)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        self._count(len(images))
        return super().detect(images)

    def _count(self, frames: int) -> None:
        self.left -= frames
        if self.left <= 0:
            self.seen_all.set()


@pytest.mark.parametrize(("batch", "later"), [(1, {1}), (4, {4}), (5, {5})])
def test_crops_of_many_photos_fill_a_batch(recognizer: Callable[..., Recognizer], batch: int, later: set[int]) -> None:
    encoder = Gated(frames=5)
    seeds = [(1, 2, 3), (3, 2, 1), (2, 2, 99), (1, 1, 1), (3, 3, 2)]
    frames = [shelf(*own, source=str(number)) for number, own in enumerate(seeds)]
    results = list(recognizer(encoder=encoder, detector=encoder.detector, batch_size=batch).run(frames))
    assert sum(encoder.calls) == 15
    assert set(encoder.calls[1:-1]) <= later
    assert max(encoder.calls) <= batch
    assert [result.frame.source for result in results] == list("01234")  # type: ignore[union-attr]
    wanted = [[10 + seed if seed < 9 else -1 for seed in own] for own in seeds]
    assert [result.matches.decided.tolist() for result in results] == wanted  # type: ignore[union-attr]


def test_a_slow_source_gets_its_answer_before_the_next_frame(recognizer: Callable[..., Recognizer]) -> None:
    answered = threading.Event()

    def camera() -> Iterator[Frame]:
        yield shelf(1, source="first")
        assert answered.wait(2), "the first frame waited for the second"
        yield shelf(2, source="second")

    with closing(recognizer(batch_size=64).run(camera())) as results:
        assert isinstance(next(results), FrameResult)
        answered.set()
        assert isinstance(next(results), FrameResult)


def test_a_batch_that_fails_costs_only_the_frame_at_fault(recognizer: Callable[..., Recognizer]) -> None:
    encoder = Gated(frames=4)
    black = Frame("black.jpg", 7, np.zeros((*SIZE, 3), np.uint8))
    empty = Frame("empty.jpg", 0, np.zeros((50, 50, 3), np.uint8))
    frames = [shelf(1, 2, source="a"), black, empty, shelf(3, 1, source="b")]
    results = list(recognizer(encoder=encoder, detector=encoder.detector, batch_size=64).run(frames))
    assert results[1] == Failure("black.jpg", 7, "embed", "black")
    assert [type(result) for result in results] == [FrameResult, Failure, FrameResult, FrameResult]
    assert results[3].matches.decided.tolist()[:2] == [13, 11]  # type: ignore[union-attr]


def test_an_error_of_the_source_comes_after_the_frames_before_it(recognizer: Callable[..., Recognizer]) -> None:
    def frames() -> Iterator[Frame]:
        yield shelf(1)
        yield shelf(2)
        raise ZeroDivisionError

    results = recognizer().run(frames())
    assert [isinstance(next(results), FrameResult) for _ in range(2)] == [True, True]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert "ahead" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("photos", [1, 3])
def test_a_bounded_number_of_frames_is_held(
    recognizer: Callable[..., Recognizer], monkeypatch: pytest.MonkeyPatch, photos: int
) -> None:
    each = pipeline.LEAST_BYTES + shelf().image.nbytes
    monkeypatch.setattr(pipeline, "AHEAD_BYTES", photos * each)
    pulled, most, given = 0, 0, 0

    def frames() -> Iterator[Frame | Failure]:
        nonlocal pulled, most
        for number in range(12):
            pulled += 1
            most = max(most, pulled - given)
            yield Failure("x", 0, "read", "no") if number == 5 else shelf(1, 2, 3, source=str(number))

    for _ in recognizer(batch_size=64).run(frames()):
        given += 1
    assert given == 12
    assert most <= photos + 1  # one has been given, and is not let go before the next is asked for


def test_closing_early_stops_reading_and_ends_the_thread(recognizer: Callable[..., Recognizer]) -> None:
    closed = False

    def frames() -> Iterator[Frame]:
        nonlocal closed
        try:
            while True:
                yield shelf(1, 2)
        finally:
            closed = True

    source = frames()
    with pytest.raises(KeyboardInterrupt), closing(source), closing(recognizer().run(source)) as results:
        next(results)
        raise KeyboardInterrupt
    assert closed
    assert "ahead" not in {thread.name for thread in threading.enumerate()}


def test_each_frame_is_charged_its_share_of_a_batch(recognizer: Callable[..., Recognizer]) -> None:
    encoder = Gated(frames=2)
    frames = [shelf(1, 2, 3), Frame("empty.jpg", 0, np.zeros((50, 50, 3), np.uint8))]
    full, empty = recognizer(encoder=encoder, detector=encoder.detector).run(frames)
    assert full.seconds["embed"] > 0  # type: ignore[union-attr]
    assert empty.seconds.get("embed", 0) == 0  # type: ignore[union-attr]


def test_grouped_facings_are_embedded_once_and_every_row_is_answered(recognizer: Callable[..., Recognizer]) -> None:
    encoder = Gated()
    (result,) = recognizer(encoder=encoder, scout=Gated()).run([shelf(2, 2, 1)])
    assert isinstance(result, FrameResult)
    assert sum(encoder.calls) == 2
    assert result.matches.decided.tolist() == [12, 12, 11]
    assert only(recognizer(scout=Gated()).run([Frame("none", 0, np.zeros((9, 9, 3), np.uint8))])).skus == {}
