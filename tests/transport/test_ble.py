"""A virtual board over Bluetooth: real aioble, read by the unmodified smpclient through bumble."""

import asyncio
import contextlib
import hashlib
import json
import random
import zlib

import numpy as np
import pytest
from bumble.pairing import PairingDelegate
from smpclient import SMPClient
from smpclient.exceptions import SMPBadSequence, SMPValidationException
from smpclient.generics import error, success
from smpclient.requests.file_management import (
    FileDownload,
    FileHashChecksum,
    FileStatus,
    FileUpload,
    SupportedFileHashChecksumTypes,
)
from smpclient.requests.os_management import DateTimeWrite, EchoWrite
from smpclient.transport import SMPTransportDisconnected
from smpclient.transport.bumble import SMPBumbleTransport
from smpclient.transport.bumble.keystore import InMemory

from host.ble import Board
from host.virtual.radio.central import BumbleRadio
from tests.transport.ble_rig import BleRig

NAME = "wrist-01"


def client(rig: BleRig, mtu: int = 247) -> SMPClient:
    return SMPClient(SMPBumbleTransport(hci=rig.hci, preferred_mtu=mtu), NAME, timeout_s=60)


def patient(rig: BleRig) -> SMPClient:
    """For links that break: bumble alone waits 30 s for what a broken one owes it."""
    return SMPClient(BumbleRadio(rig.hci).transport(), NAME, timeout_s=60)


async def index(smp: SMPClient) -> dict[str, tuple[int, str]]:
    """{path: (bytes, SHA-256)} of what waits, from /index."""
    lines = (await smp.download_file("/index")).decode().splitlines()
    return {name: (int(size), sha256) for size, sha256, name in map(str.split, lines)}


@pytest.mark.parametrize("mtu", [23, 247, 512])
def test_smpclient_downloads_what_waits(tmp_path, mtu):
    async def scenario():
        async with BleRig(tmp_path, frames=3000, segment_frames=2048) as rig, client(rig, mtu) as smp:
            files = await index(smp)
            assert [name.rsplit("/", 1)[-1] for name in files] == [
                "session.json", "imu-000000.npy", "imu-000000.json", "imu-000001.npy", "imu-000001.json"
            ]  # fmt: skip
            for name, (size, sha256) in files.items():
                data = await smp.download_file(name)
                assert (len(data), hashlib.sha256(data).hexdigest()) == (size, sha256)
                (tmp_path / name.rsplit("/", 1)[-1]).write_bytes(data)
        sidecar = json.loads((tmp_path / "imu-000001.json").read_text())
        assert np.load(tmp_path / "imu-000001.npy").shape == (sidecar["frames"], 3)

    asyncio.run(scenario())


def test_the_standard_groups(tmp_path):
    async def scenario():
        async with BleRig(tmp_path, frames=3000, segment_frames=2048) as rig, client(rig) as smp:
            files = await index(smp)
            name = next(name for name in files if name.endswith("000000.npy"))
            data = await smp.download_file(name)
            echo = await smp.request(EchoWrite(d="are you there? äöü"))
            assert success(echo) and echo.r == "are you there? äöü"
            status = await smp.request(FileStatus(name=name))
            assert success(status) and status.len == len(data)
            types = await smp.request(SupportedFileHashChecksumTypes())
            assert success(types) and set(types.types) == {"crc32", "sha256"}
            for off, n in ((0, None), (0, 1), (5000, 3000), (5000, 10**6), (len(data), None)):
                part = data[off:] if n is None else data[off : off + n]
                asked = {"name": name, "off": off} | ({} if n is None else {"len": n})
                crc = await smp.request(FileHashChecksum(type="crc32", **asked))
                assert success(crc) and (crc.len, crc.output) == (len(part), zlib.crc32(part))
                sha = await smp.request(FileHashChecksum(type="sha256", **asked))
                assert success(sha) and sha.output == hashlib.sha256(part).digest()
            beyond = await smp.request(FileDownload(name=name, off=len(data) + 1))
            assert error(beyond)

    asyncio.run(scenario())


async def in_the_end(smp: SMPClient, request):
    """-> the answer, once the board is through with what came before, and has forgotten, after 1 s, a beginning whose
    rest never comes: that may swallow a request.
    """
    async with asyncio.timeout(120):
        while True:
            await asyncio.sleep(1.5)
            while not smp._transport._notifications.empty():
                smp._transport._notifications.get_nowait()
            with contextlib.suppress(TimeoutError, SMPBadSequence, SMPValidationException):
                return await smp.request(request, timeout_s=10)


def test_requests_that_make_no_sense_are_refused_and_the_board_goes_on(tmp_path):
    chance = random.Random(5)
    right = bytes(FileDownload(name="/index", off=0))

    def rubbish() -> bytes:
        message = bytearray(right)
        for _ in range(chance.randrange(1, 4)):
            message[chance.randrange(len(message))] = chance.randrange(256)
        return bytes(message) if chance.random() < 0.7 else chance.randbytes(chance.randrange(1, 60))

    async def scenario():
        async with BleRig(tmp_path, frames=500, world={"enomem_share": 0.3}) as rig, client(rig) as smp:
            for _ in range(150):
                await smp._transport.send(rubbish())
            echo = await in_the_end(smp, EchoWrite(d="still there?"))
            assert success(echo) and echo.r == "still there?"
            status = await rig.fresh()
            assert status["ble"]["connections"] == 1 and status["ble"]["requests"] > 1

    asyncio.run(scenario())


def test_names_that_lead_elsewhere_are_refused(tmp_path):
    async def scenario():
        async with BleRig(tmp_path, frames=500) as rig, client(rig) as smp:
            for name in ("/scenario.json", "../scenario.json", "/wrist-01/../../scenario.json", "/data/wrist-01/boot",
                         "/wrist-01/boot", "", "/", "/index/x", "/wrist-01/a/b.npy\0", "C:\\x", "/lib/aioble/core.mpy"):
                assert error(await smp.request(FileDownload(name=name, off=0))), name
                assert error(await smp.request(FileStatus(name=name))), name
            upload = await smp.request(FileUpload(name="/scenario.json", off=0, data=b"x", len=1))
            assert error(upload)

    asyncio.run(scenario())


def test_commands_status_and_time(tmp_path):
    async def scenario():
        async with BleRig(tmp_path, frames=500) as rig:
            async with Board(BumbleRadio(rig.hci).transport(), rig.address) as board:
                status = await board.status()
                assert (status.device, status.state, status.waiting) == (NAME, "recording", 1)
                assert await board.do("label knock") == (True, "done: label knock")
                assert await board.do("fly") == (False, "done: fly")
            async with client(rig) as smp:
                assert success(await smp.request(DateTimeWrite(datetime="2026-11-22T16:40:00")))
                assert error(await smp.request(DateTimeWrite(datetime="soon")))
            fix = [5, 1795365600000000, 1795365600000000, 5, 2000000, "ble"]
            await rig.until(lambda status: status["said"] == ["label knock", "fly", fix])

    asyncio.run(scenario())


def test_pairing_when_it_is_asked_for(tmp_path):
    """Without an encrypted link a request is not even heard; a client that pairs is served."""

    async def scenario():
        async with BleRig(tmp_path, frames=500, ble={"pairing": True}) as rig:
            stranger = SMPBumbleTransport(hci=rig.hci, keystore=InMemory())
            await stranger.connect(NAME, 60)
            with pytest.raises(TimeoutError):
                await SMPClient(stranger, NAME).request(EchoWrite(d="x"), timeout_s=1)
            await stranger.disconnect()
            assert (await rig.fresh())["ble"]["requests"] == 0
            pairing = SMPBumbleTransport(
                hci=rig.hci, keystore=InMemory(), settle_s=0.1,
                pair_on_connect=PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT),
            )  # fmt: skip
            async with SMPClient(pairing, NAME, timeout_s=60) as smp:
                assert success(await smp.request(EchoWrite(d="x")))

    asyncio.run(scenario())


def test_a_board_that_is_switched_off_and_on_is_found_again(tmp_path):
    async def scenario():
        async with BleRig(tmp_path, frames=500) as rig:
            async with patient(rig) as smp:
                before = await index(smp)
                await rig.kill()
                with pytest.raises(SMPTransportDisconnected):
                    await smp.request(EchoWrite(d="x"))
            await rig.start()
            async with client(rig) as smp:
                assert await index(smp) == before

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_central_that_takes_nothing_is_dropped(tmp_path):
    async def scenario():
        async with BleRig(tmp_path, frames=20000, segment_frames=16384) as rig, patient(rig) as smp:
            name = next(name for name in await index(smp) if name.endswith(".npy"))
            rig.air.stalled = True
            with pytest.raises((SMPTransportDisconnected, TimeoutError)):
                await smp.request(FileDownload(name=name, off=0), timeout_s=30)
            status = await rig.until(lambda status: status["ble"]["last_error"])
            assert "took nothing" in status["ble"]["last_error"]
            rig.air.stalled = False
            await rig.until(lambda status: status["ble"]["state"] == "advertising")

    asyncio.run(scenario())
