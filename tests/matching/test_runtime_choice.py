"""The fastest runtime that keeps the answers equal is chosen: over fakes that are as fast and as wrong as they say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeEncoder, FakeIndex

from recognition.errors import DatabaseDamagedError, EncoderError, WeightsError
from recognition.matching import runtime_choice as module
from recognition.matching.calibrate import Reference, Views, draw_views
from recognition.matching.runtime_choice import RuntimeChoice, Trial, choose_runtime, is_refuted
from recognition.skus.probes import Probes, make_probes

REFERENCES = 120
SKUS = list(range(100, 100 + REFERENCES))


class Clocked(FakeEncoder):
    """An encoder whose crops take `seconds` each, of a clock that nobody waits for, and that gives every `wrong`-th
    crop the vector of another. encoded: crops it was given."""

    def __init__(self, clock: list[float], seconds: float, wrong: int = 0, fails_after: int = 10**9) -> None:
        self.clock, self.seconds, self.wrong, self.fails_after, self.encoded = clock, seconds, wrong, fails_after, 0

    def encode(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        self.clock[0] += self.seconds * len(crops)
        vectors = super().encode(crops)
        for row in range(len(crops)):
            self.encoded += 1
            if self.encoded > self.fails_after:
                raise EncoderError("it broke")
            if self.wrong and self.encoded % self.wrong == 0:
                vectors[row] = np.roll(vectors[row], 7)
        return vectors


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


@pytest.fixture(scope="module")
def views() -> Views:
    dice = np.random.default_rng(0)
    packs = [dice.integers(0, 256, (6, 4, 3), np.uint8).repeat(12, 0).repeat(12, 1) for _ in SKUS]
    return draw_views(FakeEncoder(), [Reference(sku, pack) for sku, pack in zip(SKUS, packs, strict=True)])


@pytest.fixture(scope="module")
def probes(views: Views) -> Probes:
    return make_probes(FakeEncoder(), views.crops, views.crop_vectors)


@pytest.fixture
def choose(clock: list[float], views: Views, probes: Probes) -> Callable[..., RuntimeChoice]:
    """A choice among encoders by name, against an exact one of 10 ms a crop."""

    def made(seconds: float = 0.01, few: int = REFERENCES, **candidates: Clocked | Exception) -> RuntimeChoice:
        def load(candidate: Clocked | Exception) -> Clocked:
            if isinstance(candidate, Exception):
                raise candidate
            return candidate

        some = replace(views, skus=views.skus[:few])
        loaders = {name: lambda one=one: load(one) for name, one in candidates.items()}
        search = FakeIndex(SKUS, views.vectors).search
        return choose_runtime(search, Clocked(clock, seconds), loaders, some, probes, 7)

    return made


def verdicts(choice: RuntimeChoice) -> dict[str, str]:
    return {trial.runtime: trial.verdict for trial in choice.trials}


def test_without_another_runtime_the_exact_one_stays(choose: Callable[..., RuntimeChoice]) -> None:
    choice = choose()
    assert choice.runtime == "auto" and verdicts(choice) == {"auto": "exact"}


def test_the_fastest_equal_one_is_chosen(
    choose: Callable[..., RuntimeChoice], clock: list[float], views: Views
) -> None:
    fast, faster = Clocked(clock, 0.005), Clocked(clock, 0.002)
    choice = choose(fast=fast, faster=faster)
    assert choice.runtime == "faster" and choice.references == 7
    assert verdicts(choice) == {"auto": "exact", "faster": "chosen", "fast": "equal"}
    chosen, asked, exact = (choice.trial(name) for name in ("faster", "fast", "auto"))
    assert chosen and asked and exact
    assert chosen.seconds == pytest.approx(0.002) and chosen.speedup == pytest.approx(5)
    assert chosen.queries == len(views.crops) and chosen.agreement == 1 and chosen.cosine == pytest.approx(1)
    assert asked.queries == module.RACE, "who cannot win is asked no further"
    assert exact.seconds == pytest.approx(0.01) and choice.trial("none") is None
    assert "5.0 times as fast as the exact one" in choice.why and "100.0%" in choice.why


def test_a_faster_one_that_is_wrong_is_refused_with_its_figure(
    choose: Callable[..., RuntimeChoice], clock: list[float], views: Views
) -> None:
    wrong, right = Clocked(clock, 0.001, wrong=30), Clocked(clock, 0.005)
    choice = choose(wrong=wrong, right=right)
    assert choice.runtime == "right"
    assert verdicts(choice) == {"auto": "exact", "wrong": "not equal", "right": "chosen"}
    trial = choice.trial("wrong")
    assert trial and trial.agreement < 0.99 and trial.cosine < 0.9 and is_refuted(trial)
    assert wrong.encoded < len(views.crops), "it is not asked on when it is clear"


@pytest.mark.parametrize(("wrong", "chosen"), [(300, "candidate"), (40, "auto")])
def test_a_few_other_answers_are_allowed(
    choose: Callable[..., RuntimeChoice], clock: list[float], wrong: int, chosen: str
) -> None:
    choice = choose(candidate=Clocked(clock, 0.001, wrong))
    assert choice.runtime == chosen
    trial = choice.trial("candidate")
    assert trial and (trial.agreement >= module.EQUAL) == (chosen == "candidate") and trial.agreement < 1


def test_one_that_is_hardly_faster_loses(choose: Callable[..., RuntimeChoice], clock: list[float]) -> None:
    candidates = {"slower": Clocked(clock, 0.02), "hardly": Clocked(clock, 0.009)}
    choice = choose(**candidates)
    assert choice.runtime == "auto" and "1.2 times" in choice.why
    assert verdicts(choice) == {"auto": "exact", "slower": "not faster", "hardly": "not faster"}
    assert all(one.encoded == module.RACE + 64 for one in candidates.values()), "the race and the probes alone"


@pytest.mark.parametrize("fails_after", [0, 70, 150])
def test_one_that_fails_is_out(choose: Callable[..., RuntimeChoice], clock: list[float], fails_after: int) -> None:
    choice = choose(gone=WeightsError("not there"), breaks=Clocked(clock, 0.001, fails_after=fails_after))
    assert choice.runtime == "auto"
    assert verdicts(choice) == {"auto": "exact", "gone": "failed: not there", "breaks": "failed: it broke"}


def test_a_small_catalogue_is_not_measured(choose: Callable[..., RuntimeChoice], clock: list[float]) -> None:
    candidate = Clocked(clock, 0.001)
    choice = choose(few=99, candidate=candidate)
    assert choice.runtime == "auto" and choice.why.startswith("99 references") and not choice.trials
    assert candidate.encoded == 0


def test_what_costs_more_than_it_saves_is_not_measured(
    choose: Callable[..., RuntimeChoice], clock: list[float]
) -> None:
    candidate = Clocked(clock, 0.0001)
    choice = choose(seconds=0.002, candidate=candidate)
    assert choice.runtime == "auto" and "longer than" in choice.why and candidate.encoded == 0
    assert verdicts(choice) == {"auto": "exact"}


def test_a_choice_is_text_and_back(choose: Callable[..., RuntimeChoice], clock: list[float]) -> None:
    choice = choose(candidate=Clocked(clock, 0.001))
    assert RuntimeChoice.from_json(choice.to_json()) == choice
    assert isinstance(choice.trials[0], Trial)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"trials": 1}', '{"runtime": "x", "trials": [{"a": 1}]}'])
def test_text_that_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(DatabaseDamagedError, match="runtimes"):
        RuntimeChoice.from_json(text)
