import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image
from safetensors.torch import load_file, save_file

from recognition.embedding.encoder import Encoder
from recognition.embedding.huggingface import HuggingFaceEncoder
from recognition.embedding.preprocess import to_batch
from recognition.embedding.towers import gem
from recognition.errors import EncoderError, WeightsError
from recognition.settings import EmbedSettings

DIMS = {"clip": 24, "siglip": 32, "resnet": 40, "convnext": 40, "efficientnet": 128, "dinov2": 32, "vit": 32}

LAST = {"input_data_format": "channels_last"}  # transformers 4 takes a picture one pixel high for a grey one


def load(folder: Path, fit: str = "", batch_size: int = 3) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(
        folder, "tested", EmbedSettings(fit=fit, batch_size=batch_size, device="cpu", runtime="torch")
    )


def unit(vectors: Any) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def theirs(folder: Path, crops: list[np.ndarray]) -> np.ndarray:
    """transformers' own processor and whole model, one crop at a time."""
    processor, model = tf.AutoImageProcessor.from_pretrained(folder), tf.AutoModel.from_pretrained(folder).eval()
    run = getattr(model, "get_image_features", model)
    rows = []
    with torch.no_grad():
        for crop in crops:
            output = run(
                pixel_values=processor(images=Image.fromarray(crop), return_tensors="pt", **LAST)["pixel_values"]
            )
            feature = output if isinstance(output, torch.Tensor) else output.pooler_output
            rows.append(feature.flatten().numpy())
    return unit(np.stack(rows))


@pytest.mark.parametrize("kind", DIMS)
def test_agrees_with_transformers(kind: str, model_folder: Callable[[str], Path], crops: list[np.ndarray]) -> None:
    folder = model_folder(kind)
    encoder: Encoder = load(folder, "processor")
    vectors = encoder.encode(crops)
    assert encoder.dim == DIMS[kind]
    assert vectors.shape == (len(crops), DIMS[kind])
    assert vectors.dtype == np.float32
    assert (vectors * theirs(folder, crops)).sum(axis=1).min() >= 0.9999
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_only_the_vision_half_is_loaded(model_folder: Callable[[str], Path]) -> None:
    for kind in ("clip", "siglip"):
        names = [name for name, _ in load(model_folder(kind))._runtime.tower.named_parameters()]
        assert names
        assert not [name for name in names if "text" in name or "logit" in name]


def test_starter_like_folder(starter_folder: Path, crops: list[np.ndarray]) -> None:
    encoder = load(starter_folder)
    assert (encoder.name, encoder.dim, encoder.spec.fit, encoder.spec.size) == ("tiny", 12, "pad", (96, 96))
    model = tf.EfficientNetModel.from_pretrained(starter_folder, dtype=torch.float32).eval()
    head = load_file(starter_folder / "head.safetensors")
    pixels = (to_batch(crops, encoder.spec) / 255 - encoder.spec.mean) / encoder.spec.std
    with torch.no_grad():
        maps = model(torch.from_numpy(pixels.transpose(0, 3, 1, 2)).float()).last_hidden_state
        pooled = maps.clamp(min=1e-6).pow(2.5).mean((2, 3)).pow(1 / 2.5)
        wanted = unit((pooled @ head["weight"].float().T + head["bias"].float()).numpy())
    assert (encoder.encode(crops) * wanted).sum(axis=1).min() >= 0.9999


def test_no_crops(starter_folder: Path) -> None:
    vectors = load(starter_folder).encode([])
    assert (vectors.shape, vectors.dtype) == ((0, 12), np.float32)


def test_order_and_batches_change_nothing(starter_folder: Path, crops: list[np.ndarray]) -> None:
    together, single = load(starter_folder, batch_size=64), load(starter_folder, batch_size=1)
    vectors = together.encode(crops)
    assert np.allclose(vectors, single.encode(crops), atol=1e-5)
    assert np.allclose(vectors[::-1], together.encode(crops[::-1]), atol=1e-5)


def test_settings_win_over_the_folder(starter_folder: Path) -> None:
    assert load(starter_folder, "squash").spec.fit == "squash"
    assert load(starter_folder, "processor").spec.size == (64, 64)
    assert load(starter_folder, "squash").fingerprint != load(starter_folder).fingerprint


def test_pad_is_the_default_and_the_given_name_kept(model_folder: Callable[[str], Path]) -> None:
    encoder = load(model_folder("resnet"))
    assert (encoder.spec.fit, encoder.name) == ("pad", "tested")


def fail_above(limit: int, encoder: HuggingFaceEncoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes the tower run out of memory for more than `limit` crops; the sizes tried are appended to the list."""
    tried: list[int] = []
    forward = encoder._runtime.tower.forward

    def bounded(pictures: torch.Tensor) -> torch.Tensor:
        tried.append(len(pictures))
        if len(pictures) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(pictures)

    monkeypatch.setattr(encoder._runtime.tower, "forward", bounded)
    return tried


def test_out_of_memory_halves_the_batch_and_goes_on(
    starter_folder: Path, crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(starter_folder, batch_size=8)
    wanted = encoder.encode(crops)
    tried = fail_above(2, encoder, monkeypatch)
    assert np.allclose(encoder.encode(crops), wanted, atol=1e-5)
    assert tried == [8, 4, 2, 2, 2, 2]


def test_no_memory_for_one_crop(starter_folder: Path, crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load(starter_folder)
    fail_above(0, encoder, monkeypatch)
    with pytest.raises(EncoderError, match="no memory for one crop"):
        encoder.encode(crops)


@pytest.mark.parametrize(
    ("value", "message"), [(float("nan"), "not finite"), (float("inf"), "not finite"), (0.0, "zero")]
)
def test_useless_vectors(
    starter_folder: Path, crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, value: float, message: str
) -> None:
    encoder = load(starter_folder, batch_size=2)

    def spoiled(pictures: torch.Tensor) -> torch.Tensor:
        features = torch.ones(len(pictures), encoder.dim)
        features[-1, :] = value
        return features

    monkeypatch.setattr(encoder._runtime.tower, "forward", spoiled)
    with pytest.raises(EncoderError, match=f"crop 1: .* {message}"):
        encoder.encode(crops)


def test_empty_crop_is_refused_before_any_work(starter_folder: Path, crops: list[np.ndarray]) -> None:
    with pytest.raises(EncoderError, match=f"crop {len(crops)}:"):
        load(starter_folder).encode([*crops, np.zeros((0, 3, 3), np.uint8)])


def test_model_failure_is_translated(
    starter_folder: Path, crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(starter_folder)
    monkeypatch.setattr(encoder._runtime.tower, "forward", lambda pictures: torch.zeros(2, 3) @ torch.zeros(2, 3))
    with pytest.raises(EncoderError, match="encoder tiny") as caught:
        encoder.encode(crops)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_vit_without_a_pooler_gives_its_class_token(
    model_folder: Callable[[str], Path], tmp_path: Path, crops: list[np.ndarray]
) -> None:
    folder = Path(shutil.copytree(model_folder("vit"), tmp_path / "vit"))
    tensors = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in tensors.items() if "pooler" not in k}, folder / "model.safetensors")
    encoder = load(folder, "processor")
    model = tf.ViTModel.from_pretrained(model_folder("vit")).eval()
    pixels = (to_batch(crops, encoder.spec) / 255 - encoder.spec.mean) / encoder.spec.std
    with torch.no_grad():
        wanted = unit(model(torch.from_numpy(pixels.transpose(0, 3, 1, 2)).float()).last_hidden_state[:, 0].numpy())
    assert (encoder.encode(crops) * wanted).sum(axis=1).min() >= 0.9999


def test_missing_weights_are_not_made_up(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder("clip"), tmp_path / "clip"))
    tensors = load_file(folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="visual_projection"):
        load(folder)


def edit(folder: Path, file: str, **values: object) -> None:
    content = json.loads((folder / file).read_text()) if (folder / file).is_file() else {}
    (folder / file).write_text(json.dumps({**content, **values}))


def test_code_of_a_model_is_not_run(starter_folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    (starter_folder / "hostile.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass C: pass\nclass M: pass\n")
    edit(
        starter_folder,
        "config.json",
        model_type="hostile",
        auto_map={"AutoConfig": "hostile.C", "AutoModel": "hostile.M"},
    )
    with pytest.raises(WeightsError, match="starter-like") as caught:
        load(starter_folder)
    assert "own code are not run" in caught.value.hint
    assert not marker.exists()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "model.safetensors").write_bytes(b"no"), "starter-like"),
        (lambda f: edit(f, "config.json", width_coefficient=0.3), "starter-like"),
        (lambda f: save_file({"weight": torch.ones(4, 9), "bias": torch.ones(4)}, f / "head.safetensors"), "trial"),
        (lambda f: save_file({"weight": torch.ones(4, 128)}, f / "head.safetensors"), r"head\.safetensors"),
        (lambda f: save_file({"weight": torch.ones(4), "bias": torch.ones(4)}, f / "head.safetensors"), "head"),
        (lambda f: (f / "head.safetensors").write_bytes(b""), "head"),
    ],
)
def test_broken_folders(starter_folder: Path, break_it: Callable[[Path], object], message: str) -> None:
    break_it(starter_folder)
    with pytest.raises(WeightsError, match=message):
        load(starter_folder)


def test_gem_needs_a_feature_map(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder("vit"), tmp_path / "vit"))
    edit(folder, "recognition.json", pooling="gem")
    with pytest.raises(WeightsError) as caught:
        load(folder)
    assert "gem needs a feature map" in caught.value.hint


def test_wrong_input_size_is_told_at_once(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder("siglip"), tmp_path / "siglip"))
    edit(folder, "recognition.json", size=48)
    with pytest.raises(WeightsError, match="trial picture"):
        load(folder)


def test_text_model_is_refused(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    config = tf.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9)
    tf.BertModel(config).save_pretrained(tmp_path)
    shutil.copy(model_folder("vit") / "preprocessor_config.json", tmp_path)
    with pytest.raises(WeightsError, match="takes no images"):
        load(tmp_path)


@pytest.mark.parametrize(("p", "wanted"), [(1.0, 2.0), (200.0, 3.0)])
def test_gem_goes_from_mean_to_maximum(p: float, wanted: float) -> None:
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 2.0]]]], dtype=torch.float64)
    assert gem(maps, p).item() == pytest.approx(wanted, rel=0.01)
