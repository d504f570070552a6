"""The time base end to end: a virtual board records a sensor whose oscillator is known, the reader says when."""

import asyncio
import json
from pathlib import Path

import pytest

from host.dataset import Dataset
from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.tools.micropython import HOW_TO_GET, interpreter

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "virtual.json"
TICKS_PER_FRAME = 384  # of the LSM6DSOX's 40 kHz, at 104 Hz (data sheet DS12814, 9.63)
SECONDS = 150


async def record(folder: Path, ratio: float, int_pin: int | None, mic: bool) -> Path:
    """A recording's files. -> the data set's folder."""
    config = json.loads(EXAMPLE.read_text())
    del config["upload"]
    if not mic:
        del config["streams"]["mic"]
    config["schedule"] = {"duration_s": SECONDS}
    config["streams"]["imu"]["int_pin"] = int_pin
    world = world_for(config, clock="virtual")
    world["i2c"]["0"][0] |= {"rate_ratio": ratio, "int_pin": 4}
    board = VirtualBoard(world, folder / "board")
    board.install(config=config)
    try:
        await board.start()
        async for _ in board.lines():
            pass
        assert await board.wait() == 0, board.log
    finally:
        await board.kill()
    for name, content in board.files().items():
        if name.startswith("/data/"):
            path = folder / "out" / name.removeprefix("/data/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder / "out"


@pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
@pytest.mark.parametrize(
    "ratio, int_pin, mic", [(0.9731, None, False), (1.0213, 4, False), (1.0, None, False), (1.0213, 5, True)]
)
def test_frames_are_where_the_sensor_made_them(tmp_path, ratio, int_pin, mic):
    """Polled, with the interrupt, at a rate in step with the milliseconds, with the interrupt on a wrong pin."""
    out = asyncio.run(asyncio.wait_for(record(tmp_path, ratio, int_pin, mic), 600))
    [session] = Dataset(out).sessions
    imu = session.streams["imu"]
    period_us = TICKS_PER_FRAME * int(25e6 / ratio) / 1e6
    numbers = imu.numbered_frames()[0]
    assert len(numbers) > 0.99 * SECONDS * 1e6 / period_us
    error = imu.times_us() - numbers * period_us
    print(
        f"{ratio}, pin {int_pin}: rms {error.std():.1f} us, rate {1e6 / period_us / imu.rate_measured_hz - 1:.1e}, "
        f"residual {imu.clock.residual_us:.0f} us"
    )
    assert error.std() < 60
    assert imu.rate_measured_hz == pytest.approx(1e6 / period_us, rel=1e-5)
