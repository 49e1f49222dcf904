import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

import recognition.sources.decode as decode
from recognition.errors import SourceError
from recognition.sources.decode import read_image

pillow_heif.register_heif_opener()
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (30, 40, 220), (240, 240, 240)
SAVED = {
    "jpg": {"quality": 95, "subsampling": 0},
    "png": {},
    "webp": {"lossless": True},
    "tif": {"compression": "tiff_lzw"},
    "bmp": {},
    "heic": {"quality": 95},
}


def quarters(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right; RGB."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return Image.fromarray(pixels)


def corners(bgr: np.ndarray) -> list[tuple[int, ...]]:
    """RGB at the middle of the four quarters, row by row."""
    height, width = bgr.shape[:2]
    return [
        tuple(int(v) for v in bgr[y, x, ::-1]) for y in (height // 4, -height // 4) for x in (width // 4, -width // 4)
    ]


def assert_close(got: list[tuple[int, ...]], wanted: list[tuple[int, ...]], within: int = 6) -> None:
    assert np.abs(np.array(got) - np.array(wanted)).max() <= within, (got, wanted)


@pytest.mark.parametrize("suffix", SAVED)
def test_every_format_is_read_by_its_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"wrong.{'png' if suffix == 'jpg' else 'jpg'}"
    path.write_bytes(encoded(quarters(), suffix))
    decoded = read_image(path)
    assert decoded.image.shape == (64, 96, 3)
    assert decoded.image.dtype == np.uint8
    assert decoded.image.flags.c_contiguous
    assert_close(corners(decoded.image), [RED, GREEN, BLUE, WHITE])
    assert (decoded.captured_at, decoded.notes) == ("", ())


def encoded(picture: Image.Image, suffix: str, **more: object) -> bytes:
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF", "heic": "HEIF"}.get(suffix, suffix.upper())
    picture.save(buffer, kind, **{**SAVED.get(suffix, {}), **more})
    return buffer.getvalue()


# The stored picture that shows `quarters` upright once orientation n is applied.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("suffix", ["jpg", "cmyk.jpg", "png", "webp", "tif", "heic"])
@pytest.mark.parametrize("orientation", STORED)
def test_orientation_is_applied_exactly_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    turn = STORED[orientation]
    stored = quarters() if turn is None else quarters().transpose(turn)
    if suffix == "cmyk.jpg":
        stored = stored.convert("CMYK")
    exif = stored.getexif()
    exif[Base.Orientation] = orientation
    # HEIC keeps its turn in the container, as phones write it; its encoder takes it from the picture.
    data = encoded(stored, "heic") if suffix == "heic" else encoded(stored, suffix[-4:].lstrip("."), exif=exif)
    assert suffix != "heic" or (b"irot" in data or b"imir" in data) is (orientation > 1)
    path = tmp_path / "photo"
    path.write_bytes(data)
    image = read_image(path).image
    assert image.shape == (64, 96, 3)
    assert_close(corners(image), [RED, GREEN, BLUE, WHITE], within=8)


def test_an_orientation_that_is_nonsense_leaves_the_photo_as_it_is(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 77
    (tmp_path / "a.jpg").write_bytes(encoded(quarters(), "jpg", exif=exif))
    assert_close(corners(read_image(tmp_path / "a.jpg").image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_cost_the_photo(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(quarters(), "jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fbroken"))
    assert_close(corners(read_image(tmp_path / "a.jpg").image), [RED, GREEN, BLUE, WHITE])


def grey16(suffix: str) -> bytes:
    levels = np.repeat(np.array([0, 257 * 50, 257 * 128, 65535], np.uint16), 16)
    return encoded(Image.fromarray(np.tile(levels, (16, 1))), suffix)


def rgb16_tiff() -> bytes:
    import cv2

    levels = np.repeat(np.array([0, 257 * 50, 257 * 128, 65535], np.uint16), 16)
    return cv2.imencode(".tiff", np.tile(levels[None, :, None], (16, 1, 3)))[1].tobytes()


def levels8(mode: str, suffix: str) -> bytes:
    levels = np.repeat(np.array([0, 50, 128, 255], np.uint8), 16)
    return encoded(Image.fromarray(np.tile(levels, (16, 1))).convert(mode), suffix)


def transparent(mode: str, suffix: str) -> bytes:
    picture = Image.fromarray(np.tile(np.repeat(np.array([0, 50, 128, 10], np.uint8), 16), (16, 1))).convert(mode)
    picture.putalpha(Image.fromarray(np.tile(np.repeat(np.array([255, 255, 255, 0], np.uint8), 16), (16, 1))))
    return encoded(picture, suffix)


def palette(transparency: int | None) -> bytes:
    picture = Image.fromarray(np.tile(np.repeat(np.arange(4, dtype=np.uint8), 16), (16, 1)), "L").copy()
    indexed = Image.new("P", picture.size)
    indexed.putdata(picture.get_flattened_data())
    indexed.putpalette([0, 0, 0, 50, 50, 50, 128, 128, 128, *([255] * 3 if transparency is None else [9, 9, 9])])
    return encoded(indexed, "png", **({} if transparency is None else {"transparency": transparency}))


@pytest.mark.parametrize(
    ("data", "within"),
    [
        (grey16("png"), 0),
        (grey16("tif"), 0),
        (rgb16_tiff(), 0),
        (levels8("L", "png"), 0),
        (levels8("L", "jpg"), 2),
        (levels8("CMYK", "jpg"), 3),
        (levels8("CMYK", "tif"), 1),
        (palette(None), 0),
        (palette(3), 0),
        (transparent("RGB", "png"), 0),
        (transparent("L", "png"), 0),
        (transparent("RGB", "webp"), 0),
        (transparent("RGB", "heic"), 4),
    ],
    ids=[
        "grey16png",
        "grey16tif",
        "rgb16tif",
        "grey",
        "greyjpg",
        "cmykjpg",
        "cmyktif",
        "palette",
        "palettealpha",
        "rgba",
        "la",
        "webpa",
        "heica",
    ],
)
def test_pixel_kinds_come_out_with_the_right_brightness(tmp_path: Path, data: bytes, within: int) -> None:
    (tmp_path / "photo").write_bytes(data)
    image = read_image(tmp_path / "photo").image
    got = image[8, [8, 24, 40, 56]].astype(int)
    assert np.abs(got - np.array([0, 50, 128, 255])[:, None]).max() <= within, got


def test_pixels_without_a_brightness_scale_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(SourceError, match=r"a\.tif: pixels of kind F"):
        read_image(tmp_path / "a.tif")


def test_black_and_white_fax_is_read(tmp_path: Path) -> None:
    Image.fromarray(np.tile(np.repeat([False, True], 16), (8, 1))).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").image[4, [4, 28], 0].tolist() == [0, 255]


def test_the_fast_jpeg_path_agrees_with_pillow(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (24, 40, 3), np.uint8)
    picture = Image.fromarray(noise).resize((320, 200), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "a.jpg", quality=85)
    with Image.open(tmp_path / "a.jpg") as again:
        slow = np.asarray(again.convert("RGB")).astype(int)
    assert np.abs(read_image(tmp_path / "a.jpg").image[:, :, ::-1] - slow).max() <= 2


def swapping_profile() -> bytes:
    """A valid RGB profile whose red and blue primaries are exchanged: applying it swaps the two."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"_XYZ").replace(b"bXYZ", b"rXYZ").replace(b"_XYZ", b"bXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "wild".encode("utf-16-be")).replace(
        b"sRGB built-in", b"wild built-in"
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "heic"])
def test_an_embedded_profile_is_applied(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a").write_bytes(encoded(quarters(), suffix, icc_profile=swapping_profile()))
    assert_close(corners(read_image(tmp_path / "a").image), [c[::-1] for c in (RED, GREEN, BLUE, WHITE)], within=8)


def test_a_profile_keeps_alpha_on_white(tmp_path: Path) -> None:
    picture = quarters()
    picture.putalpha(Image.new("L", picture.size, 0))
    (tmp_path / "a").write_bytes(encoded(picture, "png", icc_profile=swapping_profile()))
    assert (read_image(tmp_path / "a").image == 255).all()


@pytest.mark.parametrize(
    ("mode", "profile", "notes"),
    [
        ("RGB", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), ()),
        ("L", swapping_profile(), ()),
        ("RGB", b"no profile at all", ("damaged colour profile: ignored",)),
    ],
    ids=["srgb", "other kind", "damaged"],
)
def test_profiles_that_change_nothing(tmp_path: Path, mode: str, profile: bytes, notes: tuple[str, ...]) -> None:
    (tmp_path / "a").write_bytes(encoded(quarters().convert(mode), "png", icc_profile=profile))
    decoded = read_image(tmp_path / "a")
    wanted = np.asarray(quarters().convert(mode).convert("RGB"))
    assert np.array_equal(decoded.image[:, :, ::-1], wanted)
    assert decoded.notes == notes


@pytest.mark.parametrize(
    ("suffix", "note"),
    [
        ("gif", "animated: first frame used"),
        ("webp", "animated: first frame used"),
        ("png", "animated: first frame used"),
        ("tif", "several pages: first page used"),
        ("heic", "several pictures: main one used"),
    ],
)
def test_of_several_frames_the_first_is_used_and_said(tmp_path: Path, suffix: str, note: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in (RED, GREEN, BLUE)]
    (tmp_path / "a").write_bytes(encoded(frames[0], suffix, save_all=True, append_images=frames[1:]))
    decoded = read_image(tmp_path / "a")
    assert_close(corners(decoded.image), [RED] * 4)
    assert decoded.notes == (note,)


def test_a_phones_preview_inside_a_jpeg_is_not_worth_a_note(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[quarters((48, 32))])
    decoded = read_image(tmp_path / "a.jpg")
    assert decoded.image.shape == (64, 96, 3)
    assert decoded.notes == ()


EXIF_TIMES = [
    ({}, {}, ""),
    ({Base.DateTimeOriginal: "2026:05:31 08:30:00"}, {}, ""),
    (
        {Base.DateTimeOriginal: "2026:05:31 08:30:00", Base.OffsetTimeOriginal: "+02:00"},
        {},
        "2026-05-31T08:30:00+02:00",
    ),
    ({Base.DateTimeOriginal: "2026:05:31 08:30:00", Base.OffsetTimeOriginal: "   :  "}, {}, ""),
    ({Base.DateTimeOriginal: "0000:00:00 00:00:00", Base.OffsetTimeOriginal: "+02:00"}, {}, ""),
    (
        {Base.DateTimeOriginal: "2026:05:31 08:30:00"},
        {GPS.GPSDateStamp: "2026:05:31", GPS.GPSTimeStamp: (6, 30, 5)},
        "2026-05-31T06:30:05+00:00",
    ),
    ({}, {GPS.GPSDateStamp: "2026:05:31"}, ""),
    ({}, {GPS.GPSDateStamp: "2026:05:31", GPS.GPSTimeStamp: (IFDRational(0, 0), 30, 5)}, ""),
    ({}, {GPS.GPSDateStamp: "yesterday", GPS.GPSTimeStamp: (6, 30, 5)}, ""),
]


@pytest.mark.parametrize(("tags", "gps", "expected"), EXIF_TIMES)
@pytest.mark.parametrize("suffix", ["jpg", "heic", "png"])
def test_captured_at_is_an_instant_or_empty(tmp_path: Path, suffix: str, tags: dict, gps: dict, expected: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif).update(tags)
    exif.get_ifd(IFD.GPSInfo).update(gps)
    (tmp_path / "a").write_bytes(encoded(quarters(), suffix, exif=exif.tobytes()))
    assert read_image(tmp_path / "a").captured_at == expected


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "heic"])
def test_a_picture_beyond_the_bound_is_refused_before_decoding(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(encoded(quarters(), suffix))
    assert read_image(tmp_path / "a", max_pixels=96 * 64).image.size
    monkeypatch.setattr(decode, "_decoded", lambda *rest: pytest.fail("decoded"))
    with pytest.raises(SourceError, match=r"96 x 64 pixels"):
        read_image(tmp_path / "a", max_pixels=96 * 64 - 1)


def test_a_header_that_claims_huge_pixels_is_refused(tmp_path: Path) -> None:
    header = bytearray(encoded(Image.new("1", (8, 8)), "bmp"))
    header[18:26] = (30_000).to_bytes(4, "little") * 2
    (tmp_path / "bomb.bmp").write_bytes(header)
    with pytest.raises(
        SourceError, match=r"bomb\.bmp: 30000 x 30000 pixels \(900\.0 megapixels\), the bound is 200\.0"
    ):
        read_image(tmp_path / "bomb.bmp")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp", "heic"])
def test_a_file_cut_short_is_one_clear_line(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), suffix)
    for part in (0.9, 0.5):
        (tmp_path / "a").write_bytes(data[: int(len(data) * part)])
        with pytest.raises(SourceError, match=r"cut short or damaged|its beginning is damaged") as caught:
            read_image(tmp_path / "a")
        assert str(tmp_path / "a") in caught.value.message
        assert "\n" not in str(caught.value) and caught.value.hint


def test_a_jpeg_with_spoilt_data_inside_is_used_with_a_note(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    data = bytearray(encoded(Image.fromarray(noise), "jpg"))
    middle = len(data) // 2
    data[middle : middle + 4] = b"\xff\xd5\xff\xd5"
    (tmp_path / "a.jpg").write_bytes(data)
    assert read_image(tmp_path / "a.jpg").notes == ("damaged JPEG: parts may be missing",)


def test_empty_missing_folder_text_and_pipe(tmp_path: Path) -> None:
    import os

    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("this is no picture")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    cases = {
        "empty.jpg": "the file is empty",
        "text.jpg": "not a picture",
        "gone.jpg": "no such file",
        "folder": "holds no picture",
        "gone*.jpg": "matches no picture",
        "pipe.jpg": "not a regular file",
        "x" * 300: "cannot be read",
    }
    for name, sentence in cases.items():
        with pytest.raises(SourceError, match=sentence) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (PermissionError(13, "Permission denied"), "no permission to read it"),
        (OSError(5, "Input/output error"), r"cannot be read \(Input/output error\)"),
    ],
)
def test_a_file_that_refuses_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: OSError, sentence: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(quarters(), "jpg"))

    def refuse(*args: object, **kwargs: object) -> None:
        raise failure

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match=sentence):
        read_image(tmp_path / "a.jpg")


def test_too_little_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decode, "_decoded", exhausted)
    (tmp_path / "a.jpg").write_bytes(encoded(quarters(), "jpg"))
    with pytest.raises(SourceError, match="not enough memory"):
        read_image(tmp_path / "a.jpg")
