"""Board-side script of test_delivery.py: ships the spool at sys.argv[1] to the url sys.argv[2], trusting sys.argv[3].

Repeats until nothing is pending; prints one line per failed attempt.
"""

import asyncio
import sys

from storage.spool import Spool
from transport.errors import TransportError
from transport.https import Https


async def main(root, url, ca_file, token):
    spool = Spool(root, "wrist-01", reserve_bytes=0)
    spool.recover()
    with open(ca_file, "rb") as file:
        https = Https(spool, url=url, ca=file.read(), token=token, timeout_s=1)
    for _ in range(40):
        names = spool.pending()
        if not names:
            break
        try:
            done = await https.ship(names)
        except TransportError as error:
            done = error.acknowledged
            print(error)
            await asyncio.sleep_ms(100)
        for name in done:
            spool.acknowledge(name)
    print("left:", spool.pending(), https.conflicts, https.refused)
    await https.close()


asyncio.run(main(*sys.argv[1:]))
