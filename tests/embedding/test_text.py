"""Text towers against transformers' own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from recognition.embedding.loading import load_encoder
from recognition.embedding.text import load_text_encoder
from recognition.errors import EncoderError, WeightsError
from recognition.settings import EmbedSettings

WORDS = ["a", "oat", "drink", "crunchy", "bar", "of", "dark", "chocolate", "1", "l", ",", ".", "!"]
TEXTS = ["oat drink 1 l", "a crunchy bar of dark chocolate , !", "a", "", "drink " * 90]
VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 16,
}  # fmt: skip
TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 30}
SPECIAL = {"pad_token": "</s>", "eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"}


def save_tokenizer(folder: Path, bos: bool) -> None:
    # The end token has the highest number, by which the oldest CLIP configurations find it.
    vocabulary = {word: i for i, word in enumerate(["<unk>", *WORDS])} | {"<s>": 28, "</s>": 29}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    form = "<s> $A </s>" if bos else "$A </s>"
    tokenizer.post_processor = processors.TemplateProcessing(single=form, special_tokens=[("<s>", 28), ("</s>", 29)])
    tf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL).save_pretrained(folder)


def clip(eos: int) -> Any:
    text = {**TEXT, "max_position_embeddings": 77, "eos_token_id": eos, "bos_token_id": 28, "pad_token_id": 29}
    return tf.CLIPModel(tf.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24))


def siglip() -> Any:
    text = {**TEXT, "max_position_embeddings": 64, "eos_token_id": 29, "bos_token_id": 28, "pad_token_id": 29}
    return tf.SiglipModel(tf.SiglipConfig(text_config=text, vision_config=VISION))


# Model, padding as its authors state it, dim, images' processor.
KINDS: dict[str, tuple[Callable[[], Any], Any, int, Any]] = {
    "clip": (lambda: clip(29), True, 24, tf.CLIPImageProcessor),
    "clip-old": (lambda: clip(2), True, 24, tf.CLIPImageProcessor),
    "siglip": (siglip, "max_length", 32, tf.SiglipImageProcessor),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    made, folder = KINDS[request.param], tmp_path_factory.mktemp(request.param)
    torch.manual_seed(9)
    model = made[0]()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    side = {"height": 32, "width": 32}
    made[3](size=side if request.param == "siglip" else {"shortest_edge": 32}, crop_size=side).save_pretrained(folder)
    save_tokenizer(folder, bos=request.param != "siglip")
    return request.param, folder


def settings(folder: Path) -> EmbedSettings:
    return EmbedSettings(encoder=str(folder), device="cpu", batch_size=2, runtime="torch")


def theirs(folder: Path, padding: Any) -> np.ndarray:
    model, tokenizer = tf.AutoModel.from_pretrained(folder).eval(), tf.AutoTokenizer.from_pretrained(folder)
    length = model.config.text_config.max_position_embeddings
    tokens = tokenizer(TEXTS, padding=padding, truncation=True, max_length=length, return_tensors="pt")
    # SigLIP is used without a mask: its repositories' tokenizers give none.
    mask = {} if padding == "max_length" else {"attention_mask": tokens["attention_mask"]}
    with torch.no_grad():
        output = model.get_text_features(input_ids=tokens["input_ids"], **mask)
    feature = output if isinstance(output, torch.Tensor) else output.pooler_output
    return np.asarray(torch.nn.functional.normalize(feature, dim=1).numpy())


def test_no_texts(kind: tuple[str, Path]) -> None:
    vectors = load_text_encoder(settings(kind[1])).encode([])
    assert (vectors.shape, vectors.dtype) == ((0, KINDS[kind[0]][2]), np.float32)


def test_agrees_with_transformers(kind: tuple[str, Path]) -> None:
    encoder, (_, padding, dim, _) = load_text_encoder(settings(kind[1])), KINDS[kind[0]]
    vectors, wanted = encoder.encode(TEXTS), theirs(kind[1], padding)
    assert encoder.dim == dim == vectors.shape[1]
    assert (vectors * wanted).sum(axis=1).min() >= 0.9999
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert (wanted[0] * wanted[1:]).sum(axis=1).min() < 0.999  # texts can be told apart


def test_the_space_is_that_of_the_pictures(kind: tuple[str, Path]) -> None:
    pictures, texts = load_encoder(settings(kind[1])), load_text_encoder(settings(kind[1]))
    assert (pictures.dim, pictures.name) == (texts.dim, texts.name)


def test_a_text_does_not_depend_on_those_beside_it(kind: tuple[str, Path]) -> None:
    encoder = load_text_encoder(settings(kind[1]))
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.allclose(alone, encoder.encode(TEXTS), atol=1e-5)


def test_sentencepiece_alone(kind: tuple[str, Path], tmp_path: Path) -> None:
    """Older SigLIP repositories hold no tokenizer.json."""
    if kind[0] != "siglip":
        pytest.skip("only SigLIP's tokenizer is sentencepiece's")
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = Path(shutil.copytree(kind[1], tmp_path / "siglip"))
    for file in folder.glob("*token*"):
        file.unlink()
    options = {"vocab_size": 28, "model_type": "unigram", "hard_vocab_limit": False, "pad_id": 3, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20), model_prefix=str(folder / "spiece"), **options
    )
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "SiglipTokenizer"}')
    vectors = load_text_encoder(settings(folder)).encode(TEXTS)
    assert (vectors * theirs(folder, "max_length")).sum(axis=1).min() >= 0.9999


@pytest.mark.parametrize("name", ["resnet", "dinov2"])
def test_encoders_without_words(name: str, model_folder: Callable[[str], Path]) -> None:
    with pytest.raises(WeightsError, match=f"{name} has no text tower") as caught:
        load_text_encoder(settings(model_folder(name)))
    assert "siglip" in caught.value.hint


def test_the_starter_has_no_words() -> None:
    with pytest.raises(WeightsError, match=r"head\.safetensors takes pictures into a space that has no words"):
        load_text_encoder(EmbedSettings(device="cpu"))


def test_pooling_of_our_own_has_no_words(kind: tuple[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(kind[1], tmp_path / "gem"))
    (folder / "recognition.json").write_text('{"pooling": "gem"}')
    with pytest.raises(WeightsError, match="pooling gem"):
        load_text_encoder(settings(folder))


def test_tokenizer_is_missing(kind: tuple[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(kind[1], tmp_path / "mute"))
    for file in folder.glob("*token*"):
        file.unlink()
    with pytest.raises(WeightsError, match="mute: tokenizer") as caught:
        load_text_encoder(settings(folder))
    assert "bring the tokenizer's files" in caught.value.hint


def test_missing_weights_are_not_made_up(kind: tuple[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(kind[1], tmp_path / "part"))
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "text_model.final_layer_norm" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="weights lack"):
        load_text_encoder(settings(folder))


def test_useless_vectors(kind: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_text_encoder(settings(kind[1]))
    monkeypatch.setattr(encoder._tower, "run", lambda tokens: torch.zeros(len(tokens), encoder.dim))
    with pytest.raises(EncoderError, match="zero or not finite"):
        encoder.encode(["oat"])
