import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers as tf
from PIL import Image

from recognition.embedding.preprocess import PreprocessSpec, check_crops, to_batch
from recognition.embedding.processor_config import read_spec
from recognition.errors import EncoderError, WeightsError

KINDS = ["clip", "siglip", "resnet", "convnext", "efficientnet", "dinov2", "vit"]


def spec(fit: str, size: tuple[int, int] = (8, 8)) -> PreprocessSpec:
    return PreprocessSpec(size, fit, size, "area", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def write(folder: Path, values: dict[str, Any], file: str = "preprocessor_config.json") -> Path:
    (folder / file).write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize("fit", ["pad", "squash", "processor"])
def test_no_crops(fit: str) -> None:
    assert to_batch([], spec(fit)).shape == (0, 8, 8, 3)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((16, 8), slice(0, 8), slice(2, 6)),  # shrunk
        ((2, 4), slice(2, 6), slice(0, 8)),  # enlarged
        ((8, 8), slice(0, 8), slice(0, 8)),
        ((1, 100), slice(3, 4), slice(0, 8)),  # never thinner than a pixel
    ],
)
def test_pad_keeps_the_aspect_on_white(shape: tuple[int, int], rows: slice, columns: slice) -> None:
    (picture,) = to_batch([np.full((*shape, 3), 40, np.uint8)], spec("pad"))
    wanted = np.full((8, 8, 3), 255, np.uint8)
    wanted[rows, columns] = 40
    assert np.array_equal(picture, wanted)


def test_squash_shrinks_by_area_whatever_the_other_side_does() -> None:
    stripes = np.zeros((64, 4, 3), np.uint8)
    stripes[::2] = 200
    (picture,) = to_batch([stripes], spec("squash"))
    assert np.abs(picture.astype(int) - 100).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_processor_agrees_with_transformers(
    kind: str, model_folder: Callable[[str], Path], crops: list[np.ndarray]
) -> None:
    folder = model_folder(kind)
    ours = read_spec(folder, "processor")
    pictures = [Image.fromarray(crop) for crop in crops]
    theirs = tf.AutoImageProcessor.from_pretrained(folder)(images=pictures, return_tensors="np")["pixel_values"]
    batch = (to_batch(crops, ours) / 255 - ours.mean) / ours.std
    levels = np.abs(batch.transpose(0, 3, 1, 2) - theirs) * 255 * np.reshape(ours.std, (3, 1, 1))
    assert levels.max() < 2.01  # both round twice
    assert levels.mean() < 0.02


def test_a_hair_of_a_crop_takes_no_gigabytes() -> None:
    ours = PreprocessSpec((32, 32), "processor", 32, "bicubic", (0, 0, 0), (1, 1, 1))
    ramp = np.repeat(np.arange(3000) // 12, 3).reshape(3000, 1, 3).astype(np.uint8)
    (picture,) = to_batch([ramp], ours)
    assert np.unique(picture).tolist() == [124, 125]  # its middle


@pytest.mark.parametrize("family", ["CLIP", "Bit", "Siglip", "ViT", "DeiT", "ConvNext", "EfficientNet"])
def test_defaults_are_those_of_transformers(tmp_path: Path, family: str) -> None:
    kind = f"{family}ImageProcessor"
    bare = read_spec(write(tmp_path, {"image_processor_type": kind}), "processor")
    getattr(tf, kind)().save_pretrained(tmp_path)
    assert bare == read_spec(tmp_path, "processor")


@pytest.mark.parametrize(
    ("values", "size", "resize", "interpolation", "mean"),
    [
        ({"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224}, 224, 224, "bicubic", 0.481),
        ({"image_processor_type": "ViTFeatureExtractor", "size": 224}, 224, (224, 224), "bilinear", 0.5),
        (
            {"image_processor_type": "SiglipImageProcessorFast", "size": {"height": 9, "width": 9}},
            9,
            (9, 9),
            "bicubic",
            0.5,
        ),
        (
            {"feature_extractor_type": "ConvNextFeatureExtractor", "size": 224, "crop_pct": 0.875},
            224,
            256,
            "bicubic",
            0.5,
        ),
        ({"image_processor_type": "ConvNextImageProcessor", "size": 384}, 384, (384, 384), "bicubic", 0.5),
        ({"image_processor_type": "ViTImageProcessor", "do_normalize": False}, 224, (224, 224), "bilinear", 0.0),
        ({"image_processor_type": "ViTImageProcessor", "do_rescale": False}, 224, (224, 224), "bilinear", 0.5 / 255),
        ({"image_processor_type": "EfficientNetImageProcessor", "resample": 0}, 346, (346, 346), "nearest", 0.5),
        (
            {
                "image_processor_type": "BitImageProcessor",
                "size": {"shortest_edge": 256},
                "image_mean": [0.1, 0.2, 0.3],
            },
            224,
            256,
            "bicubic",
            0.1,
        ),
    ],
)
def test_files_old_and_new(
    tmp_path: Path, values: dict[str, Any], size: int, resize: Any, interpolation: str, mean: float
) -> None:
    ours = read_spec(write(tmp_path, values), "processor")
    assert (ours.size, ours.resize, ours.interpolation) == ((size, size), resize, interpolation)
    assert ours.mean[0] == pytest.approx(mean, abs=1e-3)


def test_processor_nested_in_the_whole_one_wins(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"image_processor": {"image_processor_type": "ViTImageProcessor", "size": 99}},
        "processor_config.json",
    )
    write(tmp_path, {"image_processor_type": "ViTImageProcessor", "size": 77})
    assert read_spec(tmp_path, "processor").size == (99, 99)


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_own_fits_take_the_model_s_size_or_the_one_given(tmp_path: Path, fit: str) -> None:
    write(tmp_path, {"image_processor_type": "CLIPImageProcessor"})
    assert (read_spec(tmp_path, fit).size, read_spec(tmp_path, fit).interpolation) == ((224, 224), "area")
    assert read_spec(tmp_path, fit, 160).resize == (160, 160)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_processor_type": "Siglip2ImageProcessor"}, "Siglip2ImageProcessor is not known"),
        ({"size": 224}, "(unnamed) is not known"),
        ({"image_processor_type": "ViTImageProcessor", "do_resize": False}, "do_resize is off"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 9}}, "many sizes"),
        ({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 9, "longest_edge": 12}}, "longest"),
        ({"image_processor_type": "ViTImageProcessor", "size": "big"}, "preprocessor_config.json"),
        ({"image_processor_type": "ViTImageProcessor", "image_std": [0, 0, 0]}, "std"),
        ({"image_processor_type": "ViTImageProcessor", "resample": 17}, "IndexError"),
    ],
)
def test_refused_files(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError) as caught:
        read_spec(write(tmp_path, values), "processor")
    assert message in caught.value.message
    assert caught.value.hint


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"preprocessor_config\.json"):
        read_spec(tmp_path, "pad")


@pytest.mark.parametrize(
    "bad", [np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)]
)
def test_what_is_no_crop(bad: np.ndarray) -> None:
    check_crops([])
    with pytest.raises(EncoderError, match=r"crop 1: wanted uint8 \(h, w, 3\)"):
        check_crops([np.zeros((4, 4, 3), np.uint8), bad])
