import numpy as np
import pytest

from recognition.embedding.crops import cut_crops


@pytest.fixture
def photo() -> np.ndarray:
    """BGR (20, 30, 3): blue is the row, green the column, red 200."""
    rows, columns = np.mgrid[:20, :30]
    return np.stack([rows, columns, np.full_like(rows, 200)], axis=2).astype(np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_no_boxes(photo: np.ndarray) -> None:
    assert cut_crops(photo, boxes()) == []


@pytest.mark.parametrize(
    ("box", "margin", "first", "shape"),
    [
        ((2, 3, 7, 9), 0.0, (3, 2), (6, 5)),
        ((2.4, 3.9, 6.1, 8.2), 0.0, (3, 2), (6, 5)),  # a pixel touched is a pixel kept
        ((-5, -5, 4, 6), 0.0, (0, 0), (6, 4)),
        ((25, 15, 90, 90), 0.0, (15, 25), (5, 5)),
        ((0, 0, 30, 20), 0.5, (0, 0), (20, 30)),
        ((10, 10, 14, 12), 0.5, (9, 8), (4, 8)),
        ((5, 5, 5, 5), 0.0, (5, 5), (1, 1)),  # nothing inside
        ((90, 90, 95, 99), 0.0, (19, 29), (1, 1)),  # outside
        ((-9, -9, -2, -2), 0.0, (0, 0), (1, 1)),
    ],
)
def test_place_and_size(
    photo: np.ndarray, box: tuple[float, ...], margin: float, first: tuple[int, int], shape: tuple[int, int]
) -> None:
    (crop,) = cut_crops(photo, boxes(box), margin)
    assert crop.shape == (*shape, 3)
    assert crop[0, 0].tolist() == [200, first[1], first[0]]  # RGB


def test_crops_are_contiguous_copies_in_order(photo: np.ndarray) -> None:
    crops = cut_crops(photo, boxes((0, 0, 3, 3), (40, 0, 50, 3), (6, 0, 9, 3)))
    assert [int(crop[0, 0, 1]) for crop in crops] == [0, 29, 6]
    for crop in crops:
        assert crop.flags.c_contiguous
        assert crop.dtype == np.uint8
        assert not np.shares_memory(crop, photo)


def test_read_only_image(photo: np.ndarray) -> None:
    photo.flags.writeable = False
    assert len(cut_crops(photo, boxes((1, 1, 4, 4)))) == 1


def test_image_without_pixels() -> None:
    with pytest.raises(ValueError, match="wanted an image with pixels"):
        cut_crops(np.zeros((0, 4, 3), np.uint8), boxes((0, 0, 1, 1)))
