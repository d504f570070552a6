"""A whole board whose clock was never set: SNTP's fix reaches the sidecars and the RTC, by way of a joined Wi-Fi."""

import asyncio
import json
import struct
import time
from pathlib import Path

import pytest

from host import certs
from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.tools.micropython import HOW_TO_GET, interpreter

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "virtual.json"
UNIX = 2208988800  # s from 1900 to 1970
AHEAD_S = 3 * 86400  # of this machine's clock: the fix is the server's
STATIC = {"ip": "192.168.7.20", "mask": "255.255.255.0", "gateway": "192.168.7.1", "dns": "192.168.7.1"}


class TimeServer(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, address):
        now = time.time() + AHEAD_S + UNIX
        stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
        head = struct.pack("!BBbbIII", 0x24, 2, 6, -20, 0, 65536 // 100, 0)  # root dispersion 10 ms
        self._transport.sendto(head + stamp + data[40:48] + stamp + stamp, address)


async def record(folder):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(TimeServer, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    config = json.loads(EXAMPLE.read_text())
    config["schedule"] = {"duration_s": 150}  # a machine that is busy: the server is asked again after a minute
    config["upload"] = {"https": {"url": "https://collector.example", "ca_file": "/ca.der"}, "timeout_s": 1}
    config["network"] = {"wifi": ["home"], "static": STATIC, "ntp": ["time.example"]}
    config["streams"] = {"imu": dict(config["streams"]["imu"], segment_frames=512)}
    world = world_for(config, clock="virtual")
    world["network"] = {"hosts": {"time.example": f"127.0.0.1:{port}"}, "rssi": -71}
    world["rtc"] = "unset"
    board = VirtualBoard(world, folder / "board", heap_kb=384)
    ca = certs.make(folder / "certs", ["localhost"]).ca_der()
    board.install(config=config, secrets={"wifi": {"home": None}}, files={"/ca.der": ca})
    seen = []
    try:
        await board.start()
        async for _ in board.lines():
            if board.status.get("state") == "recording":
                seen.append(board.status)
            elif seen:
                break
    finally:
        await board.kill()
        transport.close()
    return seen, board.log, board.files()


@pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
def test_the_time_of_a_server_reaches_sidecars_and_rtc(tmp_path):
    started = time.time()
    seen, log, files = asyncio.run(asyncio.wait_for(record(tmp_path), 300))
    last = seen[-1]
    assert last["wifi"]["state"] == "joined" and last["wifi"]["rssi_dbm"] == -71
    assert last["upload"]["cause"] == "dns", last["upload"]  # there is no collector.example in this world
    assert (last["sntp"]["servers"], last["sntp"]["answers"]) == (1, 1)
    assert any("the clock was not set: it is 20" in line for line in log), log
    sidecars = [json.loads(files[name]) for name in files if "/imu-0" in name and name.endswith(".json")]
    fixes = {tuple(fix) for sidecar in sidecars for fix in sidecar["clock_fixes"]}
    (fix,) = [fix for fix in fixes if fix[3] == "sntp:time.example"]
    assert 9_994 < fix[2] < 10_000 + 1_500_000, "what the server says of itself, and half of the round trip"
    assert started - 2 < fix[1] / 1e6 - AHEAD_S < time.time() + 2
