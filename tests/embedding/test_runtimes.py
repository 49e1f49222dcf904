import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recognition.embedding import openvino_cache, openvino_library, openvino_runtime
from recognition.embedding.huggingface import HuggingFaceEncoder
from recognition.embedding.openvino_cache import BIN, ENTRY, XML, Entry, cache_folder, cached
from recognition.embedding.runtimes import Model, open_runtime
from recognition.errors import EncoderError, UsageError, WeightsError
from recognition.settings import RUNTIMES, EmbedSettings

SETTINGS = EmbedSettings(device="cpu", batch_size=3)
Folder = Callable[[str], Path]


def load(folder: Path, runtime: str, calibration: list[np.ndarray] | None = None) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(folder, "tested", replace(SETTINGS, runtime=runtime), calibration or [])


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one * other).sum(axis=1))


def broken() -> None:
    raise WeightsError("loaded, though it was not to be")


HAS_BFLOAT16 = pytest.mark.skipif(not openvino_runtime.knows_bfloat16(), reason="the processor has no bfloat16")
SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("siglip", "efficientnet", "convnext", "dinov2", "vit")]


@pytest.mark.parametrize("kind", ["clip", "resnet", *SLOW])
def test_openvino_gives_what_torch_gives(kind: str, model_folder: Folder, crops: list[np.ndarray]) -> None:
    torch, openvino = load(model_folder(kind), "torch"), load(model_folder(kind), "openvino")
    assert (openvino.runtime, openvino.dim, openvino.fingerprint) == ("openvino", torch.dim, torch.fingerprint)
    assert openvino.encode([]).shape == (0, torch.dim)
    vectors = openvino.encode(crops)  # 8 crops in batches of 3
    assert vectors.dtype == np.float32
    assert cosines(vectors, torch.encode(crops)).min() >= 0.9999
    assert np.allclose(openvino.encode(crops[4:5]), vectors[4:5], atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", pytest.param("resnet", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "runtime", ["openvino-int8-weights", "openvino-int8", pytest.param("openvino-bf16", marks=HAS_BFLOAT16)]
)
def test_what_rounds_is_close(kind: str, runtime: str, model_folder: Folder, crops: list[np.ndarray]) -> None:
    exact = load(model_folder(kind), "openvino")
    quick = load(model_folder(kind), runtime, crops)
    assert (quick.runtime, quick.fingerprint) == (runtime, exact.fingerprint)
    vectors = quick.encode(crops)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert cosines(vectors, exact.encode(crops)).min() > 0.9
    assert not np.array_equal(vectors, exact.encode(crops))


def test_head_pooling_and_padding_are_converted_too(starter_folder: Path, crops: list[np.ndarray]) -> None:
    auto = load(starter_folder, "auto")
    assert auto.runtime == "openvino"
    assert cosines(auto.encode(crops), load(starter_folder, "torch").encode(crops)).min() >= 0.9999


def test_a_converted_model_is_opened_without_loading_the_weights(
    model_folder: Folder, crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = load(model_folder("clip"), "openvino").encode(crops)
    monkeypatch.setattr("recognition.embedding.towers.ImageTower", lambda *_: broken())
    assert np.array_equal(load(model_folder("clip"), "openvino").encode(crops), vectors)
    with pytest.raises(WeightsError, match="loaded"):
        load(model_folder("clip"), "torch")


@pytest.mark.parametrize("file", [XML, BIN, ENTRY])
@pytest.mark.parametrize("harm", [b"", None, b"{}"])
def test_a_damaged_entry_is_made_anew(file: str, harm: bytes | None, fake_entry: Callable[[], Path]) -> None:
    path = fake_entry() / file
    whole = path.read_bytes()
    path.unlink()
    if harm is not None:
        path.write_bytes(harm)
    assert fake_entry() == path.parent
    assert path.read_bytes() == whole


def test_an_entry_is_made_once(fake_entry: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fake_entry()
    assert cached(folder.name, lambda _: pytest.fail("made twice"))[1].dim == 5
    assert sorted(path.name for path in folder.parent.iterdir()) == ["key", "key.lock"]


def test_a_failed_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(openvino_cache.ENVIRONMENT, str(tmp_path))
    with pytest.raises(WeightsError):
        cached("key", lambda _: broken())  # type: ignore[arg-type, func-returns-value]
    assert [path.name for path in (tmp_path / "converted").iterdir()] == ["key.lock"]


@pytest.fixture
def fake_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    monkeypatch.setenv(openvino_cache.ENVIRONMENT, str(tmp_path))

    def make(folder: Path) -> Entry:
        (folder / XML).write_text("graph")
        (folder / BIN).write_text("weights")
        return Entry(5, 1.0)

    return lambda: cached("key", make)[0]


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(openvino_cache.ENVIRONMENT, str(tmp_path / "file"))
    with pytest.raises(EncoderError, match="cannot be kept") as caught:
        cached("key", lambda _: Entry())
    assert openvino_cache.ENVIRONMENT in caught.value.hint


def test_the_cache_is_the_users_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(openvino_cache.ENVIRONMENT)
    assert cache_folder().name == "shelf-recognition"


def test_the_key_follows_from_everything() -> None:
    model, crops = Model("m", "a", (8, 8), broken), np.zeros((1, 8, 8, 3), np.uint8)  # type: ignore[arg-type]
    keys = [
        openvino_runtime._key("openvino", model, crops),
        openvino_runtime._key("openvino-int8", model, crops),
        openvino_runtime._key("openvino", replace(model, key="b"), crops),
        openvino_runtime._key("openvino", model, crops + np.uint8(1)),
    ]
    assert len(set(keys)) == 4
    assert keys[0] == openvino_runtime._key("openvino", replace(model, name="n"), crops.copy())


def as_if(monkeypatch: pytest.MonkeyPatch, entry: Entry) -> None:
    """As if every conversion had ended so."""
    monkeypatch.setattr(openvino_runtime, "cached", lambda key, make: (Path("nowhere"), entry))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry(failure="OpConversionFailure: no such layer"), "no such layer"),
        (Entry(24, 0.98), "0.98"),
        (Entry(24, float("nan")), "nan"),
    ],
)
def test_what_openvino_cannot_do_right_is_refused_and_auto_takes_torch(
    model_folder: Folder, monkeypatch: pytest.MonkeyPatch, entry: Entry, message: str
) -> None:
    as_if(monkeypatch, entry)
    with pytest.raises(EncoderError, match=message) as caught:
        load(model_folder("clip"), "openvino")
    assert "--runtime torch" in caught.value.hint
    assert load(model_folder("clip"), "auto").runtime == "torch"


def test_unknown_runtime(model_folder: Folder) -> None:
    with pytest.raises(UsageError, match="tensorrt") as caught:
        load(model_folder("clip"), "tensorrt")
    assert all(name in caught.value.hint for name in ("auto", *RUNTIMES))


def test_openvino_and_another_device_exclude_each_other(model_folder: Folder) -> None:
    with pytest.raises(UsageError, match="exclude"):
        HuggingFaceEncoder(model_folder("clip"), "tested", EmbedSettings(device="cuda:0", runtime="openvino"))


def test_int8_without_calibration_crops_says_what_to_do(model_folder: Folder) -> None:
    with pytest.raises(UsageError, match="there are none") as caught:
        load(model_folder("clip"), "openvino-int8")
    assert "openvino-int8-weights" in caught.value.hint


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, bring in (("openvino", openvino_library.openvino), ("nncf", openvino_library.nncf)):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(EncoderError, match="cannot be imported") as caught:
            bring()
        assert f"pip install {name}" in caught.value.hint.replace("'shelf-recognition[int8]', or pip install ", "")


def test_auto_without_the_package_is_torch(model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert load(model_folder("clip"), "auto").runtime == "torch"


@pytest.mark.parametrize(("affinity", "asked", "wanted"), [(4, "", 4), (4, "2", 2), (2, "8", 2), (3, "many", 3)])
def test_threads(affinity: int, asked: str, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert openvino_runtime._threads() == wanted


def test_a_failing_model_is_translated(model_folder: Folder, crops: list[np.ndarray]) -> None:
    encoder = load(model_folder("clip"), "openvino")
    with pytest.raises(EncoderError, match="OpenVINO"):
        encoder._runtime.features(np.zeros((1, 9, 9, 3), np.uint8))
    assert len(encoder.encode(crops)) == len(crops)


def test_long_work_is_announced(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    import time

    monkeypatch.setattr(openvino_runtime, "_SLOW_SECONDS", 0.01)
    with openvino_runtime._saying("converting"):
        time.sleep(0.1)
    with openvino_runtime._saying("quick"):
        pass
    assert caplog.messages == ["converting"]


@pytest.mark.parametrize("library", ["openvino", pytest.param("nncf", marks=pytest.mark.slow)])
def test_nothing_is_reported_to_anyone(library: str, tmp_path: Path) -> None:
    code = """
import json, socket, sys
socket.socket.connect = lambda *_: sys.exit("a connection")
from recognition.embedding import openvino_library
getattr(openvino_library, sys.argv[1])()
print(json.dumps([name for name, module in sys.modules.items() if "telemetry" in name and module]))
"""
    home = {"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, library], env=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not [name for name in json.loads(done.stdout.splitlines()[-1]) if name.startswith("openvino_telemetry")]
    assert not (tmp_path / "intel").exists()


def test_bfloat16_needs_a_processor_that_has_it(model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runtime, "knows_bfloat16", lambda: False)
    with pytest.raises(EncoderError, match="does not calculate in bfloat16") as told:
        load(model_folder("clip"), "openvino-bf16")
    assert "--runtime openvino" in told.value.hint
    assert openvino_runtime._settings("openvino-int8")["INFERENCE_PRECISION_HINT"] == "f32"


@pytest.mark.parametrize("runtime", [name for name in RUNTIMES if name.startswith("openvino")])
def test_only_float32_keeps_to_float32(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runtime, "knows_bfloat16", lambda: True)
    hint = openvino_runtime._settings(runtime)["INFERENCE_PRECISION_HINT"]
    assert hint == ("f32" if runtime == "openvino" else "bf16")


def test_batches_of_any_length(model_folder: Folder) -> None:
    encoder = load(model_folder("clip"), "openvino")
    pictures = np.random.default_rng(0).integers(0, 256, (19, 64, 64, 3), dtype=np.uint8)
    whole = encoder._runtime.features(pictures)
    assert np.allclose(
        np.concatenate([encoder._runtime.features(pictures[i : i + 1]) for i in range(19)]), whole, atol=1e-4
    )


def test_open_runtime_on_the_cpu_names_itself(model_folder: Folder) -> None:
    assert load(model_folder("clip"), "torch")._runtime.exact
    assert not load(model_folder("clip"), "openvino-int8-weights")._runtime.exact
    with pytest.raises(UsageError):
        open_runtime("", "cpu", Model("m", "k", (8, 8), broken))  # type: ignore[arg-type]
