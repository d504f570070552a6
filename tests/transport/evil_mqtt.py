"""Brokers that misbehave on the first connection, and what the board is to say of each."""

import asyncio

from tests.transport.naughty_mqtt import DEVICE, cut, publish, suback


def in_answer(data, *, then_stall=False):
    """Says `data` in place of CONNACK."""

    async def behaviour(server, session):
        await session.packet()
        await session.say(data)
        if then_stall:
            await server.stall()

    return behaviour


def after_subscription(*pieces, then_stall=True):
    """Welcomes the board, then says the pieces."""

    async def behaviour(server, session):
        await session.welcome(server)
        await session.subscribed()
        for piece in pieces:
            await session.say(piece)
        if then_stall:
            await server.stall()

    return behaviour


async def silent(server, session):
    """Accepts the connection and says nothing."""
    await server.stall()


async def no_suback(server, session):
    await session.welcome(server)
    await server.stall()


async def refuses_subscription(server, session):
    await session.welcome(server)
    _, body = await session.packet()
    await session.say(suback(body, code=0x80))
    await server.stall()


async def no_puback(server, session):
    await session.welcome(server)
    await session.subscribed()
    while True:
        await session.packet()


async def talks_and_does_not_listen(server, session):
    await session.welcome(server)
    await session.subscribed()
    session.reader._transport.pause_reading()
    while True:
        await session.say(publish(DEVICE + "ack", b"x" * 300) * 10)
        await asyncio.sleep(0)


EVIL = {  # name: (behaviour of the first connection, kind, part of the message)
    "silent": (silent, "timeout", "answer"),
    "close at once": (cut(0), "link lost", ""),
    "close in CONNECT": (cut(20), "link lost", ""),
    "close after CONNECT": (in_answer(b""), "link lost", "closed the connection during CONNECT"),
    "half a CONNACK": (in_answer(b"\x20\x02\0"), "link lost", "closed the connection during CONNECT"),
    "half a CONNACK, then nothing": (in_answer(b"\x20\x02", then_stall=True), "timeout", "answer"),
    "SSH": (in_answer(b"SSH-2.0-OpenSSH_9.2\r\n"), "garbage", "no MQTT broker"),
    "CONNACK of MQTT 5": (in_answer(b"\x20\x03\0\x84\0"), "garbage", "no MQTT broker"),
    "protocol": (in_answer(b"\x20\x02\0\x01"), "refused", "wrong protocol level"),
    "client id": (in_answer(b"\x20\x02\0\x02"), "refused", "client id"),
    "unavailable": (in_answer(b"\x20\x02\0\x03"), "refused", "not available"),
    "password": (in_answer(b"\x20\x02\0\x04"), "refused", "user name or password"),
    "authorisation": (in_answer(b"\x20\x02\0\x05"), "refused", "does not let this user in"),
    "code 99": (in_answer(b"\x20\x02\0\x63"), "refused", "code 99"),
    "no SUBACK": (no_suback, "timeout", "acknowledgement"),
    "SUBACK 0x80": (refuses_subscription, "refused", "subscribe to motelog/wrist-01/ack"),
    "no PUBACK": (no_puback, "timeout", "acknowledgement"),
    "floods": (talks_and_does_not_listen, "timeout", "sending"),
    "length of five bytes": (after_subscription(b"\x30\xff\xff\xff\xff\x01"), "garbage", "more than four bytes"),
    "QoS 2": (after_subscription(b"\x34\x05\0\1a\0\1"), "garbage", "QoS 2"),
    "QoS 3": (after_subscription(b"\x36\x05\0\1a\0\1"), "garbage", "QoS 3"),
    "id 0": (after_subscription(b"\x32\x05\0\1a\0\0"), "garbage", "packet id 0"),
    "no topic": (after_subscription(b"\x32\x05\0\0a\0\1"), "garbage", "impossible topic"),
    "topic longer than all": (after_subscription(b"\x32\x05\xff\xffa\0\1"), "garbage", "impossible topic"),
    "PUBLISH of nothing": (after_subscription(b"\x30\x00"), "garbage", "impossible length 0"),
    "PUBACK of one byte": (after_subscription(b"\x40\x01\0"), "garbage", "impossible length 1"),
    "PINGRESP with more": (after_subscription(b"\xd0\x01\0"), "garbage", "impossible length 1"),
    "PUBREC": (after_subscription(b"\x50\x02\0\1"), "garbage", "begins with 0x50"),
    "reserved": (after_subscription(b"\xf0\0"), "garbage", "begins with 0xF0"),
    "flags of PUBACK": (after_subscription(b"\x42\x02\0\1"), "garbage", "begins with 0x42"),
    "a second CONNACK": (after_subscription(b"\x20\x02\0\0"), "garbage", "begins with 0x20"),
}
