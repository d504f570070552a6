"""The host's microphone in a whole recording: on the virtual board's flash stands what the host's file holds."""

import asyncio
import io
import json
import wave

import numpy as np

from config.loader import check
from host.virtual import VirtualBoard


def test_a_recording_of_a_file_of_the_host(tmp_path):
    sound = (np.arange(9000) * 7 % 65536 - 32768).astype("<i2")
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    config = {
        "version": 1, "device": "host", "board": "virtual",
        "streams": {"mic": {
            "driver": "host_mic", "source": {"file": str(tmp_path / "sound.wav")}, "rate_hz": 16000,
            "block_frames": 512, "ring_blocks": 16, "segment_frames": 8192,
        }},
        "schedule": {"duration_s": 2},
    }  # fmt: skip
    assert check(json.dumps(config).encode())[1] == []
    board = VirtualBoard({"clock": "virtual", "flash": {"size_kb": 1024}}, tmp_path / "board")
    board.install(config=config)

    async def record():
        await board.start()
        return await board.wait()

    assert asyncio.run(asyncio.wait_for(record(), 300)) == 0, board.log
    files = {name.rsplit("/", 1)[-1]: data for name, data in board.files().items() if name.startswith("/data")}
    parts = [wave.open(io.BytesIO(files[name])) for name in sorted(files) if name.endswith(".wav")]
    stored = np.frombuffer(b"".join(part.readframes(part.getnframes()) for part in parts), "<i2")
    assert 30000 < len(stored) <= 2.2 * 16000
    assert (stored == np.resize(sound, len(stored))).all()
    account = json.loads(files["ledger.json"])["streams"]["mic"]
    assert account["expected"] == account["stored"] == len(stored) and not any(account["lost"].values())
