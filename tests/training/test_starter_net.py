from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.embedding.loading import load_encoder
from recognition.embedding.openvino_convert import noise_pictures
from recognition.settings import EmbedSettings
from recognition.training.encoder_net import EncoderNet
from recognition.training.starter_net import Variant, build_tower, main, write_start


def published(folder: Path) -> Path:
    """A file like the published one: EfficientNet-Lite0 without gates, with a classifier, under other names."""
    state = build_tower(64, None, seed=3).state_dict()
    kept = {f"x{number}.{name}": value for number, (name, value) in enumerate(state.items()) if "squeeze" not in name}
    torch.save({**kept, "_fc.weight": torch.zeros(2, 2)}, folder / "lite0.pth")
    return folder / "lite0.pth"


def test_published_weights_are_taken_over(tmp_path: Path) -> None:
    theirs, ours = build_tower(64, None, seed=3), build_tower(64, published(tmp_path), seed=8)
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name


def test_a_file_of_another_network(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="EfficientNet-Lite0"):
        build_tower(64, tmp_path / "other.pth")


def test_a_random_start_is_trained_whole_but_for_its_gates(tmp_path: Path) -> None:
    write_start(tmp_path / "start", None, size=64, seed=1)
    net = EncoderNet(tmp_path / "start", "start", "", 0, "most")
    frozen = [name for name, weight in net.tower.model.named_parameters() if not weight.requires_grad]
    assert frozen and all("squeeze_excite" in name for name in frozen)
    assert (net.recipe.name, net.spec.size, net.training_spec.size) == ("starter", (64, 64), (64, 64))
    assert net.features == 1280 and net.fresh_norms


def test_a_random_start_tells_pictures_apart(tmp_path: Path) -> None:
    write_start(tmp_path, None, size=64)
    vectors = load_encoder(EmbedSettings(str(tmp_path), device="cpu")).encode(list(noise_pictures((64, 64))))
    assert (vectors @ vectors.T - np.eye(len(vectors))).max() < 0.999


@pytest.mark.parametrize(("variant", "frozen", "trained"), [("lite0", 5, 11), ("lite2", 7, 14)])
def test_of_published_weights_the_first_blocks_stay(
    variant: Variant, frozen: int, trained: int, tmp_path: Path
) -> None:
    tower = build_tower(64, None, seed=3, variant=variant)
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.fill_(0.1)
    kept = {n: v for n, v in tower.state_dict().items() if "squeeze" not in n}
    torch.save(kept, tmp_path / "lite.pth")
    write_start(tmp_path / "start", tmp_path / "lite.pth", size=160, variant=variant)
    net = EncoderNet(tmp_path / "start", "start", "", 0, "most")
    blocks = net.tower.model.encoder.blocks
    learns = [any(weight.requires_grad for weight in block.parameters()) for block in blocks]
    assert learns == [False] * frozen + [True] * trained
    assert net.training_spec.size == (144, 144) and not net.fresh_norms


@pytest.mark.parametrize(("variant", "millions"), [("lite0", 3.4), ("lite2", 4.8)])
def test_sizes_of_the_networks(variant: Variant, millions: float) -> None:
    tower = build_tower(64, None, variant=variant)
    held = sum(w.numel() for n, w in tower.named_parameters() if "squeeze" not in n)
    assert held / 1e6 == pytest.approx(millions, abs=0.05)


def test_the_command_line_of_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["starter_net", str(tmp_path / "start")])
    main()
    assert capsys.readouterr().out.strip() == str(tmp_path / "start")
    assert (tmp_path / "start" / "model.safetensors").is_file()
