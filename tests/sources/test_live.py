"""A camera that is a fake: it gives, stalls, breaks and comes back as the test says, mostly by a clock of the test."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from films import number_of, numbered

from recognition.errors import SourceError
from recognition.sources import camera
from recognition.sources.av_video import Lost, Shot
from recognition.sources.camera import LiveSource
from recognition.sources.choice import ReadOptions
from recognition.sources.lag import StreamLag
from recognition.sources.several import merge_sources
from recognition.types import Failure, Frame, Gap

NAN = float("nan")


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Camera:
    """One list of steps per connection: a picture's number, a Lost, an exception to raise, or a thing to call."""

    def __init__(self, *connections: list[object], size: tuple[int, int] = (64, 48)) -> None:
        self.connections, self.size, self.opened = list(connections), size, 0

    def __call__(self, stopped: Callable[[], bool]) -> Iterator[Shot | Lost]:
        steps = self.connections[min(self.opened, len(self.connections) - 1)]
        self.opened += 1
        for step in steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Lost):
                yield step
            elif callable(step):
                step()
            else:
                yield Shot(int(step), NAN, lambda step=step, size=self.size: numbered(int(step), size))


def source(opener: object, clock: Clock | None = None, **options: float) -> LiveSource:
    clocks = {"clock": clock, "now": lambda: clock.at + 1e9} if clock else {}
    return LiveSource("rtsp://me:pw@shop/aisle", ReadOptions(**options), opener, draw=lambda a, b: b, **clocks)


def settled(stream: LiveSource) -> None:
    """Waits until the reader of now has said all it has to say."""
    until = time.monotonic() + 2
    while stream._reader and not stream._reader.ended and time.monotonic() < until:
        time.sleep(0.002)
    assert not stream._reader or stream._reader.ended


before: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _note_readers_of_other_tests() -> None:
    before.clear()
    before.update(threading.enumerate())


def readers() -> list[threading.Thread]:
    """Those of this test that run."""
    return [thread for thread in threading.enumerate() if thread.name == "read-camera" and thread not in before]


def gone(within_s: float = 2) -> bool:
    until = time.monotonic() + within_s
    while readers() and time.monotonic() < until:
        time.sleep(0.005)
    return not readers()


def connected(stream: LiveSource) -> list[object]:
    """What comes of connecting once and reading that connection to its end."""
    found = [item for item in [stream.take()] if item is not None]
    settled(stream)
    while (item := stream.take()) is not None:
        found.append(item)
    return found


def test_a_camera_that_never_answers_gives_a_gap_and_is_waited_for() -> None:
    clock = Clock()
    stream = source(Camera([SourceError("refused", "switch it on")]), clock)
    gap = connected(stream)[0]
    assert isinstance(gap, Gap) and isinstance(gap, Failure)
    assert (gap.source, gap.error, gap.hint) == ("rtsp://me:***@shop/aisle", "refused", "switch it on")
    assert gap.since == pytest.approx(clock.at + 1e9)
    assert np.isnan(gap.until)
    for _ in range(20):
        clock.at += 100
        assert connected(stream) == []
    assert not stream.ended
    assert stream.stats.reconnects == 0


def test_the_newest_frame_wins_and_the_others_are_counted() -> None:
    stream = source(Camera([*range(10), Lost.BROKEN, Lost.STALE, 11]), Clock())
    frame = connected(stream)[0]
    assert isinstance(frame, Frame)
    assert (number_of(frame.image), frame.index) == (11, 11)
    stats = stream.stats
    assert (stats.frames_read, stats.dropped, stats.broken) == (12, 11, 1)


def test_a_frame_has_the_time_at_which_it_came() -> None:
    clock = Clock()
    stream = source(Camera([1]), clock)
    stream.take()
    settled(stream)
    clock.at += 3
    frame = stream.take()
    assert isinstance(frame, Frame)
    assert frame.seconds == pytest.approx(1e9 + 1000)
    assert frame.captured_at.startswith("2001-09-09T")
    assert stream.stats.lag_s == pytest.approx(3)


def test_a_lost_camera_opens_a_gap_and_closes_it_when_it_is_back() -> None:
    clock = Clock()
    stream = source(Camera([1, SourceError("cut")], [2]), clock)
    first, lost = connected(stream)
    clock.at += 60
    back, second = connected(stream)[:2]
    assert [number_of(frame.image) for frame in (first, second)] == [1, 2]
    assert isinstance(lost, Gap) and isinstance(back, Gap)
    assert (lost.error, back.error, back.since) == ("cut", "cut", lost.since)
    assert lost.since == first.seconds
    assert back.until == second.seconds == pytest.approx(first.seconds + 60)
    assert stream.stats.reconnects == 1
    assert second.index == 1


def test_a_stream_that_ends_is_a_lost_camera() -> None:
    assert [type(item) for item in connected(source(Camera([1]), Clock()))] == [Frame, Gap]


def attempts(stream: LiveSource, clock: Clock, seconds: int) -> list[float]:
    """Times of the connections within so many seconds, looked at every tenth."""
    opener, begun, found = stream._opener, clock.at, []
    assert isinstance(opener, Camera)
    for _ in range(seconds * 10):
        before = opener.opened
        while stream.take() is not None:
            pass
        settled(stream)
        if opener.opened > before:
            found.append(round(clock.at - begun, 1))
        clock.at += 0.1
    return found


def test_delays_double_up_to_half_a_minute() -> None:
    clock = Clock()
    found = attempts(source(Camera([SourceError("no")]), clock), clock, 130)
    assert np.diff(found) == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30], abs=0.35)


def test_delays_are_drawn_between_half_and_all() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    clock = Clock()
    stream = LiveSource("0", ReadOptions(), Camera([SourceError("no")]), clock, lambda: 0.0, draw)
    attempts(stream, clock, 60)
    assert drawn[:3] == [(0.5, 1), (1, 2), (2, 4)]
    assert drawn[-1] == (15, 30)


def test_a_camera_that_dies_after_each_frame_is_not_hammered() -> None:
    clock = Clock()
    found = attempts(source(Camera([1, SourceError("no")]), clock), clock, 60)
    assert np.diff(found)[-1] > 15


def test_delays_start_anew_after_a_connection_that_lasted() -> None:
    clock = Clock()

    def long() -> None:
        clock.at += 100

    no = SourceError("no")
    stream = source(Camera([no], [no], [no], [no], [1, long, no], [no]), clock)
    found = np.diff(attempts(stream, clock, 200))
    assert found[:4] == pytest.approx([1, 2, 4, 108], abs=0.35)
    assert found[4:7] == pytest.approx([1, 2, 4], abs=0.35)


def test_it_is_given_up_only_when_told_so() -> None:
    clock = Clock()
    stream = source(Camera([1, SourceError("cut", "plug it in")], [SourceError("refused")]), clock, give_up_s=45)
    items: list[object] = []
    while not stream.ended and clock.at < 2000:
        items += connected(stream)
        clock.at += 1
    assert [type(item) for item in items] == [Frame, Gap, Failure]
    assert isinstance(items[-1], Failure)
    assert "cut; given up after 45 s" in items[-1].error
    assert clock.at < 1050
    assert stream.take() is None


def test_waiting_to_be_asked_is_no_time_without_frames() -> None:
    clock = Clock()
    stream = source(Camera([1]), clock, give_up_s=10)
    clock.at += 1000  # models are being loaded
    assert isinstance(connected(stream)[0], Frame)


def test_a_changed_size_is_told_before_the_frame() -> None:
    opener, clock = Camera([1], [2]), Clock()
    stream = source(opener, clock)
    connected(stream)
    opener.size = (128, 96)
    clock.at += 60
    items = connected(stream)
    assert [type(item) for item in items[:2]] == [Gap, Frame]
    assert items[1].image.shape == (96, 128, 3)
    reader = stream._reader
    assert reader is None  # the second connection ended too


def test_a_size_that_changes_within_a_connection_is_a_gap_of_no_length() -> None:
    sizes = [(64, 48), (64, 48), (128, 96)]
    step = threading.Semaphore(1)

    def opener(stopped: Callable[[], bool]) -> Iterator[Shot]:
        for number, size in enumerate(sizes):
            step.acquire(timeout=2)
            yield Shot(number, NAN, lambda number=number, size=size: numbered(number, size))
        step.acquire(timeout=2)

    items: list[object] = []
    stream = source(opener)
    for item in stream.frames():
        items.append(item)
        step.release()
        if len(items) == 4:
            break
    assert [type(item) for item in items] == [Frame, Frame, Gap, Frame]
    gap = items[2]
    assert isinstance(gap, Gap)
    assert gap.error == "frame size changed from 64 x 48 to 128 x 96"
    assert gap.since == gap.until


def test_a_reader_that_hangs_is_abandoned_and_their_number_is_bounded() -> None:
    clock, forever = Clock(), threading.Event()
    stream = source(Camera([1, forever.wait], [forever.wait]), clock, open_s=3, read_s=5)
    items: list[object] = []
    try:
        while not items:  # in real time, before any passes on the clock
            items += [item for item in [stream.take()] if item is not None]
            time.sleep(0.002)
        for _ in range(3000):  # five minutes
            items += [item for item in [stream.take()] if item is not None]
            clock.at += 0.1
        assert [type(item) for item in items] == [Frame, Gap]
        assert "no frame for 7 s" in items[1].error
        assert stream.stats.stuck == camera.MAX_STUCK == len(readers())
        begun = time.monotonic()
        stream.close()
        assert time.monotonic() - begun < 0.5
    finally:
        forever.set()
    assert gone()


def test_an_abandoned_reader_cannot_speak_up_later() -> None:
    clock, held = Clock(), threading.Event()
    stream = source(Camera([held.wait, 7, 8], [1]), clock, open_s=1, read_s=1)
    stream.take()
    clock.at += 10
    assert isinstance(stream.take(), Gap)
    held.set()
    assert gone()
    clock.at += 10
    items = connected(stream)
    assert number_of(items[1].image) == 1
    assert stream.stats.frames_read <= 2


def test_a_fault_of_the_program_reaches_the_consumer() -> None:
    stream = source(Camera([1, ZeroDivisionError("a bug")]))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        for _ in stream.frames():
            pass
    assert stream.ended
    assert gone()


def steady(rate: float, stop_after: float = 1e9) -> Callable[[Callable[[], bool]], Iterator[Shot]]:
    """A camera in real time."""

    def opener(stopped: Callable[[], bool]) -> Iterator[Shot]:
        begun = time.monotonic()
        number = 0
        while not stopped() and time.monotonic() - begun < stop_after:
            yield Shot(number, NAN, lambda number=number: numbered(number % 256))
            number += 1
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))

    return opener


def test_the_lag_of_a_consumer_five_times_too_slow_is_bounded_by_one_frame_time() -> None:
    rate, lags, indices = 50, [], []
    stream = source(steady(rate))
    for frame in stream.frames():
        assert isinstance(frame, Frame)
        lags.append(stream.stats.lag_s)
        indices.append(frame.index)
        if len(lags) == 20:
            break
        time.sleep(5 / rate)
    assert max(lags) < 1 / rate + 0.2  # of scheduling
    assert np.median(lags) < 1 / rate + 0.02
    assert 4 <= np.median(np.diff(indices)) < 8
    stats = stream.stats
    assert stats.dropped >= stats.frames_read - len(lags) - 1 > 3 * len(lags)


def test_fps_leaves_frames_out_before_they_are_converted() -> None:
    stream = source(steady(100), fps=10)
    seen = []
    for frame in stream.frames():
        seen.append(frame.seconds)
        if len(seen) == 5:
            break
    assert np.median(np.diff(seen)) == pytest.approx(0.1, abs=0.05)
    assert stream.stats.skipped > 20
    assert stream.stats.dropped == 0


def block(stopped: Callable[[], bool]) -> Iterator[Shot]:
    time.sleep(1.5)
    yield from ()


@pytest.mark.parametrize("opener", [block, Camera([SourceError("no")]), steady(20)], ids=["blocked", "delay", "frames"])
def test_closing_ends_it_at_once_from_any_state(opener: object) -> None:
    stream = source(opener)
    threading.Timer(0.1, stream.close).start()
    begun = time.monotonic()
    for _ in stream.frames():
        pass
    assert time.monotonic() - begun < 1.2
    assert stream.ended
    assert gone(3)


@pytest.mark.parametrize("opener", [block, Camera([SourceError("no")]), steady(20)], ids=["blocked", "delay", "frames"])
def test_ctrl_c_ends_it_at_once_from_any_state(opener: object) -> None:
    import _thread

    stream = source(opener)
    threading.Timer(0.1, _thread.interrupt_main).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for _ in stream.frames():
            pass
    assert time.monotonic() - begun < 1.2
    assert stream.ended
    assert gone(3)


def test_closing_before_and_twice_does_no_harm() -> None:
    stream = source(Camera([1]))
    stream.close()
    stream.close()
    assert list(stream.frames()) == []
    assert readers() == []


def test_several_cameras_share_rounds_fairly_and_one_that_is_lost_holds_up_nobody() -> None:
    streams = [source(steady(50)), source(steady(50)), source(Camera([SourceError("no")])), source(steady(5))]
    counts, gaps, longest = {id(s): 0 for s in streams}, 0, 0
    begun = time.monotonic()
    for items in merge_sources(streams):
        longest = max(longest, len(items))
        gaps += sum(isinstance(item, Gap) for item in items)
        time.sleep(0.05)  # the models
        if time.monotonic() - begun > 1:
            break
    counts = [s.stats.frames_read - s.stats.dropped for s in streams]
    assert gaps == 1
    assert longest >= 3
    assert abs(counts[0] - counts[1]) <= 3
    assert counts[0] > 6
    assert counts[3] >= 2
    assert all(stream.ended for stream in streams)
    assert gone()


def test_no_streams_give_nothing() -> None:
    assert list(merge_sources([])) == []


def test_a_real_refusal_shows_no_password_even_in_a_traceback() -> None:
    stream = LiveSource("http://me:geheim@127.0.0.1:9/v?token=verborgen", ReadOptions(give_up_s=0.2))
    gap, failure = stream.frames()
    assert isinstance(gap, Gap) and isinstance(failure, Failure)
    with pytest.raises(SourceError) as raised:
        list(stream._opener(lambda: False))
    told = "".join(traceback.format_exception(raised.value)) + repr((gap, failure, raised.value.__cause__))
    assert "refused" in told
    assert "geheim" not in told and "verborgen" not in told


def test_a_device_that_is_not_there() -> None:
    stream = LiveSource("99", ReadOptions(give_up_s=0.2))
    assert ["there is none" in item.error for item in stream.frames()] == [True, True]


@pytest.mark.parametrize(
    ("arrivals", "behind"),
    [
        ([], []),
        ([(0.0, 5.0)], [0]),
        ([(0.0, 5.0), (1.0, 6.0), (2.0, 9.0), (3.0, 9.1), (4.0, 9.2)], [0, 0, 2, 1.1, 0.2]),
        ([(0.0, 5.0), (1.0, 5.5), (2.0, 7.0)], [0, 0, 0.5]),
        ([(NAN, 5.0), (1.0, 6.0)], [0, 0]),
    ],
)
def test_how_late_a_picture_comes(arrivals: list[tuple[float, float]], behind: list[float]) -> None:
    lag = StreamLag(1.0)
    assert [lag.behind(*arrival) for arrival in arrivals] == pytest.approx(behind, abs=0.01)


def test_clocks_that_drift_for_weeks_are_no_lag() -> None:
    lag = StreamLag(1.0)
    week = np.arange(0, 7 * 86400, 60.0)
    assert max(lag.behind(float(t) * (1 - 100e-6), float(t)) for t in week) < 0.01
    assert lag.too_late(lag.behind(float(week[-1]) * (1 - 100e-6), float(week[-1]) + 3))
