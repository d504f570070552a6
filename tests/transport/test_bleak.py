"""What a user's computer runs against a board, above the radio: smpmgr as it is, and our collector's own BleakRadio,
both on bleak (whose backend is here one over bumble: bleak_air.py).
"""

import asyncio
import hashlib
import sys

import numpy as np
import pytest

from host.ble import BleakRadio, Board, LinkError
from host.collector.ble import BleFront
from host.collector.ingest import Ingest
from host.store import Store
from tests.spine.rig import ROOT
from tests.transport import bleak_air
from tests.transport.ble_rig import BleRig

NAME = "wrist-01"


async def smpmgr(rig: BleRig, *words: str) -> tuple[int, str]:
    """(exit code, what it says) of `smpmgr WORDS...`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.transport.bleak_air", rig.hci, *words,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 300)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode, said.decode()


def test_smpmgr_downloads_the_index_and_a_segment(tmp_path):
    """The commands of docs/ble.md, word by word, by name and by address."""

    async def scenario():
        async with BleRig(tmp_path, frames=3000, segment_frames=2048) as rig:
            index = tmp_path / "index.txt"
            said = await smpmgr(rig, "--ble", NAME, "--timeout", "60", "file", "download", "/index", str(index))
            assert said[0] == 0, said
            size, sha256, name = index.read_text().splitlines()[1].split()
            assert name.endswith("/imu-000000.npy")
            segment = tmp_path / "imu-000000.npy"
            said = await smpmgr(rig, "--ble", rig.address, "--timeout", "60", "file", "download", name, str(segment))
            assert said[0] == 0, said
            data = segment.read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (int(size), sha256)
            assert np.load(segment).shape == (2048, 3)
            code, text = await smpmgr(rig, "--ble", NAME, "--timeout", "60", "os", "echo", "still there?")
            assert code == 0 and "still there?" in text, text
            code, text = await smpmgr(rig, "--ble", NAME, "--timeout", "60", "file", "download", "/config.json", "x")
            assert code != 0, text

    asyncio.run(scenario())


def test_our_bleak_radio_finds_a_board_and_fetches_everything(tmp_path, monkeypatch):
    """Scan, connect, write without response, notifications: what `collect --ble` does with a real radio."""

    async def scenario():
        async with BleRig(tmp_path, frames=3000, segment_frames=2048, world={"enomem_share": 0.1}) as rig:
            bleak_air.use(rig.hci, monkeypatch.setattr)
            ingest = Ingest(Store(tmp_path / "out"))
            await ingest.start()
            front = BleFront(ingest, radio=BleakRadio(), parts=tmp_path / "parts")
            async with asyncio.timeout(120):
                while not (boards := await BleakRadio().scan(1)):  # on a busy machine a second may pass without a word
                    pass
            (board,) = boards
            assert (board.address, board.name, board.recording, board.waiting) == (rig.address, NAME, True, 2)
            assert await front.fetch(board)
            ingest.stop()
            status = await rig.fresh()
            assert status["spool"]["pending_segments"] == 0 and status["ble"]["connections"] == 1

    asyncio.run(scenario())
    assert len(list((tmp_path / "out").rglob("*.npy"))) == 2


@pytest.mark.parametrize("pdus", [0, 3, 12, 60])
def test_a_cut_is_told_at_once_and_the_next_connection_serves(tmp_path, monkeypatch, pdus):
    """Out of range while it exchanges the MTU, finds the services, subscribes, or in the middle of an answer."""

    async def scenario():
        async with BleRig(tmp_path, frames=20000, segment_frames=16384) as rig:
            bleak_air.use(rig.hci, monkeypatch.setattr)
            radio = BleakRadio()
            rig.air.cut_after(pdus)
            with pytest.raises(LinkError):
                async with asyncio.timeout(90), Board(radio.transport(), rig.address) as board:
                    (_, segment, *_), _ = await board.waiting(0)
                    await board.download(segment.files[0][0], segment.files[0][1], tmp_path / "part", [].append)
            assert not rig.air.is_to_cut
            async with asyncio.timeout(90), Board(radio.transport(), NAME) as board:
                (_, segment, *_), _ = await board.waiting(0)
                remote, size, sha256 = segment.files[0]
                data = await board.download(remote, size, tmp_path / "part", [].append)
            assert hashlib.sha256(data).digest() == sha256

    asyncio.run(scenario())
