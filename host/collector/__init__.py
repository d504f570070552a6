"""The receiving end: `Collector`, which stores what boards deliver over any transport by one set of rules (ingest.py).

| file | does |
|---|---|
| `ingest.py` | the rules: name, size, hash, room; what a sender is answered |
| `http.py`, `mqtt.py`, `ble.py` | the transports that speak to it, its *fronts* |
| `objects.py` | an object store in place of a folder (`host/store.py`), for several workers |
| `status.py` | what is known about each device, and refusals logged once |
| `mdns.py` | the announcement on the local network |
"""

from host.collector.collector import Collector

__all__ = ["Collector"]
