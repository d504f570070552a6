"""Upload by HTTPS on MicroPython. sys.argv[1]: a JSON file of `way`, `port`, `folder`, `names`, `ca`.

`way`: "motelog" (shipper and transport over a folder), "bare" (an asyncio TLS stream that sends the same requests from
the same files and reads the answers); "heap" and "bare_heap": the same, and the most heap in use over what was before.
Prints one JSON object.
"""

import asyncio
import gc
import json
import socket
import sys
from time import ticks_diff, ticks_us

from folder import Folder, path_of

PIECE = 4096


class Heap:
    """The most heap in use over what it was at first, looked at whenever other tasks let it."""

    def __init__(self, wanted):
        gc.collect()
        self._before = gc.mem_alloc()
        self.most = 0
        if wanted:
            asyncio.create_task(self._watch())

    async def _watch(self):
        while True:
            gc.collect()
            self.most = max(self.most, gc.mem_alloc() - self._before)
            await asyncio.sleep_ms(0)


async def motelog(job, ca, with_heap):
    from transport.backoff import Backoff
    from transport.https import Https
    from transport.shipper import Shipper

    spool = Folder(job["folder"], job["names"])
    heap = Heap(with_heap)
    transport = Https(spool, url=f"https://127.0.0.1:{job['port']}", ca=ca)
    shipper = Shipper(spool, transport, interval_s=1, backoff=Backoff(1, 1))
    start = ticks_us()
    left = await shipper.drain(120)
    us = ticks_diff(ticks_us(), start)
    await shipper.close()
    if left or shipper.failures:
        raise RuntimeError(shipper.last_error)
    return {"us": us, "bytes": transport.sent_bytes, "heap": heap.most}


async def bare(job, ca, with_heap):
    import tls

    heap = Heap(with_heap)
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    context.load_verify_locations(ca)
    buffer = memoryview(bytearray(PIECE))
    total = 0
    start = ticks_us()
    plain = socket.socket()
    plain.connect(socket.getaddrinfo("127.0.0.1", job["port"])[0][-1])
    plain.setsockopt(6, 1, 1)  # TCP_NODELAY: else it waits 40 ms for every small piece, which proves nothing
    plain.setblocking(False)
    secure = context.wrap_socket(plain, server_hostname="127.0.0.1", do_handshake_on_connect=False)
    reader = writer = asyncio.StreamReader(secure)
    for _, parts in job["names"]:
        for remote_name, size, _ in parts:
            head = f"PUT /{remote_name} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
            writer.write(head)
            await writer.drain()
            with open(path_of(job["folder"], remote_name), "rb") as file:
                n = file.readinto(buffer)
                while n:
                    writer.write(buffer[:n])  # one write, one drain: two lose data over TLS
                    await writer.drain()
                    n = file.readinto(buffer)
            while (await reader.readline()) != b"\r\n":
                pass
            await reader.readexactly(7)
            total += size
    us = ticks_diff(ticks_us(), start)
    writer.close()
    return {"us": us, "bytes": total, "heap": heap.most}


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    with open(job["ca"], "rb") as file:
        ca = file.read()
    way = motelog if job["way"] in ("motelog", "heap") else bare
    print(json.dumps(asyncio.run(way(job, ca, job["way"].endswith("heap")))))


main()
