"""`deploy.py command DEVICE "label walking" --mqtt URL`: give a board a line for its console, from anywhere."""

import argparse
import asyncio
import json
import secrets
import sys

import aiomqtt

from host import mistakes, mqtt_broker
from host.mqtt_broker import Broker
from host.store import Refused, check_name

RESEND_S = 10  # the board knows an id that it has seen, and does nothing twice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Give a board that uses MQTT a line for its console (start, stop, label TEXT, reboot, safe-mode, reconfigure "
        "{JSON}) and wait for its answer. Exit code 0: done; 1: refused, or no answer in time."
    )
    parser.add_argument("device", metavar="DEVICE")
    parser.add_argument("line", metavar="LINE", nargs="+", help="the line; several words are one line")
    parser.add_argument("--timeout", type=float, default=30, metavar="S", help="how long to wait (default 30)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    mqtt_broker.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    try:
        line = " ".join(args.line)
        if not line.isprintable() or not line.strip():
            raise ValueError(f"{line!r}: one line of visible characters")
        if not 0 < args.timeout <= 86400:
            raise ValueError(f"--timeout {args.timeout:g}: more than 0, at most 86400 seconds")
        check_name(args.device)
        broker = mqtt_broker.of_arguments(args)
        if broker is None:
            raise ValueError("--mqtt URL says where the broker is")
    except (ValueError, OSError, Refused) as error:
        return mistakes.report("command", error, args.json)
    try:
        reply = asyncio.run(send(broker, args.device, line, args.timeout))
    except aiomqtt.MqttError as error:
        reply = {"ok": False, "text": f"{broker}: {mqtt_broker.told(error)}"}
    except TimeoutError:
        text = f"{args.device} did not answer within {args.timeout:g} s; if it comes back, it still gets the command"
        reply = {"ok": False, "text": text}
    if args.json:
        print(json.dumps(reply))
    else:
        print(reply["text"], file=sys.stdout if reply["ok"] else sys.stderr)
    return 0 if reply["ok"] else 1


async def send(broker: Broker, device: str, line: str, timeout_s: float) -> dict:
    """-> the board's `{"ok", "text"}`. Raises `TimeoutError`, or `MqttError` when the broker is not to be had."""
    own = secrets.token_hex(6)
    command = json.dumps({"id": own, "do": line})
    async with asyncio.timeout(timeout_s), broker.client() as client:
        await client.subscribe(f"{broker.prefix}/{device}/reply", qos=1)
        replies = asyncio.create_task(_reply(client, own))
        try:
            while True:
                await client.publish(f"{broker.prefix}/{device}/command", command, qos=1)
                done, _ = await asyncio.wait([replies], timeout=RESEND_S)
                if done:
                    return replies.result()
        finally:
            replies.cancel()


async def _reply(client: aiomqtt.Client, own: str) -> dict:
    """The reply to our command; others' replies, and what is none, pass by."""
    async for message in client.messages:
        try:
            reply = json.loads(message.payload)
            if reply["id"] == own:
                return {"ok": reply["ok"] is True, "text": str(reply.get("text", ""))}
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    raise aiomqtt.MqttError("the connection ended")
