"""The power-cut campaign as a whole, and CPython's own look at the files of boards that lost power.

The whole takes about an hour: MOTELOG_CAMPAIGN=1 in the environment asks for it. Else a sample is taken.
"""

import json
import os
import re
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.tools.micropython import HOW_TO_GET, interpreter, run_micropython

WHOLE = bool(os.environ.get("MOTELOG_CAMPAIGN"))
HERE = Path(__file__).parent

PROGRAM = """
import sys
sys.path.append({here!r})
from powercut import campaign
tried, violations = campaign({scenario!r}, {every}, 11, {export!r}, {export_every})
for violation in violations:
    print(violation)
print("cuts tried", tried, "violations", len(violations))
"""


@pytest.mark.parametrize("scenario", ["shipping", "retention", "kept", "gaps"])
def test_campaign(scenario, tmp_path, capsys):
    """No promise is broken, whatever operation the power went at; and the files open with numpy and wave."""
    python = interpreter("64-bit")
    if not python:
        pytest.skip(HOW_TO_GET["64-bit"])
    if not WHOLE and scenario in ("kept", "gaps"):
        pytest.skip("only in the whole campaign (MOTELOG_CAMPAIGN=1); mp_powercut.py has a sample of it")
    every, export_every = (1, 97) if WHOLE else (397, 2)
    program = PROGRAM.format(
        here=str(HERE), scenario=scenario, every=every, export=str(tmp_path), export_every=export_every
    )
    done = run_micropython(program, interpreter=python, heap="64M", timeout_s=7200, check=True)
    with capsys.disabled():
        print(f"\n{scenario}: {done.stdout.splitlines()[-1]}")
    tried, violations = re.fullmatch(r"cuts tried (\d+) violations (\d+)", done.stdout.splitlines()[-1]).groups()
    assert int(tried) > 15 and violations == "0", done.stdout
    assert look_at(tmp_path) > 3


def look_at(folder):
    """Open every exported segment as a stranger would. -> how many there were."""
    seen = 0
    for sidecar_file in folder.glob("*/*-[0-9][0-9][0-9][0-9][0-9][0-9].json"):
        sidecar = json.loads(sidecar_file.read_text())
        data = sidecar_file.with_suffix(Path(sidecar["file"]).suffix)
        if data.suffix == ".npy":
            assert np.load(data, allow_pickle=False).shape == (sidecar["frames"], len(sidecar["channels"]))
        else:
            with wave.open(str(data)) as file:
                assert (file.getnframes(), file.getnchannels()) == (sidecar["frames"], len(sidecar["channels"]))
                assert len(file.readframes(1 << 30)) == sidecar["frames"] * 2 * len(sidecar["channels"])
        seen += 1
    return seen
