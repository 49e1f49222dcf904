"""The commands as a user meets them: exit codes, what is printed where, refusals. Fakes stand behind the models."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Cli, Shop

from recognition.matching.proof import OPENING
from recognition.types import Detections, Image

ROOT = Path(__file__).parents[1]


@pytest.fixture
def ready(shop: Shop, cli: Cli) -> Shop:
    """A shop with a database of three SKUs in ./sku_db."""
    assert cli("skus", "build", shop.catalog(1, 2, 3)).code == 0
    return shop


# --- wrong usage: 2, and nothing is written -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "run",
        "run shelf.png",
        "run shelf.png --out out --frobnicate",
        "run shelf.png --out out --top-k many",
        "run shelf.png --out out --conf 1.5",
        "run shelf.png --out out --iou -1",
        "run shelf.png --out out --top-k 0",
        "run shelf.png --out out --effort -1",
        "run shelf.png --out out --where brand",
        "run shelf.png --out out --overwrite --resume",
        "run shelf.png --out out --meta none.csv",
        "run shelf.png --out shelf.png",
        "--settings none.toml run shelf.png --out out",
        "--settings broken.toml run shelf.png --out out",
        "match",
        "skus build",
        "skus build catalog.csv --false-known 0",
        "skus",
        "evaluate",
        "evaluate detection nowhere",
        "evaluate matching nowhere",
        "frobnicate",
        "",
    ],
)
def test_wrong_usage_is_2_and_says_so(ready: Shop, cli: Cli, arguments: str) -> None:
    ready.photo("shelf.png", 1)
    Path("broken.toml").write_text("[detect\nconf = high")
    answer = cli(*arguments.split())
    assert answer.code == 2
    assert answer.err or "Usage" in answer.out
    assert "Traceback" not in answer.err
    assert not Path("out").exists()


def test_an_output_folder_that_holds_something_is_refused(ready: Shop, cli: Cli) -> None:
    photo = ready.photo("shelf.png", 1)
    Path("out").mkdir()
    Path("out/mine.txt").write_text("keep")
    answer = cli("run", photo, "--out", "out")
    assert answer.code == 2
    assert "--overwrite or --resume" in answer.err
    assert [path.name for path in Path("out").iterdir()] == ["mine.txt"]


# --- run ------------------------------------------------------------------------------------------------------------


def test_run_prints_a_line_per_photo_and_its_files(ready: Shop, cli: Cli) -> None:
    photos = [ready.photo("a/shelf.png", 1, 2, 99), ready.photo("b/shelf.png", 3)]
    answer = cli("run", *photos, "--out", "out")
    assert answer.code == 0
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert lines[0].startswith(f"{photos[0]}: 3 products on 1 shelves, 2 recognized, 0 ambiguous, 1 unknown")
    files = [
        f"out/{n}" for n in ("planogram.csv", "products.csv", "photos.csv", "failures.csv", "run.json", "pictures")
    ]
    assert lines[2:] == files
    assert len(list(Path("out/pictures").glob("*.jpg"))) == 2, "equal names do not collide"


def test_run_takes_folders_and_patterns(ready: Shop, cli: Cli) -> None:
    for name in ("in/2.png", "in/deep/1.png", "in/1.png", "aisle7/x.png", "aisle8/y.png"):
        ready.photo(name, 1)
    answer = cli("run", "in", "aisle*/*.png", "--out", "out", "--no-pictures", "--json")
    sources = [json.loads(line)["source"] for line in answer.out.splitlines()]
    assert sources == ["in/1.png", "in/2.png", "in/deep/1.png", "aisle7/x.png", "aisle8/y.png"]


@pytest.mark.parametrize(("inputs", "code"), [(["none.png"], 1), (["none.png", "a.png"], 3), (["a.png"], 0)])
def test_run_says_how_much_was_done(ready: Shop, cli: Cli, inputs: list[str], code: int) -> None:
    ready.photo("a.png", 1)
    answer = cli("run", *inputs, "--out", "out", "--no-pictures")
    assert answer.code == code
    assert ("none.png: read failed: photo none.png: no such file (check the path)" in answer.err) is (code > 0)
    with Path("out/failures.csv").open(newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == [name for name in inputs if name == "none.png"]


def test_run_json_prints_only_json(ready: Shop, cli: Cli) -> None:
    ready.photo("a.png", 1, 2, 3)
    lines = [json.loads(line) for line in cli("run", "a.png", "none.png", "--out", "o", "--json").out.splitlines()]
    assert lines[0]["recognized"] == 3
    assert lines[1]["stage"] == "read"


def test_options_reach_the_run(ready: Shop, cli: Cli) -> None:
    ready.photo("a.png", 1)
    Path("s.toml").write_text("[detect]\nconf = 0.6\niou = 0.4\n[output]\npictures = false\n")
    options = ["--conf", "0.7", "--top-k", "2", "--store-id", "S", "--planogram-id", "P", "--blur-faces"]
    assert cli("--settings", "s.toml", "run", "a.png", "--out", "out", *options).code == 0
    run = json.loads(Path("out/run.json").read_text())
    assert (run["settings"]["detect"]["conf"], run["settings"]["detect"]["iou"]) == (0.7, 0.4)
    assert run["settings"]["match"]["top_k"] == 2
    assert run["settings"]["output"] == {"pictures": False, "blur_faces": True}
    assert "P,S,," in Path("out/planogram.csv").read_text()


def test_only_part_of_the_catalogue_is_looked_for(ready: Shop, cli: Cli) -> None:
    photo = ready.photo("a.png", 1, 2, 3)
    Path("store.txt").write_text("S2\n")
    assert cli("run", photo, "--out", "out", "--no-pictures", "--assortment", "store.txt").code == 0
    with Path("out/products.csv").open(newline="") as file:
        assert {row["sku"] for row in csv.DictReader(file)} == {"S2", ""}
    assert json.loads(Path("out/run.json").read_text())["settings"]["match"]["assortment"] == "store.txt"
    answer = cli("match", photo, "--where", "sku=S1", "--where", "sku=S3", "--effort", "8", "--json")
    assert {one["sku"] for one in json.loads(answer.out)["matches"]} == {"S1", "S3"}
    refused = cli("run", photo, "--out", "out2", "--where", "brand=Nobody")
    assert (refused.code, Path("out2").exists()) == (2, False)
    assert "nothing to look for" in refused.err
    assert cli("run", photo, "--out", "out2", "--assortment", "none.txt").code == 1


def test_overwrite_replaces_and_resume_goes_on(ready: Shop, cli: Cli) -> None:
    ready.photo("a.png", 1)
    ready.photo("b.png", 2)
    assert cli("run", "a.png", "--out", "out", "--no-pictures").code == 0
    before = ready.encoder.encoded
    assert cli("run", "a.png", "b.png", "--out", "out", "--no-pictures", "--resume").code == 0
    assert ready.encoder.encoded == before + OPENING + 3, "only the second photo was looked at"
    assert "a.png" in Path("out/products.csv").read_text()
    assert cli("run", "b.png", "--out", "out", "--no-pictures", "--overwrite").code == 0
    assert "a.png" not in Path("out/products.csv").read_text()


def test_a_run_without_a_database_says_how_to_make_one(shop: Shop, cli: Cli) -> None:
    shop.photo("a.png", 1)
    answer = cli("run", "a.png", "--db", "nowhere", "--out", "out")
    assert answer.code == 1
    assert answer.err.startswith("error: nowhere: no SKU database here")
    assert "skus build" in answer.err
    assert len(answer.err.splitlines()) == 1


def test_debug_shows_the_traceback_and_keeps_the_exit_code(shop: Shop, cli: Cli) -> None:
    for code, command in ((1, ["skus", "info", "--db", "nowhere"]), (2, ["evaluate", "detection", "nowhere"])):
        plain, debug = cli(*command), cli("--debug", *command)
        assert plain.code == debug.code == code
        assert "Traceback" not in plain.err
        assert "Traceback" in debug.err
        assert debug.err.endswith(plain.err)


# --- interruption ---------------------------------------------------------------------------------------------------

SLOW_RUN = """
import signal, sys, time
import fakes, recognition.run, recognize
from conftest import PLACES, SHELF

class Slow(fakes.FakeDetector):
    def detect(self, images):
        time.sleep(0.3)
        return super().detect(images)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored in the background
recognition.run.load_encoder = lambda settings, calibration=(): fakes.FakeEncoder()
recognition.run.YoloDetector = lambda path, settings: Slow({SHELF: PLACES})
recognize.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_is_130_and_can_be_resumed(ready: Shop, cli: Cli, number: signal.Signals) -> None:
    photos = [str(ready.photo(f"{n:02}.png", 1)) for n in range(30)]
    arguments = ["run", *photos, "--out", "out", "--no-pictures"]
    paths = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SLOW_RUN, *arguments], env=paths, **pipes) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert first.startswith(photos[0]), errors
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert json.loads(Path("out/run.json").read_text())["state"] == "interrupted"
    done = json.loads(Path("out/run.json").read_text())["counts"]["photos"]
    assert 0 < done < len(photos)
    answer = cli(*arguments, "--resume")
    assert answer.code == 0
    assert len([line for line in answer.out.splitlines() if "products on" in line]) == len(photos) - done
    assert json.loads(Path("out/run.json").read_text())["counts"]["photos"] == len(photos)


def test_an_interruption_in_this_process_is_130_too(ready: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(images: Sequence[Image]) -> list[Detections]:
        raise KeyboardInterrupt

    monkeypatch.setattr(ready.detector, "detect", interrupted)
    answer = cli("run", ready.photo("a.png", 1), "--out", "out")
    assert answer.code == 130
    assert "Traceback" not in answer.err


# --- match ----------------------------------------------------------------------------------------------------------


def test_match_json_has_a_line_for_every_input_in_order(ready: Shop, cli: Cli) -> None:
    Path("broken.png").write_bytes(b"not a picture")
    good = [str(ready.picture("crops/b.png", 2)), str(ready.picture("crops/a.png", 1)), str(ready.picture("z.png", 99))]
    inputs = ["gone.png", good[0], "broken.png", good[1], "nothing*/", good[2], good[0]]
    answer = cli("match", *inputs, "--json", "--top-k", "2")
    assert answer.code == 3
    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert [line["source"] for line in lines] == inputs
    assert [line["status"] for line in lines] == [None, "recognized", None, "recognized", None, "unknown", "recognized"]
    assert all(set(line) == {"source", "status", "matches", "error"} for line in lines)
    assert [len(line["matches"]) for line in lines] == [0, 2, 0, 2, 0, 2, 2], "the k best whatever the status"
    assert lines[1]["matches"][0] == {"sku": "S2", "score": 1.0, "rank": 1}
    assert "gone.png: no such file" in lines[0]["error"]


@pytest.mark.parametrize(("inputs", "code"), [(["gone.png"], 1), (["gone.png", "a.png"], 3), (["a.png"], 0)])
def test_match_says_how_much_was_done(ready: Shop, cli: Cli, inputs: list[str], code: int) -> None:
    ready.picture("a.png", 1)
    answer = cli("match", *inputs)
    assert answer.code == code
    assert ("a.png: recognized  S1 1.000" in answer.out) is (code != 1)


# --- skus -----------------------------------------------------------------------------------------------------------


def counts(out: str) -> dict[str, object]:
    return dict(json.loads(out.splitlines()[-1]))


def test_building_twice_embeds_nothing_the_second_time(shop: Shop, cli: Cli) -> None:
    catalog = shop.catalog(1, 2, 3)
    first = cli("skus", "build", catalog, "--json")
    assert counts(first.out)["added"] == counts(first.out)["embedded"] == 3
    assert json.loads(first.out.splitlines()[0]) == {"committed_references": 3}
    before = shop.encoder.encoded
    second = cli("skus", "build", catalog, "--json")
    assert second.code == 0
    assert (counts(second.out)["unchanged"], counts(second.out)["embedded"]) == (3, 0)
    assert shop.encoder.encoded == before, "thresholds are not set again either"


def test_skus_go_only_with_prune(ready: Shop, cli: Cli) -> None:
    assert counts(cli("skus", "build", ready.catalog(1, 4), "--json").out)["removed"] == 0
    assert json.loads(cli("skus", "info", "--json").out)["skus"] == 4
    assert counts(cli("skus", "build", ready.catalog(1, 4), "--json", "--prune").out)["removed"] == 2
    assert json.loads(cli("skus", "info", "--json").out)["skus"] == 2


@pytest.mark.parametrize(
    ("seeds", "extra", "code", "message"),
    [
        ((), "", 1, ""),
        ((), "X,packs/none.png\n", 1, "line 2: X, image: no such image"),
        ((1,), "X,packs/none.png\n", 3, "line 3: X, image: no such image"),
        ((1,), "S1,packs/1.png\n", 3, "line 3: S1, sku: the same SKU and image as line 2"),
        ((1,), "X,broken.png\n", 3, "line 3: X, image"),
        ((1,), ",packs/1.png\n", 3, "line 3: no SKU"),
        ((1,), "", 0, ""),
    ],
)
def test_rows_left_out_are_listed(
    shop: Shop, cli: Cli, seeds: tuple[int, ...], extra: str, code: int, message: str
) -> None:
    Path("broken.png").write_bytes(b"not a picture")
    answer = cli("skus", "build", shop.catalog(*seeds, extra=extra))
    assert answer.code == code
    assert message in answer.err
    assert ("left out" in answer.err) is bool(message)
    if seeds:
        assert cli("run", shop.photo("a.png", 1), "--out", "out", "--no-pictures").code == 0, "the rest is usable"


def test_a_file_of_which_nothing_can_be_used_is_1_even_when_the_database_is_full(ready: Shop, cli: Cli) -> None:
    assert cli("skus", "build", ready.catalog(extra="X,packs/none.png\n")).code == 1
    assert json.loads(cli("skus", "info", "--json").out)["skus"] == 3


def test_a_mangled_gtin_is_listed_and_its_row_kept(shop: Shop, cli: Cli) -> None:
    shop.picture("1.png", 1)
    Path("c.csv").write_text("sku,image,gtin\nA,1.png,5.01E+12\n")
    answer = cli("skus", "build", "c.csv")
    assert answer.code == 0
    assert answer.err.startswith("kept without it: c.csv, line 2: A, gtin")


def test_images_may_stand_in_another_folder(shop: Shop, cli: Cli) -> None:
    shop.picture("elsewhere/1.png", 1)
    Path("c.csv").write_text("sku,image\nA,1.png\n")
    assert cli("skus", "build", "c.csv").code == 1
    assert cli("skus", "build", "c.csv", "--images", "elsewhere").code == 0


def test_an_interrupted_build_is_130_and_goes_on(shop: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = shop.catalog(*range(1, 7))
    Path("s.toml").write_text("[embed]\nbatch_size = 2\n")
    whole = shop.encoder.encode

    def encode(crops: list[Image]) -> object:
        if shop.encoder.encoded == 4:
            raise KeyboardInterrupt
        return whole(crops)

    with monkeypatch.context() as patch:
        patch.setattr(shop.encoder, "encode", encode)
        assert cli("--settings", "s.toml", "skus", "build", catalog).code == 130
    refused = cli("run", shop.photo("a.png", 1), "--out", "out")
    assert (refused.code, "finish the build" in refused.err) == (1, True)
    answer = counts(cli("skus", "build", catalog, "--json").out)
    assert (answer["unchanged"], answer["added"], answer["embedded"]) == (4, 2, 2)


def test_info_says_what_the_database_holds(ready: Shop, cli: Cli) -> None:
    info = json.loads(cli("skus", "info", "--json").out)
    assert info.items() >= {"skus": 3, "references": 3, "encoder": "fake", "dim": 192}.items()
    assert "references   3" in cli("skus", "info").out
    assert cli("skus", "verify").out == "sku_db: whole\n"
    assert cli("skus", "info", "--db", "none", "--json").code == 1


def test_damage_is_found(ready: Shop, cli: Cli) -> None:
    (vectors,) = Path("sku_db").glob("vectors-*.f16")
    content = bytearray(vectors.read_bytes())
    content[10] ^= 0xFF
    vectors.write_bytes(content)
    answer = cli("skus", "verify")
    assert answer.code == 1
    assert vectors.name in answer.err


@pytest.mark.parametrize("content", [None, b"", b"name\nA\n", b'sku,image\n"A,1.png\n'])
def test_a_catalogue_that_cannot_be_read_as_a_whole_is_1(shop: Shop, cli: Cli, content: bytes | None) -> None:
    if content is not None:
        Path("c.csv").write_bytes(content)
    answer = cli("skus", "build", "c.csv")
    assert answer.code == 1
    assert answer.err.startswith("error: c.csv")


# --- evaluate end-to-end, doctor ------------------------------------------------------------------------------------


def test_a_run_is_held_against_the_truth(ready: Shop, cli: Cli) -> None:
    ready.photo("photos/a.png", 1, 2, 99)
    truth = "source,x_min,y_min,x_max,y_max,sku\n"
    truth += "photos/a.png,20,60,80,150,S1\nphotos/a.png,100,60,160,150,S3\nphotos/a.png,180,60,240,150,\n"
    Path("truth.csv").write_text(truth)
    assert cli("run", "photos", "--out", "out").code == 0
    answer = cli("evaluate", "end-to-end", "out", ".")
    assert answer.code == 0
    summary = json.loads(Path("out/summary.json").read_text())
    assert (summary["found"], summary["right"], summary["false_known"]) == (1.0, 0.5, 0.0)
    assert "found 1.000   right 0.500   false known 0.000" in answer.out
    (picture,) = Path("out/pictures").iterdir()
    assert answer.out.splitlines()[-4:] == ["out/planogram.csv", "out/products.csv", str(picture), "out/summary.json"]
    assert json.loads(cli("evaluate", "end-to-end", "out", ".", "--json").out) == summary


def test_matching_is_measured(ready: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import recognition.evaluation.run

    monkeypatch.setattr(recognition.evaluation.run, "load_encoder", lambda settings: ready.encoder)
    Path("photos.csv").write_text("image,sku,split\npacks/1.png,S1,test\npacks/2.png,S3,test\n")
    report = json.loads(cli("evaluate", "matching", ".", "--json").out)
    assert (report["encoder"], report["references"], report["queries"], report["recall_at_1"]) == ("fake", 3, 2, 0.5)
    smaller = cli("evaluate", "matching", ".", "--asked-only").out
    assert "references               2" in smaller
    assert "recall_at_1              1.0000" in smaller, "S2, which took the second query, is not there"


def test_detection_is_measured(shop: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import recognition.evaluation.run

    monkeypatch.setattr(recognition.evaluation.run, "YoloDetector", lambda path, settings: shop.detector)
    shop.photo("photos/a.png", 1, 2)
    Path("boxes.csv").write_text("image,x1,y1,x2,y2\na.png,20,60,80,150\na.png,100,60,160,150\n")
    report = json.loads(cli("evaluate", "detection", ".", "--json").out)
    assert (report["products"], report["recall"], report["count_error"]) == (2, 1.0, 0.5)
    assert report.keys() >= {"ap", "ap50", "ap75", "conf", "precision", "f1"}


def test_doctor_says_what_works_and_what_the_weights_are_for(
    ready: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    import recognition.doctor

    monkeypatch.setattr(recognition.doctor, "_detector", lambda: "starter-detector")
    monkeypatch.setattr(recognition.doctor, "_encoder", lambda: "starter, 256 numbers")
    answer = cli("doctor")
    assert answer.code == 0
    assert "FAIL" not in answer.out
    assert "ok   database sku_db: 3 SKUs, 3 references, encoder fake" in answer.out
    assert "research and trial" in answer.out


def test_doctor_names_what_is_broken_and_the_way_out(ready: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import recognition.doctor

    def broken() -> str:
        raise RuntimeError("no driver")

    for name in ("_detector", "_encoder", "_device"):
        monkeypatch.setattr(recognition.doctor, name, broken)
    answer = cli("doctor", "--db", "none", "--json")
    assert answer.code == 1
    checks = {check["name"]: check for check in map(json.loads, answer.out.splitlines())}
    assert [name for name, check in checks.items() if not check["ok"]] == [
        "device", "detector starter", "encoder starter",
    ]  # fmt: skip
    assert "none yet" in checks["database none"]["detail"]
    assert checks["device"]["detail"] == "RuntimeError: no driver"
    assert all(check["hint"] for check in checks.values() if not check["ok"])
