from __future__ import annotations

from pathlib import Path

import pytest

from recognition.errors import UsageError, WeightsError
from recognition.settings import DetectSettings, EmbedSettings, MatchSettings, Settings, load_settings, override
from recognition.weights import STARTER_DETECTOR, detector_path, weights_dir


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Settings()),
        ("[detect]\n", Settings()),
        ("[detect]\nconf = 0.5\n", Settings(detect=DetectSettings(conf=0.5))),
        ("[detect]\nconf = 1\n", Settings(detect=DetectSettings(conf=1))),
        ("[match]\ntop_k = 9\nverify = false\n", Settings(match=MatchSettings(9, False))),
        ('[match]\nwhere = ["brand=A", "size=1"]\n', Settings(match=MatchSettings(where=("brand=A", "size=1")))),
        ('[embed]\nfit = "squash"\nencoder = "clip"\n', Settings(embed=EmbedSettings("clip", "squash"))),
    ],
)
def test_a_file_changes_what_it_names(tmp_path: Path, text: str, wanted: Settings) -> None:
    (tmp_path / "s.toml").write_text(text)
    assert load_settings(tmp_path / "s.toml") == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[detect", "s.toml"),
        ("conf = 0.5\n", r"no table \[conf\].*tables are detect, embed, match, output"),
        ("[detector]\n", r"no table \[detector\]"),
        ("[detect]\nconfidence = 0.5\n", r"\[detect\] has no key confidence.*keys are detector, conf"),
        ('[detect]\n__doc__ = "x"\n', "no key __doc__"),
        ("[detect]\nconf = 2.0\n", "conf = 2.0.*from 0 to 1"),
        ("[detect]\nconf = nan\n", "conf = nan"),
        ('[detect]\nconf = "0.5"\n', "conf = '0.5'.*type float"),
        ("[detect]\nconf = true\n", "conf = True"),
        ("[detect]\nmax_boxes = 10.0\n", "type int"),
        ("[detect]\nmax_boxes = 0\n", "max_boxes = 0.*1 or more"),
        ("[detect]\nproduct_px = 0\n", "product_px = 0.*above 0"),
        ("[detect]\nproduct_px = inf\n", "product_px = inf"),
        ("[embed]\nbatch_size = -1\n", "batch_size = -1"),
        ('[embed]\nfit = "crop"\n', "fit = crop.*processor, pad or squash"),
        ("[match]\ntop_k = true\n", "type int"),
        ('[match]\nwhere = "brand=A"\n', "type list"),
        ("[output]\npictures = 1\n", "type bool"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_settings(tmp_path / "s.toml")
    assert caught.match(message)
    assert caught.value.hint


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    for name in ("absent.toml", "latin.toml", "."):
        with pytest.raises(UsageError, match="settings file"):
            load_settings(tmp_path / name)


def test_override_leaves_out_what_is_none_and_checks_the_rest() -> None:
    assert override(DetectSettings(), conf=None, device=None) == DetectSettings()
    assert override(DetectSettings(), conf=0.0, device="cpu") == DetectSettings(conf=0.0, device="cpu")
    with pytest.raises(UsageError, match="iou"):
        override(DetectSettings(), iou=-0.1)
    with pytest.raises(UsageError, match="top_k"):
        override(MatchSettings(), top_k=0)
    with pytest.raises(UsageError, match="nprobe"):
        override(MatchSettings(), nprobe=-1)


def test_weights_are_found_by_name_or_path(tmp_path: Path) -> None:
    own = tmp_path / "own.pt"
    own.write_bytes(b"x")
    assert detector_path("starter") == weights_dir() / STARTER_DETECTOR
    assert detector_path(str(own)) == own
    with pytest.raises(WeightsError, match=r"none\.pt: no such file"):
        detector_path(str(tmp_path / "none.pt"))


def test_weights_inside_the_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import recognition.weights

    monkeypatch.setattr(recognition.weights, "__file__", str(tmp_path / "recognition" / "weights.py"))
    with pytest.raises(WeightsError, match="missing"):
        weights_dir()
    (tmp_path / "weights").mkdir()
    assert weights_dir() == tmp_path / "weights"
    (tmp_path / "recognition" / "_weights").mkdir(parents=True)
    assert weights_dir() == tmp_path / "recognition" / "_weights"
