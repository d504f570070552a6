"""The I2S microphone on a virtual board whose reader stalls: losses as the driver tells them, against the truth.

Sample n of the recording is n - 32768, so the data themselves say where frames are missing, and how many.
"""

import asyncio
import json
import wave

import numpy as np
import pytest

from host.virtual import VirtualBoard
from host.virtual.image import write_tree
from tests.tools.micropython import ROOT
from tests.virtual import on_board

BLOCK = 256
CAPACITY = 2048
STALLS_MS = (400, 150, 1000, 3000, 200)
DRIVER = ("__init__", "i2s_mic", "kernels", "kernels_plain", "kernels_viper", "timing")
PROGRAM = """
import json, struct, time
from drivers.i2s_mic import I2SMic, open_i2s

def run():
    mic = I2SMic(
        lambda: open_i2s(0, sck=14, ws=15, sd=32, rate_hz=16000, ibuf_bytes=8 * %(capacity)d),
        rate_hz=16000, ibuf_bytes=8 * %(capacity)d, drops_newest=%(newest)s,
    )
    mic.start()
    buf = memoryview(bytearray(2 * %(block)d))
    index = number = lost = 0
    told = []
    true = []

    def read():
        nonlocal index, number, lost
        while True:
            n = mic.readinto(buf)
            if not n:
                return
            if mic.lost != lost:
                told.append((index, mic.lost - lost))
                lost = mic.lost
            for sample in struct.unpack("<%%dh" %% n, buf[: 2 * n]):
                jump = (sample + 32768 - number) %% 65536
                if jump:
                    true.append((index, jump))
                    number += jump
                number += 1
                index += 1

    for stall_ms in %(stalls)s:
        for _ in range(60):  # 3 s; the driver holds back what it must to know the rate
            time.sleep_ms(50)
            mic.available()
            read()
        time.sleep_ms(stall_ms)
    for _ in range(10):
        mic.available()
        read()
        time.sleep_ms(20)
    print(json.dumps({"told": told, "true": true, "overruns": mic.overruns, "exact": mic.lost_exact,
                      "sum": [index + mic.lost, mic.produced(), number]}))
    return 0
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "ramp.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.arange(-32768, 32768).astype("<i2").tobytes())
    return path


async def outcome(folder, recording, *, capacity=CAPACITY, **port):
    world = {
        "clock": "virtual", "flash": {"size_kb": 256}, "main": "program",
        "i2s": {"0": {"source": {"file": str(recording)}, **port}},
    }  # fmt: skip
    made = VirtualBoard(world, folder)
    newest = port["loses"] == "newest"
    program = PROGRAM % {"capacity": capacity, "newest": newest, "block": BLOCK, "stalls": STALLS_MS}
    files = {f"/drivers/{name}.py": (ROOT / "drivers" / f"{name}.py").read_bytes() for name in DRIVER}
    write_tree(made.image, files | {"/program.py": program.encode()}, size_kb=256)
    code, lines = await on_board.start(made)
    assert code == 0, lines
    return json.loads(lines[-1])


@pytest.mark.parametrize("rate_ratio", [0.9998, 1.0, 1.0004])
@pytest.mark.parametrize(("loses", "dma_frames"), [("oldest", 1), ("oldest", 256), ("newest", 1), ("newest", 16)])
def test_a_stalled_reader_loses_what_is_told(tmp_path, recording, loses, dma_frames, rate_ratio):
    found = asyncio.run(outcome(tmp_path, recording, loses=loses, dma_frames=dma_frames, rate_ratio=rate_ratio))
    told, true = found["told"], found["true"]
    assert len(true) == len(told) == found["overruns"] == len(STALLS_MS), found
    for (place, lost), (true_place, truly_lost) in zip(told, true, strict=True):
        assert abs(place - true_place) <= BLOCK, found
        assert abs(lost - truly_lost) <= BLOCK, found
    assert not found["exact"]
    told_sum, produced, number = found["sum"]
    assert told_sum == produced
    assert abs(told_sum - number) <= max(20, dma_frames) * (len(told) + 1), found  # errors may add up, none is hidden
