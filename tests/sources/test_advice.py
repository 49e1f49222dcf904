import cv2
import numpy as np
import pytest

from recognition.sources.advice import photo_advice, too_far


def shelf(size: tuple[int, int] = (900, 1200)) -> np.ndarray:
    """Rows of packs with fine print in grey and colour; BGR uint8."""
    rng = np.random.default_rng(3)
    height, width = size
    image = np.full((height, width, 3), 90, np.uint8)
    for y in range(20, height - 120, 140):
        for x in range(10, width - 70, 75):
            colour = tuple(int(v) for v in rng.integers(40, 230, 3))
            cv2.rectangle(image, (x, y), (x + 62, y + 110), colour, -1)
            for line in range(6):
                cv2.putText(image, "abcde", (x + 4, y + 18 + 16 * line), 0, 0.45, tuple(255 - v for v in colour), 1)
    return image


def smeared(image: np.ndarray, angle: float) -> np.ndarray:
    kernel = np.zeros((17, 17), np.float32)
    kernel[8] = 1
    kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((8, 8), angle, 1), (17, 17))
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def lamp(image: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    far = np.hypot((x - 600) / 1200, (y - 400) / 900)
    share = np.clip(1.6 * np.exp(-((far / 0.14) ** 2)), 0, 1)[..., None]
    return (image * (1 - share) + 255 * share).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((1, 1, 3), 128, np.uint8), ()),
        (np.full((300, 200, 3), 160, np.uint8), ()),
        (np.zeros((300, 200, 3), np.uint8), ("dark",)),
        (np.full((300, 200, 3), 255, np.uint8), ("glare",)),
        (shelf(), ()),
        (shelf((480, 640)), ()),
        ((shelf() * 0.6).astype(np.uint8), ()),
        (cv2.GaussianBlur(shelf(), (0, 0), 3.5), ("blurred",)),
        (smeared(shelf(), 0), ("blurred",)),
        (smeared(shelf(), 90), ("blurred",)),
        (smeared(shelf(), 35), ("blurred",)),
        ((shelf() * 0.3).astype(np.uint8), ("dark",)),
        (lamp(shelf()), ("glare",)),
        ((cv2.GaussianBlur(shelf(), (0, 0), 3.5) * 0.3).astype(np.uint8), ("blurred", "dark")),
    ],
    ids=[
        "pixel",
        "grey",
        "black",
        "white",
        "sharp",
        "small",
        "dim",
        "blurred",
        "shaken0",
        "shaken90",
        "shaken35",
        "dark",
        "lamp",
        "both",
    ],
)
def test_advice(image: np.ndarray, expected: tuple[str, ...]) -> None:
    before = image.copy()
    assert photo_advice(image) == expected
    assert np.array_equal(image, before)


def test_white_labels_and_letters_are_no_glare() -> None:
    image = shelf()
    for x in range(10, 1150, 60):
        cv2.rectangle(image, (x, 130), (x + 14, 155), (255, 255, 255), -1)
        cv2.rectangle(image, (x, 560), (x + 14, 600), (255, 255, 255), -1)
    assert photo_advice(image) == ()


def test_a_long_strip_is_judged_too() -> None:
    assert photo_advice(np.tile(shelf()[:, :40], (4, 1, 1))) in ((), ("blurred",))
    assert photo_advice(np.full((1, 5000, 3), 128, np.uint8)) == ()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([], False), ([10.0], True), ([23.9, 23.9, 400.0], True), ([24.0], False), ([5.0, 60.0, 70.0], False)],
)
def test_too_far_goes_by_the_median_product(sizes: list[float], expected: bool) -> None:
    assert too_far(np.array(sizes, np.float32)) is expected
