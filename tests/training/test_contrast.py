from __future__ import annotations

import math

import pytest
import torch

from recognition.training.contrast import TEMPERATURE, InfoNce, Keys, PairSigmoid, perhaps_same, share_right

NONE = torch.zeros(2, 2, dtype=torch.bool)


def test_infonce_by_hand() -> None:
    cosines = torch.tensor([[0.9, 0.8], [0.7, 0.85]])
    loss = InfoNce()(cosines, NONE)
    a, b, c, d = (math.exp(v / TEMPERATURE) for v in (0.9, 0.8, 0.7, 0.85))
    rows = -(math.log(a / (a + b)) + math.log(d / (c + d))) / 2
    columns = -(math.log(a / (a + c)) + math.log(d / (b + d))) / 2
    assert float(loss) == pytest.approx((rows + columns) / 2, rel=1e-4)


def test_sigmoid_by_hand() -> None:
    loss = PairSigmoid(batch=2)
    assert loss.log_scale.item() == pytest.approx(math.log(10)) and loss.bias.item() == pytest.approx(-math.log(2))
    cosines = torch.tensor([[0.9, 0.1], [-0.2, 0.5]])

    def term(sign: int, cosine: float) -> float:
        return -math.log(1 / (1 + math.exp(-sign * (10 * cosine - math.log(2)))))

    wanted = (term(1, 0.9) + term(-1, 0.1) + term(-1, -0.2) + term(1, 0.5)) / 2
    assert loss(cosines, NONE).item() == pytest.approx(wanted, rel=1e-4)


def test_scale_and_bias_are_learnt() -> None:
    loss = PairSigmoid(batch=2)
    torch.autograd.backward(loss(torch.tensor([[0.9, 0.8], [0.7, 0.85]]), NONE))
    assert all(value.grad is not None and value.grad.abs() > 0 for value in loss.parameters())


@pytest.mark.parametrize("loss", [InfoNce(), PairSigmoid(3)])
def test_what_is_left_out_plays_no_part(loss: torch.nn.Module) -> None:
    out = torch.zeros(3, 3, dtype=torch.bool)
    out[0, 1] = out[1, 0] = True
    cosines = torch.tensor([[0.9, 0.2, 0.1], [0.3, 0.8, 0.0], [0.1, 0.2, 0.7]])
    other = cosines.clone()
    other[0, 1], other[1, 0] = 0.99, -0.5
    assert torch.equal(loss(cosines, out), loss(other, out))
    assert not torch.equal(loss(cosines, out & False), loss(other, out & False))


def keys(identity: list[int], group: list[int], named: list[bool], likeness: list[list[float]]) -> Keys:
    vectors = torch.nn.functional.normalize(torch.tensor(likeness))
    return Keys(torch.tensor(identity), torch.tensor(group), torch.tensor(named), vectors)


ALIKE, RATHER, UNLIKE = [[1.0, 0.0], [1.0, 0.1]], [[1.0, 0.0], [0.8, 0.6]], [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("identity", "group", "named", "likeness", "same"),
    [
        ([0, 1], [0, 0], [False, False], UNLIKE, False),
        ([0, 1], [0, 1], [False, False], ALIKE, True),  # one product in two photos
        ([0, 1], [0, 0], [False, False], RATHER, True),  # neighbouring facings
        ([0, 1], [0, 1], [False, False], RATHER, False),
        ([0, 1], [0, 0], [True, True], ALIKE, False),  # look-alikes with names are the hard negatives
        ([0, 1], [0, 1], [True, False], ALIKE, True),  # a reference and a facing of it
        ([4, 4], [0, 1], [True, True], UNLIKE, True),
    ],
)
def test_who_is_no_negative(
    identity: list[int], group: list[int], named: list[bool], likeness: list[list[float]], same: bool
) -> None:
    found = perhaps_same(keys(identity, group, named, likeness))
    assert found.tolist() == [[False, same], [same, False]]


def test_share_right() -> None:
    cosines = torch.tensor([[0.5, 0.6, 0.1], [0.1, 0.9, 0.2], [0.0, 0.3, 0.4]])
    out = torch.zeros(3, 3, dtype=torch.bool)
    assert float(share_right(cosines, out)) == pytest.approx(2 / 3)
    out[0, 1] = True
    assert float(share_right(cosines, out)) == 1
