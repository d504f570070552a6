"""Board-side script of test_bundles.py: ships the spool at sys.argv[1] in bundles (method sys.argv[5]) to the url
sys.argv[2], trusting sys.argv[3]; prints the shipper's status, and what is left.
"""

import asyncio
import json
import sys

from storage.bundled import BundledSpool
from storage.spool import Spool
from transport.backoff import Backoff
from transport.https import Https
from transport.shipper import Shipper


async def main(root, url, ca_file, token, method):
    spool = Spool(root, "wrist-01", reserve_bytes=0)
    spool.recover()
    bundled = BundledSpool(spool, method)
    with open(ca_file, "rb") as file:
        https = Https(bundled, url=url, ca=file.read(), token=token, timeout_s=60)
    shipper = Shipper(bundled, https, interval_s=1, backoff=Backoff(0.05, 0.1))
    await shipper.drain(150)
    await shipper.close()
    print(json.dumps({"status": shipper.status(), "left": spool.pending(), "conflicts": sorted(https.conflicts)}))


asyncio.run(main(*sys.argv[1:]))
