"""A virtual board over Bluetooth: real aioble, read by the unmodified smpclient through bumble."""

import asyncio
import hashlib
import json
import zlib

import numpy as np
import pytest
from smpclient import SMPClient
from smpclient.generics import error, success
from smpclient.requests.file_management import (
    FileDownload,
    FileHashChecksum,
    FileStatus,
    SupportedFileHashChecksumTypes,
)
from smpclient.requests.os_management import EchoWrite
from smpclient.transport.bumble import SMPBumbleTransport

from tests.transport.ble_rig import BleRig

NAME = "wrist-01"


def client(rig: BleRig, mtu: int = 247) -> SMPClient:
    return SMPClient(SMPBumbleTransport(hci=rig.hci, preferred_mtu=mtu), NAME, timeout_s=10)


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
