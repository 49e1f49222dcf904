import pytest
import torch
from transformers import EfficientNetConfig, EfficientNetModel, ResNetConfig, ResNetModel

from recognition.embedding.fuse import fuse


def efficientnet(open_gates):
    config = EfficientNetConfig(
        image_size=64, width_coefficient=0.5, depth_coefficient=0.5, hidden_dim=640, squeeze_expansion_ratio=0.25
    )
    model = EfficientNetModel(config)
    for block in model.encoder.blocks if open_gates else ():
        for value in (block.squeeze_excite.reduce.weight, block.squeeze_excite.expand.weight):
            torch.nn.init.zeros_(value)
        torch.nn.init.uniform_(block.squeeze_excite.expand.bias, -2, 2)
    return model


def resnet():
    return ResNetModel(ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic"))


def settle(model):
    """Batch-norm statistics that are not the neutral ones of a new network."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


@pytest.mark.parametrize(
    ("make", "gates_left"), [(lambda: efficientnet(True), False), (lambda: efficientnet(False), True), (resnet, False)]
)
def test_a_fused_model_answers_the_same(make, gates_left):
    model = settle(make())
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        before = model(pixel_values=pixels).pooler_output.flatten(1)
        fuse(model)
        after = model(pixel_values=pixels).pooler_output.flatten(1)
    assert torch.nn.functional.cosine_similarity(before, after).min() > 0.99999
    kinds = {type(module).__name__ for module in model.modules()}
    assert "BatchNorm2d" not in kinds
    assert ("EfficientNetSqueezeExciteLayer" in kinds) == gates_left
