"""A database is opened only with a runtime that makes its vectors: over fakes that stray as far as they say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEncoder

from recognition.errors import EncoderMismatchError, WeightsError
from recognition.matching.proof import LEAST_EXACT, LEAST_INEXACT, OPENING, least_wanted, proven_encoder
from recognition.matching.runtime_choice import RuntimeChoice, Trial
from recognition.skus.probes import make_probes
from recognition.skus.writer import DatabaseWriter

PRINT = FakeEncoder.fingerprint
CHOSEN = Trial("openvino-int8", 0.1, 3.0, 400, 0.995, 0.98, "chosen")
REFUTED = Trial("openvino-int8", 0.1, 3.0, 128, 0.93, 0.9, "not equal")


class Straying(FakeEncoder):
    """Gives vectors at some cosine from the right ones; counts crops."""

    def __init__(self, cosine: float, fingerprint: str = PRINT) -> None:
        self.cosine, self.fingerprint, self.encoded = cosine, fingerprint, 0

    def encode(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        self.encoded += len(crops)
        right = super().encode(crops)
        away = np.roll(right, 1, axis=1)
        away -= np.einsum("nd,nd->n", away, right)[:, None] * right
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        return np.asarray(self.cosine * right + np.sqrt(1 - self.cosine**2) * away, np.float32)


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., Path]:
    """A database without references, with probes and a choice."""

    def made(*trials: Trial, chosen: str = "", probes: int = 9) -> Path:
        dice, encoder = np.random.default_rng(0), FakeEncoder()
        crops = [dice.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(probes)]
        choice = RuntimeChoice(chosen, "", 1, trials).to_json() if chosen else None
        with DatabaseWriter(tmp_path / "db", encoder.name, encoder.dim, PRINT) as writer:
            writer.set_probes(make_probes(encoder, crops, encoder.encode(crops)), choice)
        return tmp_path / "db"

    return made


class Loader:
    """Loads encoders by runtime; calls: what it was asked for, with the number of crops to calibrate with."""

    def __init__(self, **made: FakeEncoder | Exception) -> None:
        self.made = {name.replace("_", "-"): one for name, one in made.items()}
        self.calls: list[tuple[str, int]] = []

    def __call__(self, runtime: str, crops: Sequence[np.ndarray]) -> FakeEncoder:
        self.calls.append((runtime, len(crops)))
        one = self.made[runtime]
        if isinstance(one, Exception):
            raise one
        return one


@pytest.mark.parametrize("runtime", ["auto", "torch", "openvino"])
def test_without_probes_an_exact_runtime_is_taken_as_it_is(keep: Callable[..., Path], runtime: str) -> None:
    encoder = Straying(0.5)
    assert proven_encoder(runtime, "cpu", keep(probes=0), PRINT, Loader(**{runtime: encoder})) is encoder
    assert encoder.encoded == 0


@pytest.mark.parametrize("runtime", ["openvino-int8", "openvino-int8-weights", "openvino-bf16"])
def test_without_probes_int8_is_refused(keep: Callable[..., Path], runtime: str) -> None:
    with pytest.raises(EncoderMismatchError, match=f"{runtime} is not exact") as told:
        proven_encoder(runtime, "cpu", keep(probes=0), PRINT, Loader())
    assert "skus build" in told.value.hint and "--runtime auto" in told.value.hint


@pytest.mark.parametrize("runtime", ["auto", "torch", "openvino"])
@pytest.mark.parametrize(("cosine", "proved"), [(1.0, True), (0.9995, True), (0.998, False)])
def test_an_exact_runtime_must_make_the_same_vectors(
    keep: Callable[..., Path], runtime: str, cosine: float, proved: bool
) -> None:
    encoder = Straying(cosine)
    loader = Loader(**{runtime: encoder})
    if proved:
        assert proven_encoder(runtime, "cpu", keep(), PRINT, loader) is encoder
    else:
        with pytest.raises(EncoderMismatchError, match=r"cosine 0\.998., wanted 0\.9990") as told:
            proven_encoder(runtime, "cpu", keep(), PRINT, loader)
        assert "--runtime torch" in told.value.hint
    assert encoder.encoded == OPENING and loader.calls == [(runtime, 0)]


def test_vectors_that_are_no_numbers_are_refused(keep: Callable[..., Path]) -> None:
    with pytest.raises(EncoderMismatchError, match="cosine nan"):
        proven_encoder("torch", "cpu", keep(), PRINT, Loader(torch=Straying(float("nan"))))


def test_another_encoder_is_left_to_who_refuses_it(keep: Callable[..., Path]) -> None:
    encoder = Straying(0.1, "0" * 32)
    assert proven_encoder("auto", "cpu", keep(), PRINT, Loader(auto=encoder)) is encoder


def test_auto_takes_what_was_chosen_and_calibrates_it_with_the_probes(keep: Callable[..., Path]) -> None:
    encoder = Straying(0.98)
    loader = Loader(openvino_int8=encoder)
    assert proven_encoder("auto", "cpu", keep(CHOSEN, chosen="openvino-int8"), PRINT, loader) is encoder
    assert loader.calls == [("openvino-int8", 9)]


def test_on_a_gpu_auto_is_exact(keep: Callable[..., Path]) -> None:
    loader = Loader(auto=Straying(1.0))
    proven_encoder("auto", "cuda:0", keep(CHOSEN, chosen="openvino-int8"), PRINT, loader)
    assert loader.calls == [("auto", 0)]


@pytest.mark.parametrize("broken", [Straying(0.9), WeightsError("not on this machine")])
def test_auto_goes_on_exactly_where_the_chosen_one_does_not_hold(
    keep: Callable[..., Path], caplog: pytest.LogCaptureFixture, broken: FakeEncoder | Exception
) -> None:
    exact = Straying(1.0)
    with caplog.at_level(logging.WARNING):
        folder = keep(CHOSEN, chosen="openvino-int8")
        assert proven_encoder("auto", "cpu", folder, PRINT, Loader(openvino_int8=broken, auto=exact)) is exact
    assert "going on with the exact runtime" in caplog.text


def test_a_runtime_that_changed_the_answers_is_refused_with_its_figure(keep: Callable[..., Path]) -> None:
    loader = Loader(openvino_int8=Straying(1.0))
    with pytest.raises(EncoderMismatchError, match=r"93\.0% of 128 views") as told:
        proven_encoder("openvino-int8", "cpu", keep(REFUTED, chosen="torch"), PRINT, loader)
    assert "--runtime auto" in told.value.hint and not loader.calls


@pytest.mark.parametrize(
    ("exact", "trial", "least"),
    [
        (True, None, LEAST_EXACT),
        (True, REFUTED, LEAST_EXACT),
        (False, None, LEAST_INEXACT),
        (False, Trial("openvino-int8", 0, 0, 0, 0, 0, "failed: it broke"), LEAST_INEXACT),
        (False, CHOSEN, 0.97),
    ],
)
def test_what_is_wanted(exact: bool, trial: Trial | None, least: float) -> None:
    assert least_wanted(exact, trial) == pytest.approx(least)
