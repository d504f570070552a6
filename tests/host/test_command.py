"""`deploy.py command` over a real Mosquitto, with a device of a few lines at the other end."""

import asyncio
import json

import aiomqtt
import pytest

from host import command
from host.commands import main
from host.mqtt_broker import Broker
from tests.tools import mosquitto


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    if mosquitto.program() is None:
        pytest.skip(mosquitto.HOW_TO_GET)
    with mosquitto.Mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def answered(broker, reply, timeout_s=60.0) -> tuple[dict, list[dict]]:
    """-> (what `send` says, the commands that the device got). `reply(command)`: what the device publishes."""
    got = []

    async def device(client):
        async for message in client.messages:
            got.append(json.loads(message.payload))
            for answer in reply(got[-1]):
                await client.publish("motelog/wrist-01/reply", answer, qos=1)

    async def body():
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe("motelog/wrist-01/command", qos=1)
            task = asyncio.create_task(device(client))
            try:
                return await command.send(Broker("127.0.0.1", broker.port), "wrist-01", "label walking", timeout_s)
            finally:
                task.cancel()

    return asyncio.run(asyncio.wait_for(body(), 120)), got


def test_the_line_arrives_and_the_answer_comes_back(broker):
    def reply(given):
        yield b"garbage"
        yield b"[]"
        yield json.dumps({"id": "another", "ok": False, "text": "not ours"})
        yield json.dumps({"id": given["id"], "ok": True, "text": "labelled"})

    said, got = answered(broker, reply)
    assert said == {"ok": True, "text": "labelled"}
    assert [given["do"] for given in got] == ["label walking"]


def test_a_lost_answer_is_asked_for_again_under_the_same_id(broker, monkeypatch):
    monkeypatch.setattr(command, "RESEND_S", 0.1)
    ids = []

    def reply(given):
        ids.append(given["id"])
        if len(ids) == 3:
            yield json.dumps({"id": given["id"], "ok": True, "text": "done"})

    assert answered(broker, reply)[0]["ok"] and len(set(ids)) == 1


def test_no_answer_is_said(broker, capsys):
    url = f"mqtt://127.0.0.1:{broker.port}"
    assert main(["--system-python", "command", "wrist-02", "stop", "--mqtt", url, "--timeout", "0.2", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False and "wrist-02 did not answer" in said["text"]


def test_no_broker_is_said(capsys):
    assert main(["--system-python", "command", "wrist-01", "stop", "--mqtt", "mqtt://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == "mqtt://127.0.0.1:1: Connection refused\n"
