"""Upload by MQTT on MicroPython. sys.argv[1]: a JSON file of `way`, `port`, `folder`, `names`, `window`, `heap`.

`way`: "motelog" (shipper, transport and client over a folder), "bare" (an asyncio stream that sends the same packets
from the same files in the same window and counts the answers), "umqtt" (umqtt.robust's publish, one at a time),
"silent" (a connect to a broker that says nothing, umqtt's own and ours, beside a task that notes how long it had to
wait for its turn). Prints one JSON object.
"""

import asyncio
import gc
import json
import sys
from time import ticks_diff, ticks_ms, ticks_us

from folder import Folder, path_of

PIECE = 4096


def packets(job):
    """Yield (head with the manifest, paths of the files, their bytes) of each message, as the board sends it."""
    from transport.mqtt_delivery import Delivery
    from transport.mqtt_packets import publish

    spool = Folder(job["folder"], job["names"])
    topic = f"motelog/{Folder.device}/data".encode()
    for pid, (name, parts) in enumerate(job["names"], 1):
        delivery = Delivery(spool, name, topic)
        delivery.prepare()
        manifest = bytearray(delivery.size - sum([part[1] for part in parts]))
        delivery.open()
        delivery.fill(manifest)
        delivery.close()
        yield publish(topic, pid, delivery.size) + manifest, [part[0] for part in parts], delivery.size


async def motelog(job):
    from transport.backoff import Backoff
    from transport.mqtt import Mqtt
    from transport.shipper import Shipper

    gc.collect()
    before = gc.mem_alloc()
    most = 0
    spool = Folder(job["folder"], job["names"])
    url = f"mqtt://127.0.0.1:{job['port']}"
    transport = Mqtt(spool, url=url, ack="broker", window=job["window"], max_message_kb=4096)
    shipper = Shipper(spool, transport, interval_s=1, backoff=Backoff(1, 1))
    await transport.connect()

    async def collect():
        nonlocal most
        while True:
            gc.collect()
            most = max(most, gc.mem_alloc())
            await asyncio.sleep_ms(0)

    if job["heap"]:
        asyncio.create_task(collect())
    start = ticks_us()
    left = await shipper.drain(120)
    us = ticks_diff(ticks_us(), start)
    await shipper.close()
    if left or shipper.failures:
        raise RuntimeError(shipper.last_error)
    return {"us": us, "bytes": transport.sent_bytes, "heap": most - before}


async def bare(job):
    work = list(packets(job))
    reader, writer = await asyncio.open_connection("127.0.0.1", job["port"])
    writer.s.setsockopt(6, 1, 1)  # TCP_NODELAY: else it waits 40 ms for every small piece
    buffer = memoryview(bytearray(PIECE))
    answered = 0
    free = asyncio.Event()

    async def count():
        nonlocal answered
        while answered < len(work):
            await reader.readexactly(4)
            answered += 1
            free.set()

    counting = asyncio.create_task(count())
    total = 0
    start = ticks_us()
    for number, (head, files, size) in enumerate(work):
        while number - answered >= job["window"]:
            free.clear()
            await free.wait()
        fill = len(head)
        buffer[:fill] = head
        for name in files:
            with open(path_of(job["folder"], name), "rb") as file:
                while True:
                    n = file.readinto(buffer[fill:])
                    fill += n
                    if fill < PIECE:
                        break
                    writer.write(buffer)
                    await writer.drain()
                    fill = 0
        if fill:
            writer.write(buffer[:fill])
            await writer.drain()
        total += size
    await counting
    us = ticks_diff(ticks_us(), start)
    writer.close()
    return {"us": us, "bytes": total}


def umqtt(job):
    from umqtt.robust import MQTTClient

    client = MQTTClient("bench", "127.0.0.1", job["port"])
    client.connect()
    total = us = 0
    for head, files, size in packets(job):
        payload = bytearray(head[-(size - sum([len(_read(job, name)) for name in files])) :])
        for name in files:
            payload.extend(_read(job, name))
        start = ticks_us()
        client.publish(b"motelog/bench/data", payload, qos=1)
        us += ticks_diff(ticks_us(), start)
        total += size
    client.disconnect()
    return {"us": us, "bytes": total}


def _read(job, name):
    with open(path_of(job["folder"], name), "rb") as file:
        return file.read()


async def silent(job):
    """How long a connect with a time-out of 2 s keeps another task from its turn."""
    from umqtt.robust import MQTTClient

    from transport.errors import TransportError
    from transport.mqtt import Mqtt

    gaps = {}
    for way in ("umqtt", "motelog"):
        last = ticks_ms()
        gap = 0

        async def tick():
            nonlocal last, gap
            while True:
                await asyncio.sleep_ms(1)
                gap = max(gap, ticks_diff(ticks_ms(), last))
                last = ticks_ms()

        task = asyncio.create_task(tick())
        await asyncio.sleep_ms(5)
        try:
            if way == "umqtt":
                MQTTClient("bench", "127.0.0.1", job["port"]).connect(timeout=2)
            else:
                url = f"mqtt://127.0.0.1:{job['port']}"
                await Mqtt(Folder("", []), url=url, timeout_s=2).connect()
        except (OSError, TypeError, TransportError):  # TypeError: what umqtt makes of a time-out
            pass
        await asyncio.sleep_ms(5)
        task.cancel()
        gaps[way] = gap
    return {"gap_ms": gaps}


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    way = {"motelog": motelog, "bare": bare, "umqtt": umqtt, "silent": silent}[job["way"]](job)
    print(json.dumps(way if isinstance(way, dict) else asyncio.run(way)))


main()
