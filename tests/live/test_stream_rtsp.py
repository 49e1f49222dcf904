"""The whole command on a real RTSP camera whose connection is cut: gaps, files, lag, and no password anywhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
from sources.test_rtsp import NEEDED, PYTHON, Shop

from recognition.outputs.live_folder import STATS
from recognition.outputs.tables import read_planogram

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = """
import sys
sys.path.insert(0, "tests")
from fakes import FakeDetector, FakeEncoder
import recognition.run, recognize
recognition.run.load_encoder = lambda settings, *rest, **more: FakeEncoder()
boxes = {(480, 640): [(20, 130, 140, 350), (180, 130, 300, 350)]}
recognition.run.YoloDetector = lambda path, settings: FakeDetector(boxes)
recognize.main()
"""


@pytest.fixture
def camera():
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", NEEDED], capture_output=True).returncode:
        pytest.skip("no GStreamer RTSP server: docs/streaming.md says which Debian packages make one")
    made = Shop()
    yield made
    made.close()


def gaps(out: Path) -> list[dict[str, object]]:
    lines = (out / "events.jsonl").read_text().splitlines() if (out / "events.jsonl").exists() else []
    return [event for event in map(json.loads, lines) if event["event"] == "gap"]


def wait_for(what, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "never came"
        time.sleep(0.1)


def test_a_camera_that_is_cut_off_and_stopped_leaves_whole_files_and_no_password(shop, cli, camera) -> None:
    assert cli("skus", "build", shop.catalog(1, 2, 3, 4), "--images", shop.folder).code == 0
    out = shop.folder / "live"
    given = ["stream", camera.url, "--db", shop.folder / "sku_db", "--out", out, "--save-video", "--interval", "0.5"]
    command = [sys.executable, "-c", COMMAND, *map(str, given), "--no-blur-faces"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def figures() -> dict[str, object]:
        return json.loads((out / STATS).read_text()) if (out / STATS).exists() else {"frames_read": 0}

    try:
        wait_for(lambda: figures()["frames_read"] > 30)
        camera.proxy.cut()
        wait_for(lambda: len(gaps(out)) == 2)
        read = figures()["frames_read"]
        wait_for(lambda: figures()["frames_read"] > read + 50)
        process.send_signal(signal.SIGTERM)
        printed, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, errors.decode()
    stats = figures()
    assert stats["state"] == "stopped" and stats["reconnects"] == 1 and stats["lag_s"] < 1
    assert str(gaps(out)[1]["was"]).startswith("pictures again after")
    read_planogram(out / "planogram.csv")
    (video,) = (out / "video").glob("*.mkv")
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5
    written = [path.read_bytes() + path.name.encode() for path in out.rglob("*") if path.is_file()]
    assert not [1 for content in (*written, printed, errors) if b"s3cret" in content]
    assert any(b"shop:***@" in content for content in written)
