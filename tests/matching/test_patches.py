import cv2
import numpy as np
import pytest

import recognition.matching.patches as patches
from recognition.embedding.folder import open_folder
from recognition.embedding.preprocess import to_batch
from recognition.embedding.processor_config import read_spec
from recognition.errors import WeightsError
from recognition.matching.patches import PatchNetwork, found_again, patch_network
from recognition.matching.verify import KEPT_REFERENCES, Verifier
from recognition.weights import STARTER_ENCODER, weights_dir


def test_a_picture_finds_itself_and_no_other(packs):
    own = patch_network("cpu").patches(packs[:4])
    table = np.array([[found_again(crop, reference) for reference in own] for crop in own])
    np.testing.assert_allclose(np.diag(table), 1, atol=1e-4)
    assert (table - 2 * np.eye(4)).max() < 0.97


def test_where_the_patches_lie_does_not_matter_as_little_pixels_do(packs):
    """A pack small in the corner of a larger picture, and one of 40 pixels: the right reference still leads."""
    scene = np.full((400, 400, 3), 90, np.uint8)
    small = cv2.resize(packs[1], None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    scene[180 : 180 + small.shape[0], 200 : 200 + small.shape[1]] = small
    far = cv2.resize(packs[1], (24, 40), interpolation=cv2.INTER_AREA)
    references = patch_network("cpu").patches(packs)
    for crop in patch_network("cpu").patches([scene, far]):
        assert np.argmax([found_again(crop, reference) for reference in references]) == 1


@pytest.mark.parametrize(
    ("shape", "count"), [((64, 64), 100), ((160, 16), 10 * 2), ((16, 160), 2 * 10), ((300, 150), 10 * 6), ((1, 1), 100)]
)
def test_what_fills_the_input_up_is_no_patch(shape, count):
    (found,) = patch_network("cpu").patches([np.zeros((*shape, 3), np.uint8)])
    assert found.shape == (count, 112)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


def test_a_long_and_narrow_picture_keeps_patches():
    (found,) = patch_network("cpu").patches([np.zeros((2000, 9, 3), np.uint8)])
    assert len(found) >= 10


def test_patches_do_not_depend_on_the_batch_they_are_in(packs):
    together = patch_network("cpu").patches([*packs] * 4)
    for one, many in zip(patch_network("cpu").patches(packs[2:3]), together[2:3], strict=True):
        np.testing.assert_allclose(one, many, atol=1e-3)


def test_the_network_is_the_one_of_transformers(packs):
    """What the shipped runtime gives against the hidden state that transformers gives."""
    import torch
    from transformers import AutoModel

    path = weights_dir() / STARTER_ENCODER
    spec = read_spec(path, "pad", open_folder(path).recipe.size)
    pixels = torch.from_numpy(to_batch(packs[:1], spec)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std))
    model = AutoModel.from_pretrained(path, dtype=torch.float32).eval()
    with torch.inference_mode():
        hidden = model((pixels - mean) / std, output_hidden_states=True).hidden_states[patches.BLOCKS][0]
    wanted = torch.nn.functional.normalize(hidden.flatten(1).T, dim=1).numpy()
    (found,) = PatchNetwork("cpu").patches(packs[:1])
    height, width = packs[0].shape[:2]
    assert len(found) < len(wanted) and height > width
    assert all(np.max(wanted @ patch) > 0.999 for patch in found)


def test_missing_weights_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(patches, "weights_dir", lambda: tmp_path)
    with pytest.raises(WeightsError):
        PatchNetwork("cpu")


def test_references_are_looked_at_once_and_forgotten_in_time(packs, monkeypatch):
    looked: list[int] = []
    network = patch_network("cpu")

    class Counting:
        def patches(self, images):
            looked.append(len(images))
            return network.patches(images)

    monkeypatch.setattr("recognition.matching.verify.patch_network", lambda device: Counting())
    verifier = Verifier(lambda row: packs[row])
    first = verifier.verify([packs[0]], np.array([[0, 1, 2]]))
    again = verifier.verify([packs[0]], np.array([[2, 1, 3]]))
    assert looked == [1, 3, 1, 1]
    assert again.patches[0, 0] == first.patches[0, 2] and again.inliers[0, 1] == first.inliers[0, 1]
    monkeypatch.setattr("recognition.matching.verify.KEPT_REFERENCES", 2)
    assert KEPT_REFERENCES > 2
    verifier.verify([packs[0]], np.array([[4]]))
    looked.clear()
    everything = verifier.verify([packs[0]], np.array([[4, 3, 2, 0]]))
    assert looked == [1, 2] and everything.verified.all()
