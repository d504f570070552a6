"""docs/fleet.md's settings for Mosquitto: it takes them, and they keep a board to its own name."""

import asyncio
import re
import subprocess

import aiomqtt
import pytest

from tests.fleet.device import Device, message
from tests.fleet.proof import SMALL, names_of
from tests.host.synthetic import DEVICE, SESSION
from tests.tools import mosquitto
from tests.tools.micropython import ROOT

pytestmark = pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET)


def blocks() -> list[str]:
    """Settings and access list, as they stand on the page."""
    found = re.findall(r"^```\w*\n(.*?)^```$", (ROOT / "docs" / "fleet.md").read_text(), re.M | re.S)
    return [block for block in found if block.startswith(("listener", "user worker"))]


@pytest.fixture
def broker(tmp_path):
    settings, access = blocks()
    (tmp_path / "acl").write_text(access)
    (tmp_path / "acl").chmod(0o600)
    for user in (DEVICE, "other", "worker"):
        new = [] if (tmp_path / "users").exists() else ["-c"]
        subprocess.run(["mosquitto_passwd", "-b", *new, tmp_path / "users", user, "secret"], check=True)
    kept = [line for line in settings.splitlines() if line and not line.startswith(("listener", "ca", "cert", "key"))]
    lines = "\n".join(kept).replace("/etc/mosquitto", str(tmp_path)) + f"\npersistence_location {tmp_path}/\n"
    with mosquitto.Mosquitto(tmp_path, lines.replace("set_tcp_nodelay true\n", "")) as broker:
        yield broker


def client(broker, user: str, **options) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", broker.port, username=user, password="secret", **options)


def test_a_board_publishes_under_its_own_name_only(broker):
    async def test():
        seen = []
        async with client(broker, "worker") as worker, client(broker, DEVICE) as board:
            await worker.subscribe("$share/collectors/motelog/+/data", qos=1)
            for topic in ("motelog/other/data", "motelog/other/ack", f"motelog/{DEVICE}/ack", f"motelog/{DEVICE}/data"):
                await board.publish(topic, topic, qos=1)
            async for incoming in worker.messages:
                seen.append(incoming.topic.value)
                break
        return seen

    assert asyncio.run(asyncio.wait_for(test(), 90)) == [f"motelog/{DEVICE}/data"]


def test_a_message_beyond_the_size_is_refused_by_the_broker(broker):
    async def test():
        async with client(broker, DEVICE, timeout=60) as board:
            await board.publish(f"motelog/{DEVICE}/data", bytes(2_000_000), qos=1)
        with pytest.raises(aiomqtt.MqttError):
            async with client(broker, DEVICE, timeout=2) as board:
                await board.publish(f"motelog/{DEVICE}/data", bytes(2_200_000), qos=1)
        while "oversize" not in broker.log.read_text():
            await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(test(), 90))


def test_data_and_acknowledgement_pass(broker):
    name, files = next(iter(names_of(SMALL).items()))

    async def test():
        device = Device(DEVICE, broker.port, username=DEVICE, password="secret")
        async with client(broker, "worker") as worker:
            await worker.subscribe("$share/collectors/motelog/+/data", qos=1)
            task = asyncio.create_task(device.ship(SESSION, {name: files}))
            async for incoming in worker.messages:
                payload, sha256 = message(DEVICE, SESSION, name, files)
                assert incoming.payload == payload
                said = f'{{"name": "{DEVICE}/{SESSION}/{name}", "sha256": "{sha256}", "status": 201, "why": ""}}'
                await worker.publish(f"motelog/{DEVICE}/ack", said, qos=1)
                break
            await task
        return device.acknowledged

    assert asyncio.run(asyncio.wait_for(test(), 90)) == {(SESSION, name): [201]}
