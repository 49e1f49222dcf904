"""Training of a detector: refusals, tiles made once, epochs kept, and one real training that is interrupted."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from recognition.detection.safe_ultralytics import training_model
from recognition.detection.yolo import YoloDetector
from recognition.errors import CatalogError, SourceError, UsageError, WeightsError
from recognition.settings import DetectSettings
from recognition.training import detector, detector_fit, detector_tiles
from recognition.training.detector import DetectorRequest, train_detector
from recognition.training.detector_fit import EpochKeeper, FitRequest, Machine, kept_epochs, training_device
from recognition.training.detector_report import TrainReport, draw_curves
from recognition.training.detector_tiles import TileRequest, prepare_tiles

CPU = Machine("cpu", 0)


def quiet(*_: Any) -> None:
    """Says and shows nothing."""


@contextlib.contextmanager
def no_bar(_: str) -> Any:
    yield quiet


def shelves(folder: Path, count: int = 4) -> Path:
    """Photos of 200 x 160 with white products on grey, and their labels."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        image = np.full((160, 200, 3), 60 + number, np.uint8)
        lines = []
        for x in range(10, 180, 40):
            for y in (10, 90):
                cv2.rectangle(image, (x, y), (x + 29, y + 59), (255, 255, 255), -1)
                lines.append(f"0 {(x + 15) / 200} {(y + 30) / 160} {30 / 200} {60 / 160}\n")
        cv2.imwrite(str(folder / f"images/{number}.png"), image)
        (folder / f"labels/{number}.txt").write_text("".join(lines))
    return folder


def request(data: Path, **fit: Any) -> DetectorRequest:
    return DetectorRequest(
        TileRequest((str(data),), tile=64, val=0.25), FitRequest(**{"start": "scratch", "epochs": 2, "batch": 8} | fit)
    )


def train(wanted: DetectorRequest, out: Path, say: Any = quiet, overwrite: bool = False, export: str = "") -> Any:
    return train_detector(wanted, out, CPU, export, overwrite, say, no_bar)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A YOLOv8 of a hundredth of the weights stands for the network of `scratch`."""
    from recognition.detection.safe_ultralytics import _tasks

    config = _tasks().yaml_model_load("yolov8n.yaml")
    config["scales"] = {"n": [0.33, 0.0625, 256]}
    path = tmp_path / "yolov8n.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in config.items() if k not in ("yaml_file", "scale")}))
    monkeypatch.setattr(detector_fit, "_NETWORK", str(path))


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tiles", "said"),
    [
        (TileRequest(), "nothing to train on"),
        (TileRequest(("a",), catalog="c.csv"), "--catalog is for rendered"),
        (TileRequest(("a",), images="c"), "--images belongs"),
        (TileRequest(("a",), tile=100), "--tile 100"),
        (TileRequest(("a",), tile=32), "--tile 32"),
        (TileRequest(("/nowhere",)), "nowhere"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(tmp_path: Path, tiles: TileRequest, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        train(DetectorRequest(tiles, FitRequest("scratch")), tmp_path / "out")


def test_starts_devices_and_exports_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = shelves(tmp_path / "data"), tmp_path / "out"
    with pytest.raises(WeightsError, match="none"):
        train(request(data, start=str(tmp_path / "none.pt")), out)
    with pytest.raises(UsageError, match="wanted onnx or openvino"):
        train(request(data), out, export="coffee")
    monkeypatch.setattr(detector, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install onnx"):
        train(request(data), out, export="onnx")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("0", "0,1", "cuda:0", "gpu", ""):
        with pytest.raises(UsageError):
            training_device(device)
    assert training_device("auto") == training_device("cpu") == "cpu"
    assert not out.exists(), "a refused request leaves nothing behind"


def test_cards_are_passed_on_as_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setitem(sys.modules, "cloudpickle", SimpleNamespace(__spec__=object()))
    assert [training_device(name) for name in ("auto", "cuda:1", "1", "0,1")] == ["0", "1", "1", "0,1"]
    with pytest.raises(UsageError, match="cuda:2"):
        training_device("0,2")
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises((UsageError, ValueError)):
        training_device("0,1")


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    data, out = shelves(tmp_path / "data"), tmp_path / "out"
    out.mkdir()
    (out / "holiday.jpg").write_bytes(b"")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="no training made"):
            train(request(data), out, overwrite=overwrite)


def test_the_report_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
    assert [name for name in (f.name for f in fields(TrainReport)) if f"| `{name}` |" not in page] == []


# --- tiles ----------------------------------------------------------------------------------------------------------


def test_tiles_are_made_once_and_anew_for_another_request(tmp_path: Path) -> None:
    data = shelves(tmp_path / "data")
    wanted = request(data).tiles
    tiles = prepare_tiles(wanted, tmp_path / "tiles", quiet, no_bar)
    assert (tiles.photos, tiles.left_out) == (3, ())
    assert [path.name for path, _ in tiles.measured] == ["0.png"]
    assert tiles.measured[0][1].shape == (10, 4)
    assert tiles.train == len(list((tmp_path / "tiles/train/images").iterdir())) > tiles.val > 0
    assert yaml.safe_load(tiles.data.read_text())["names"] == {0: "product"}
    (data / "images/1.png").unlink()
    again = prepare_tiles(wanted, tmp_path / "tiles", quiet, no_bar)
    assert (again.photos, again.train, again.val) == (tiles.photos, tiles.train, tiles.val)
    other = prepare_tiles(replace(wanted, seed=8), tmp_path / "tiles", quiet, no_bar)
    assert other.photos == 2


def test_tiles_that_were_not_finished_are_made_again(tmp_path: Path) -> None:
    stray = tmp_path / "tiles/train/images/half.jpg"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"")
    prepare_tiles(request(shelves(tmp_path / "data")).tiles, tmp_path / "tiles", quiet, no_bar)
    assert not stray.exists()


def test_broken_photos_are_left_out_until_none_is_left(tmp_path: Path) -> None:
    data = shelves(tmp_path / "data")
    (data / "images/2.png").write_bytes(b"broken")
    wanted = request(data).tiles
    for _ in range(2):  # told again when the tiles are found
        tiles = prepare_tiles(wanted, tmp_path / "tiles", quiet, no_bar)
        assert [Path(failure.source).name for failure in tiles.left_out] == ["2.png"]
    for photo in (data / "images").iterdir():
        photo.write_bytes(b"broken")
    with pytest.raises(SourceError, match=r"no photo to train on.+\d\.png"):
        prepare_tiles(wanted, tmp_path / "other", quiet, no_bar)


def catalogue(folder: Path, names: str) -> Path:
    folder.mkdir()
    Image.new("RGB", (900, 600), (200, 30, 40)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"broken")
    (folder / "catalog.csv").write_text("\n".join(["sku,image", *(f"{name},{name}.png" for name in names)]))
    return folder / "catalog.csv"


def rendered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, list[tuple[int, ...]]]]:
    """Shelves are drawn by `shelves` above; what the renderer was asked for."""
    asked = []

    def render(out: Path, count: int, seed: int, packshots: Any, progress: Any) -> None:
        shelves(out, count)
        asked.append((count, seed, [picture.shape for picture in packshots]))

    monkeypatch.setattr(detector_tiles, "render_training_shelves", render)
    return asked


def test_rendered_shelves_carry_the_catalogues_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rendered(monkeypatch)
    catalog = str(catalogue(tmp_path / "catalog", "abc"))
    wanted = TileRequest(catalog=catalog, rendered=6, tile=64, seed=3)
    tiles = prepare_tiles(wanted, tmp_path / "tiles", quiet, no_bar)
    assert asked == [(6, 3, [(341, 512, 3)])]
    assert (tiles.photos, len(tiles.measured)) == (5, 1)
    assert len(tiles.left_out) == 2, "b is no picture, c is not there"
    with pytest.raises(SourceError, match="not one packshot"):
        prepare_tiles(replace(wanted, catalog=str(catalogue(tmp_path / "bad", "b"))), tmp_path / "t", quiet, no_bar)
    with pytest.raises(CatalogError):
        prepare_tiles(replace(wanted, catalog=str(tmp_path / "none.csv")), tmp_path / "t", quiet, no_bar)


def test_rendered_shelves_of_a_stopped_run_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []

    def render(out: Path, count: int, *_: Any) -> None:
        found.append(out.exists())
        if not out.exists():
            shelves(out, count)

    monkeypatch.setattr(detector_tiles, "render_training_shelves", render)
    wanted = TileRequest(rendered=4, tile=64, val=0.25)
    whole = prepare_tiles(wanted, tmp_path / "tiles", quiet, no_bar)
    (tmp_path / "tiles" / detector_tiles.MADE).unlink()  # as if it was stopped while tiles were cut
    (tmp_path / "tiles/train/images/half.jpg").write_bytes(b"")
    again = prepare_tiles(wanted, tmp_path / "tiles", quiet, no_bar)
    assert again.train == whole.train == len(list((tmp_path / "tiles/train/images").iterdir()))
    prepare_tiles(replace(wanted, seed=8), tmp_path / "tiles", quiet, no_bar)
    assert found == [False, True, False]


def test_beside_photos_rendered_shelves_are_all_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(monkeypatch)
    wanted = replace(request(shelves(tmp_path / "data")).tiles, rendered=5)
    tiles = prepare_tiles(wanted, tmp_path / "tiles", quiet, no_bar)
    assert tiles.photos == 3 + 5
    assert [path.parent.parent.name for path, _ in tiles.measured] == ["data"]


# --- epochs ---------------------------------------------------------------------------------------------------------


def fake_trainer(folder: Path, epoch: int, start_epoch: int = 0) -> SimpleNamespace:
    last = folder / "last.pt"
    last.write_bytes(f"epoch {epoch}".encode())
    return SimpleNamespace(
        epoch=epoch, start_epoch=start_epoch, last=last, train_time_start=time.time() - 120, metrics={},
        tloss={"box_loss": torch.tensor(1.5)},
    )  # fmt: skip


def test_the_last_finished_epoch_is_kept_and_told(tmp_path: Path) -> None:
    assert kept_epochs(tmp_path / "kept") == []
    told: list[str] = []
    keeper = EpochKeeper(tmp_path / "kept", 12, told.append)
    for epoch in (8, 9):
        keeper(fake_trainer(tmp_path, epoch, start_epoch=8))
    ((path, epochs),) = kept_epochs(tmp_path / "kept")
    assert (path.read_bytes(), epochs) == (b"epoch 9", 10)
    assert told[1].startswith("epoch 10 of 12: box_loss 1.500")
    assert told[1].endswith("2 min left"), "two epochs in two minutes, two to go"


def test_a_finished_training_is_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_fit, "training_model", lambda _: pytest.fail("trained again"))
    EpochKeeper(tmp_path / "kept", 3, quiet)(fake_trainer(tmp_path, 2))
    last = detector_fit.fit(FitRequest(epochs=3), tmp_path / "data.yaml", tmp_path, 64, 7, CPU, quiet)
    assert last.name == "epoch-0003.pt"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("fast", [True, False])
def test_layers_compute_in_bfloat16_but_weights_and_outputs_stay_float32(fast: bool) -> None:
    model = training_model(detector_fit._NETWORK).model.train()
    average = deepcopy(model)  # as ultralytics keeps one, which is what is measured and saved
    inside: list[torch.dtype] = []
    for network in (model, average):
        network.model[0].register_forward_hook(lambda *seen: inside.append(seen[2].dtype))
    pictures = torch.rand(2, 3, 64, 64)
    exact = model(pictures)["scores"].detach()
    detector_fit.suit_cpu(model, fast)
    found = model(pictures)["scores"]
    average(pictures)
    assert inside == [torch.float32, torch.bfloat16 if fast else torch.float32, torch.float32]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, atol=0.1, rtol=0.1)
    found.sum().backward()
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in model.parameters())


def test_all_threads_train_on_a_cpu_and_a_card_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(detector_fit, "multiplies_bfloat16", lambda: False)
    model = torch.nn.Conv2d(3, 8, 3)
    detector_fit._on_cpu(SimpleNamespace(device=torch.device("cuda"), model=model), 7)
    assert asked == [] and model.weight.is_contiguous()
    detector_fit._on_cpu(SimpleNamespace(device=torch.device("cpu"), model=model), 7)
    assert asked == [7] and model.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_torch_that_cannot_tell_what_the_cpu_knows_stays_with_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert detector_fit.multiplies_bfloat16()
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not detector_fit.multiplies_bfloat16()


def test_curves_are_drawn(tmp_path: Path) -> None:
    names = "epoch,time,train/box_loss,train/cls_loss,metrics/mAP50(B),val/box_loss"
    (tmp_path / "results.csv").write_text(f"{names}\n1,5,3,2,0.1,3\n2,9,2.5,2,0.3,3\n2,9,2.4,1.9,0.3,2.9\n")
    draw_curves(tmp_path / "results.csv", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(100_000)) > 20


@pytest.mark.usefixtures("tiny")
def test_a_detector_is_trained_and_can_be_used(tmp_path: Path) -> None:
    out, told = tmp_path / "out", []
    report, left_out, files = train(request(shelves(tmp_path / "data")), out, told.append)
    assert [text.split(":")[0] for text in told[-2:]] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert (report.photos, report.held_out, report.epochs, report.start, left_out) == (3, 1, 2, None, ())
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(report.as_dict()))
    assert [path.name for path in files] == ["detector.pt", "report.json", "curves.png"]
    assert all(path.is_file() for path in files)
    content = files[0].read_bytes()
    assert len(content) < (out / "kept/epoch-0002.pt").stat().st_size / 2, "no optimizer in it"
    assert str(tmp_path).encode() not in content
    found = YoloDetector(files[0], DetectSettings(device="cpu", conf=0.0)).detect([np.zeros((64, 64, 3), np.uint8)])
    assert len(found) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_an_interrupted_training_goes_on_and_its_result_can_be_tuned(tmp_path: Path) -> None:
    wanted, out, told = request(shelves(tmp_path / "data")), tmp_path / "out", []

    def interrupt(text: str) -> None:
        told.append(text)
        if text.startswith("epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(wanted, out, interrupt)
    assert [epochs for _, epochs in kept_epochs(out / "kept")] == [1]
    _, _, files = train(wanted, out, told.append)
    assert "going on after epoch 1 of 2" in told
    assert sum(text.startswith("epoch 2 of 2") for text in told) == 1
    tuned = DetectorRequest(wanted.tiles, FitRequest(str(files[0]), 1, 8))
    report, _, _ = train(tuned, tmp_path / "tuned")
    assert report.start is not None and report.start.products == report.result.products == 10
    assert report.better == (report.result.ap > report.start.ap)
    assert report.better or "not better than the start" in report.lines()[-1]


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_epoch_and_ends_with_130(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    line = f"train detector {shelves(tmp_path / 'data', 8)} --out {tmp_path / 'out'} --from scratch --epochs 50"
    command = [sys.executable, str(root / "recognize.py"), *line.split(), "--tile", "64", "--device", "cpu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for text in process.stderr:
            if text.startswith("epoch 2 of 50"):
                process.terminate()
                break
        process.stderr.read()
        assert process.wait(60) == 130
    assert kept_epochs(tmp_path / "out/kept")[-1][1] >= 2
