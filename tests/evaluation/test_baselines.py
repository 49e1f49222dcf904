from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from recognition.errors import WeightsError
from recognition.evaluation.baselines import HistogramEncoder, _draw_weights, sift, untrained
from recognition.evaluation.labelled import LabelledCrop
from recognition.settings import EmbedSettings


def flat(*colour: int) -> np.ndarray:
    return np.full((20, 30, 3), colour, np.uint8)


def test_a_histogram_of_nothing() -> None:
    assert HistogramEncoder().encode([]).shape == (0, 192)


def test_colours_decide_and_places_do_not() -> None:
    two = np.hstack([flat(200, 20, 20), flat(20, 20, 200)])
    red, blue, both, turned = HistogramEncoder().encode(
        [flat(200, 20, 20), flat(20, 20, 200), two, two[:, ::-1].copy()]
    )
    assert red @ blue == pytest.approx(0)
    assert red @ both == pytest.approx(np.sqrt(0.5))
    assert both @ turned == pytest.approx(1)
    assert np.linalg.norm(red) == pytest.approx(1)


def pattern(path: Path, seed: int) -> LabelledCrop:
    """Print in a few sizes, which SIFT sees."""
    dice = np.random.default_rng(seed)
    picture = sum(dice.integers(0, 80, (96 // n, 64 // n, 3)).repeat(n, axis=0).repeat(n, axis=1) for n in (4, 8, 16))
    Image.fromarray(np.asarray(picture, np.uint8)).save(path)
    return LabelledCrop(path, path.stem)


def test_sift_counts_what_agrees(tmp_path: Path) -> None:
    references = [pattern(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    method = sift(references)
    seen = np.asarray(Image.open(references[1].path).resize((80, 120)))
    scores = method.score([seen, flat(9, 9, 9), np.zeros((4, 4, 3), np.uint8)])
    assert scores.shape == (3, 3)
    assert scores[0].argmax() == 1 and scores[0, 1] >= 10
    assert not scores[1:].any(), "nothing to see, or too small"
    assert method.judge is None
    assert method.score([]).shape == (0, 3)


def test_weights_are_drawn_by_seed_and_normalisation_is_neutral(tmp_path: Path) -> None:
    old = {
        "layer.weight": np.full((64, 32), 7, np.float16), "layer.bias": np.full(64, 7, np.float16),
        "norm.weight": np.full(4, 7, np.float32), "norm.running_mean": np.full(4, 7, np.float32),
        "norm.running_var": np.full(4, 7, np.float32), "steps": np.array(7),
    }  # fmt: skip
    save_file(old, tmp_path / "old.safetensors")
    for name in ("one", "two"):
        _draw_weights(
            tmp_path / "old.safetensors", tmp_path / f"{name}.safetensors", np.random.default_rng(5).standard_normal
        )
    new = load_file(tmp_path / "one.safetensors")
    assert {name: tensor.shape for name, tensor in new.items()} == {name: t.shape for name, t in old.items()}
    assert new["layer.weight"].std() == pytest.approx(np.sqrt(2 / 32), rel=0.1)
    assert [float(new[name].mean()) for name in ("layer.bias", "norm.weight")] == [0, 1]
    assert [float(new[f"norm.running_{name}"].mean()) for name in ("mean", "var")] == [0, 1]
    assert new["steps"] == 7
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        _draw_weights(tmp_path / "bad.safetensors", tmp_path / "x", np.random.default_rng(0).standard_normal)


@pytest.mark.slow
def test_the_starter_untrained_gives_other_vectors_of_the_same_size() -> None:
    from recognition.embedding.loading import load_encoder

    trained, random, again = load_encoder(EmbedSettings()), untrained(EmbedSettings()), untrained(EmbedSettings())
    crops = [np.random.default_rng(seed).integers(0, 255, (60, 40, 3), dtype=np.uint8) for seed in range(3)]
    assert random.dim == trained.dim
    assert random.name == f"{trained.name}, untrained"
    assert random.fingerprint != trained.fingerprint
    np.testing.assert_allclose(random.encode(crops), again.encode(crops), atol=1e-5)
    assert np.isfinite(random.encode(crops)).all()
