"""Half an hour of frames through the real sampler, ring, recorder and segment writer, with an oscillator that is up to
3 % off and drifts by 300 ppm, and latencies with 60 ms outliers: how well do board and laptop know when each was made?
"""

import json
from functools import partial
from pathlib import Path

import pytest

from host.bench_time import chain
from tests.tools.micropython import ROOT, run_micropython


def measure(interpreter: Path, script: str, *arguments: str) -> dict:
    done = run_micropython(ROOT / "tests" / script, *arguments, interpreter=interpreter, heap="8M", check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "way, drift, seed", [("irq", "ramp", 1), ("irq", "swing", 2), ("poll", "ramp", 3), ("poll", "swing", 4)]
)
def test_frames_are_where_the_sensor_made_them(micropython, way, drift, seed):
    result = chain(partial(measure, micropython), way, drift, seed)
    print(result)
    assert result["lost"] == 0
    assert result["board_us"] < 100 and result["laptop_us"] < 60
    assert result["rate_ppm"] < 15 and result["anchor_late_us"] < 200
