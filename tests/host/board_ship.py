"""Board-side script of test_delivery.py: ships the spool at sys.argv[1] to the url sys.argv[2], trusting sys.argv[3].

Then follow the token, and how many seconds it waits for an answer.

Repeats until nothing is pending; prints one line per failed attempt.
"""

import asyncio
import sys

from storage.spool import Spool
from transport.errors import TransportError
from transport.https import Https


async def main(root, url, ca_file, token, timeout_s):
    spool = Spool(root, "wrist-01", reserve_bytes=0)
    spool.recover()
    with open(ca_file, "rb") as file:
        https = Https(spool, url=url, ca=file.read(), token=token, timeout_s=float(timeout_s))

    def take():
        names = spool.pending(1)
        return names[0] if names else None

    def answered(name, stored):
        if stored:
            spool.acknowledge(name)

    for _ in range(40):
        if not spool.pending():
            break
        try:
            await https.connect()
            await https.ship(take, answered)
        except TransportError as error:
            print(error)
            await asyncio.sleep_ms(100)
    print("left:", spool.pending(), https.conflicts, https.refused)
    await https.close()


asyncio.run(main(*sys.argv[1:]))
