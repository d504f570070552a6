"""The power-cut campaign as a whole, and CPython's own look at the files of boards that lost power.

The whole takes a quarter of an hour: `deploy.py test --campaign` (MOTELOG_CAMPAIGN=1 in the environment) asks for it.
Else a sample is taken. Cuts tried and violations are properties of the tests, which the command sums up.
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
import powercut
tried, violations = powercut.{call}
for violation in violations:
    print(violation)
print("cuts tried", tried, "violations", len(violations))
"""
ONLY_WHOLE = "only in the whole campaign: deploy.py test --campaign (mp_powercut.py has a sample of each scenario)"
SCENARIOS = ("shipping", "retention", "kept", "gaps")


def campaign(call, record_property, least):
    """Run a campaign on MicroPython: `call` is a function of powercut.py with its arguments."""
    python = interpreter("64-bit")
    if not python:
        pytest.skip(HOW_TO_GET["64-bit"])
    program = PROGRAM.format(here=str(HERE), call=call)
    done = run_micropython(program, interpreter=python, heap="64M", timeout_s=3600, check=True)
    tried, violations = re.fullmatch(r"cuts tried (\d+) violations (\d+)", done.stdout.splitlines()[-1]).groups()
    record_property("cuts_tried", int(tried))
    record_property("violations", int(violations))
    assert int(tried) >= least and violations == "0", done.stdout


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_campaign(scenario, tmp_path, record_property):
    """No promise is broken, whatever operation the power went at; and the files open with numpy and wave."""
    if not WHOLE and scenario in ("kept", "gaps"):
        pytest.skip(ONLY_WHOLE)
    every, export_every = (1, 97) if WHOLE else (397, 2)
    call = f"campaign({scenario!r}, {every}, 11, {str(tmp_path)!r}, {export_every})"
    campaign(call, record_property, 1500 if WHOLE else 15)
    assert look_at(tmp_path) > 3


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_recovery_is_cut_at_each_of_its_operations(scenario, record_property):
    """What a cut inside the recovery leaves is recovered by the next start."""
    if not WHOLE and scenario != "shipping":
        pytest.skip(ONLY_WHOLE)
    campaign(f"recovery_campaign({scenario!r}, {97 if WHOLE else 1201}, 17)", record_property, 20)


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
