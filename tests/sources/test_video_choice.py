import math

import pytest

from recognition.errors import UsageError
from recognition.sources.choice import Picker, ReadOptions, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90.5", 90.5), (".5", 0.5), (" 7. ", 7), ("1:30", 90), ("01:02:03.25", 3723.25),
     ("0:00", 0), ("00:00:02.000000000", 2), ("100:00:00", 360000)],
)  # fmt: skip
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:60", "1:60:00", "1:2:3:4", "1h", "nan", "inf", "1e3", "١", ":30", "1:"])
def test_no_times(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        parse_time(text)


def taken(options: ReadOptions, times: list[float]) -> list[float]:
    picker = Picker(options)
    return [seconds for seconds in times if not picker.ended(seconds) and picker.takes(seconds)]


STEADY = [n / 10 for n in range(21)]  # 0.0 .. 2.0 at ten a second


@pytest.mark.parametrize(
    ("options", "times", "wanted"),
    [
        (ReadOptions(), [], []),
        (ReadOptions(), STEADY, STEADY),
        (ReadOptions(every=7), STEADY, [0, 0.7, 1.4]),
        (ReadOptions(every=100), STEADY, [0]),
        (ReadOptions(start=0.5, end=0.8), STEADY, [0.5, 0.6, 0.7]),
        (ReadOptions(start=0.45, every=5), STEADY, [0.5, 1.0, 1.5, 2.0]),
        (ReadOptions(start=5), STEADY, []),
        (ReadOptions(fps=2), STEADY, [0, 0.5, 1, 1.5, 2]),
        (ReadOptions(fps=4), STEADY, [0, 0.3, 0.5, 0.8, 1, 1.3, 1.5, 1.8, 2]),
        (ReadOptions(fps=50), STEADY, STEADY),
        (ReadOptions(fps=0.5), STEADY, [0, 2]),
        (ReadOptions(fps=1, start=0.25), STEADY, [0.3, 1.3]),
        (ReadOptions(fps=1), [0.0, 0.1, 3.7, 3.8, 4.0, 4.1], [0.0, 3.7, 4.0]),
        (ReadOptions(fps=3), [n / 3 for n in range(9)], [n / 3 for n in range(9)]),
    ],
)
def test_which_frames_are_taken(options: ReadOptions, times: list[float], wanted: list[float]) -> None:
    assert taken(options, times) == pytest.approx(wanted)


def test_times_rounded_to_milliseconds_lose_no_frame() -> None:
    times = [round(n / 30, 3) for n in range(300)]
    assert len(taken(ReadOptions(fps=30), times)) == 300
    assert len(taken(ReadOptions(fps=10), times)) == 100


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"every": 0}, "every 0"),
        ({"fps": -1}, "fps -1"),
        ({"fps": math.nan}, "fps nan"),
        ({"every": 2, "fps": 5}, "exclude"),
        ({"start": -1}, "start -1"),
        ({"start": 5, "end": 5}, "end 5"),
        ({"end": math.nan}, "end nan"),
        ({"frame_rate": 0}, "frame rate 0"),
        ({"transport": "smoke"}, "smoke"),
        ({"open_s": 0}, "time-outs"),
        ({"read_s": math.inf}, "time-outs"),
        ({"give_up_s": -1}, "give up"),
        ({"max_lag_s": 0}, "lag 0"),
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ReadOptions(**wrong)
