import pytest

from recognition.sources.urls import is_url, mask_secrets, scheme, url_suffix


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("", ""),
        ("photos/a.jpg", "photos/a.jpg"),
        ("0", "0"),
        ("me@home.mp4", "me@home.mp4"),
        ("rtsp://camera/aisle4", "rtsp://camera/aisle4"),
        ("rtsp://camera:554/aisle4", "rtsp://camera:554/aisle4"),
        ("rtsp://me@camera/a", "rtsp://me@camera/a"),
        ("rtsp://me:pw@camera:554/a", "rtsp://me:***@camera:554/a"),
        ("rtsp://:pw@camera/a", "rtsp://:***@camera/a"),
        ("rtsp://me:@camera/a", "rtsp://me:***@camera/a"),
        ("RTSP://me:p@ss/w?r#d:1@camera/a", "RTSP://me:***@camera/a"),
        ("http://h/v?user=a&password=pw&w=1", "http://h/v?user=a&password=***&w=1"),
        ("http://h/v?PWD=pw#top", "http://h/v?PWD=***#top"),
        ("http://h/v?token=t;apikey=k", "http://h/v?token=***;apikey=***"),
        ("http://h/v?monkey=k", "http://h/v?monkey=k"),
        ("[Errno 111] refused: 'rtsp://me:pw@h/a' and rtsp://u:x@i", "[Errno 111] refused: 'rtsp://me:***@h/a' and "
         "rtsp://u:***@i"),
    ],
)  # fmt: skip
def test_no_secret_is_written(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(
    ("source", "url"), [("", False), ("a.mp4", False), ("C:/a.mp4", False), ("rtsp://h", True), ("HTTP://h/", True)]
)
def test_addresses_and_paths(source: str, url: bool) -> None:
    assert is_url(source) is url


def test_parts() -> None:
    assert scheme("RTSP://h/a") == "rtsp"
    assert [url_suffix(u) for u in ("http://h/a.MP4?x=1.jpg", "http://h/", "rtsp://h/a")] == [".mp4", "", ""]
