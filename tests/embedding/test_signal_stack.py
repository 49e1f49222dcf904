"""A signal must not kill a process that has used OpenVINO: Ctrl-C, SIGTERM, a timer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino")
ROOT = Path(__file__).parents[2]
PROGRAM = """
import gc, os, signal, sys
import numpy as np
from recognition.embedding.openvino_library import core, openvino, own_signal_stack
hits = []
signal.signal(signal.SIGINT, lambda number, frame: hits.append(number))
ov = openvino()
def compiled(made):
    from openvino import opset13 as op
    place = op.parameter([-1, 8], np.float32)
    model = made.compile_model(ov.Model([op.relu(place)], [place]), "CPU")
    model([np.zeros((2, 8), np.float32)])
    return model
if sys.argv[1] == "own":
    models = [compiled(core()) for _ in range(3)]
    del models[0], models[0]
else:
    with own_signal_stack():
        cores = [ov.Core() for _ in range(3)]
        models = [compiled(made) for made in cores]
        while cores:  # out of turn
            del cores[0], models[0]
            gc.collect()
gc.collect()
os.kill(os.getpid(), signal.SIGINT)
print(len(hits))
"""


@pytest.mark.parametrize("whose", ["own", "another library's"])
def test_a_signal_after_cores_came_and_went(whose: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, whose], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
