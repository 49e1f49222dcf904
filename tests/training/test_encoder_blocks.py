from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from training.encoder_shop import MODELS, SIDE, encoder_start, pack

from recognition.embedding.loading import load_encoder
from recognition.errors import UsageError
from recognition.settings import EmbedSettings
from recognition.training.encoder_blocks import PARTS, Part, blocks_of, choose_trained
from recognition.training.encoder_net import EncoderNet, half_whitening

BLOCKS = {"clip": 3, "siglip": 3, "dinov2": 3, "vit": 3, "resnet": 6, "convnext": 6, "efficientnet": 7}


def net(folder: Path, part: Part = "all", size: int = 0, fit: str = "") -> EncoderNet:
    return EncoderNet(folder, "tiny", fit, size, part)


def trained(model: torch.nn.Module) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("kind", MODELS)
def test_blocks_of_every_tower(kind: str, tmp_path: Path) -> None:
    model = net(encoder_start(tmp_path / "start", kind)).tower.model
    blocks = blocks_of(model)
    assert len(blocks) == BLOCKS[kind]
    assert all(model.get_submodule(name) is module for name, module in blocks)


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_trained(kind: str, tmp_path: Path) -> None:
    model = net(encoder_start(tmp_path / "start", kind)).tower.model
    found = {}
    for part in PARTS:
        choose_trained(model, part)
        found[part] = trained(model)
    assert found["head"] == set() < found["last"] < found["most"] < found["all"]
    assert found["all"] == {name for name, _ in model.named_parameters()}
    names = [name for name, _ in blocks_of(model)]
    third = len(names) // 3
    for part, first in (("most", third), ("last", len(names) - third)):
        per_block = [any(weight.startswith(f"{name}.") for weight in found[part]) for name in names]
        assert per_block == [i >= first for i in range(len(names))]


def test_frozen_leading_blocks_keep_no_gradients(tmp_path: Path) -> None:
    tiny = net(encoder_start(tmp_path / "start", "resnet"), "last")
    kept = []
    for _, block in blocks_of(tiny.tower.model):
        block.register_forward_hook(lambda _m, _i, out: kept.append(out.requires_grad))
    tiny(torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8))
    assert kept == [False] * 4 + [True] * 2


def test_statistics_stay_but_those_of_a_random_tower(tmp_path: Path) -> None:
    pictures = torch.randint(0, 255, (4, SIDE, SIDE, 3), dtype=torch.uint8)
    for seen in (True, False):
        tiny = net(encoder_start(tmp_path / str(seen), "resnet", seen), "last").train()
        before = {name: value.clone() for name, value in tiny.named_buffers()}
        tiny(pictures)
        moved = any(not torch.equal(value, before[name]) for name, value in tiny.named_buffers())
        assert moved is (not seen)
        # A random tower is trained whole.
        assert (trained(tiny.tower.model) == {n for n, _ in tiny.tower.model.named_parameters()}) is (not seen)
        tiny.eval()
        assert not any(module.training for module in tiny.modules())


def test_what_was_switched_off_stays_off(tmp_path: Path) -> None:
    model = net(encoder_start(tmp_path / "start", "efficientnet")).tower.model
    gate = model.encoder.blocks[0].squeeze_excite
    for weight in (gate.reduce.weight, gate.expand.weight):
        weight.data.zero_()
    choose_trained(model, "all")
    assert not any(weight.requires_grad for weight in gate.parameters())
    assert any(weight.requires_grad for weight in model.encoder.blocks[1].squeeze_excite.parameters())


def test_a_net_without_blocks_is_refused() -> None:
    with pytest.raises(UsageError, match="blocks were not found"):
        blocks_of(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(("kind", "size", "side"), [("resnet", 0, 32), ("resnet", 48, 48), ("vit", 0, 32)])
def test_size_of_training(kind: str, size: int, side: int, tmp_path: Path) -> None:
    tiny = net(encoder_start(tmp_path / "start", kind), size=size)
    assert (tiny.training_spec.size, tiny.spec.size) == ((side, side), (SIDE, SIDE))


@pytest.mark.parametrize(("kind", "fit", "message"), [("vit", "pad", "takes no such"), ("resnet", "processor", "own")])
def test_a_size_that_cannot_be(kind: str, fit: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        net(encoder_start(tmp_path / "start", kind), size=48, fit=fit)


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_saved_is_what_was_trained(kind: str, tmp_path: Path) -> None:
    tiny = net(encoder_start(tmp_path / "start", kind))
    pictures = [pack(number) for number in range(6)]
    random = np.random.default_rng(1)
    tiny.add_head(random.normal(size=(8, tiny.features)).astype(np.float32), np.zeros(tiny.features, np.float32))
    tiny.save(tmp_path / "saved")
    encoder = load_encoder(EmbedSettings(encoder=str(tmp_path / "saved"), device="cpu"))
    own = tiny.outputs(pictures, tiny.spec)
    own /= (own**2).sum(axis=1, keepdims=True) ** 0.5
    assert encoder.dim == tiny.dim == 8 and encoder.name == "tiny-trained"
    assert ((own * encoder.encode(pictures)).sum(axis=1) >= 0.999).all()


def test_half_whitening_evens_the_axes_out() -> None:
    features = torch.randn(4000, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([4.0, 1.0, 0.25]) + 7
    rotation, mean = half_whitening(features.numpy(), 2)
    turned = (features.numpy() - mean) @ rotation.T
    assert rotation.shape == (2, 3)
    assert turned.mean(axis=0) == pytest.approx([0, 0], abs=1e-3)
    assert turned.std(axis=0) == pytest.approx([2, 1], rel=0.05)


def test_few_pictures_are_not_whitened() -> None:
    features = torch.randn(3, 200, generator=torch.Generator().manual_seed(1)).numpy()
    rotation, _ = half_whitening(features, 100)
    lengths = (rotation**2).sum(axis=1) ** 0.5
    assert lengths.max() / lengths.min() < 1.05
