"""Every sensor chip in a whole recording, named in a configuration: what the virtual board's flash holds is what the
chip felt, frame by frame.
"""

import asyncio
import json

import numpy as np
import pytest

from config.chips import CHIPS
from config.loader import check
from host import verify
from host.dataset import Dataset
from host.virtual import VirtualBoard
from host.virtual.world import files_for, world_for
from tests.tools.micropython import HOW_TO_GET, interpreter

CHIPS = {name: chip for name, chip in CHIPS.items() if "fifo_frames" in chip}
SECONDS = 3
BUSES = {
    "i2c": {"kind": "i2c", "id": 1, "scl": 22, "sda": 21},
    "spi": {"kind": "spi", "id": 2, "sck": 18, "mosi": 23, "miso": 19},
}
# Frames that the chip makes and the driver leaves out at the start (AN5130: the first one must be discarded).
LEFT_OUT = {"lsm6ds3trc": 1}
# Bits that the chip has of a sample; the rest of the 16, at the bottom, is 0.
BITS = {"lis3dh": 12, "lis2dh12": 12}
pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
CASES = [
    pytest.param(name, kind, id=f"{name}-{kind}")
    for name, chip in CHIPS.items()
    for kind in BUSES
    if kind == "i2c" or chip["spi_max_hz"]
]


def configuration(name: str, kind: str) -> dict:
    """The chip on that bus, at about 100 Hz, its second address on I2C, and what it needs besides."""
    chip = CHIPS[name]
    stream = {"driver": name, "bus": "b", "int_pin": 4, "block_frames": 8, "segment_frames": 128}
    stream |= {"address": chip["i2c_addresses"][1]} if kind == "i2c" else {"cs": 5}
    stream["rate_hz"] = min(chip.get("rates_hz", (100,)), key=lambda rate: abs(rate - 100))
    if "config_bytes" in chip:
        stream["config_file"] = f"/{name}.bin"
    return {
        "version": 1, "device": "d", "board": "virtual", "buses": {"b": BUSES[kind]},
        "streams": {"imu": stream | {"ring_blocks": 16}}, "schedule": {"duration_s": SECONDS},
    }  # fmt: skip


def run(board: VirtualBoard) -> int:
    """-> the exit code of a recording."""

    async def record():
        await board.start()
        try:
            return await board.wait()
        finally:
            await board.kill()

    return asyncio.run(asyncio.wait_for(record(), 300))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_what_the_chip_felt_is_what_is_stored(tmp_path, name, kind):
    config = configuration(name, kind)
    assert check(json.dumps(config).encode())[1] == []
    rows = np.random.default_rng(7).integers(-32768, 32768, (5 * SECONDS * 40, 6)).astype("<i2")
    np.save(tmp_path / "rows.npy", rows)
    board = VirtualBoard(world_for(config, imu=tmp_path / "rows.npy", clock="virtual"), tmp_path / "board")
    board.install(config=config, files=files_for(config))

    assert run(board) == 0, board.log
    for path, content in board.files().items():
        if path.startswith("/data/"):
            file = tmp_path / path[1:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    report = verify.verify(tmp_path / "data")
    assert not [finding for finding in report.findings if finding.level != "note"]
    (account,) = report.streams
    assert account["expected"] == account["stored"] > 0.9 * SECONDS * 100 and not any(account["lost"].values())
    numbers, stored = Dataset(tmp_path / "data").sessions[0].streams["imu"].numbered_frames()
    assert stored.shape[1] == 3 * len(CHIPS[name]["fifo_frames"])
    felt = rows[(numbers + LEFT_OUT.get(name, 0)) % len(rows), : stored.shape[1]]
    bits = BITS.get(name, 16)
    assert np.array_equal(stored, felt >> 16 - bits << 16 - bits)


def test_a_chip_without_the_file_that_it_needs(tmp_path):
    config = configuration("bmi270", "i2c")
    config["schedule"]["duration_s"] = 0.5
    board = VirtualBoard(world_for(config, clock="virtual"), tmp_path)
    board.install(config=config)
    run(board)
    (line,) = [line for line in board.log if "absent" in line]
    assert "/bmi270.bin" in line and "github.com/boschsensortec" in line
