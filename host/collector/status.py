"""What the collector knows about each device, and a log that says a thing once."""

import logging
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from host.store import DOCUMENTS

log = logging.getLogger("motelog.collector")


@dataclass
class Via:
    """The deliveries of one device over one transport since the collector was started."""

    last_seen: str | None = None
    stored: int = 0
    repeated: int = 0
    refused: int = 0


@dataclass
class Device:
    """Bytes and segments on disk, the deliveries since the collector was started (all, and `via` each transport), and
    what the device said last of itself (`reported`, received at `reported_at`).
    """

    last_seen: str | None = None
    latest_session: str | None = None
    segments: int = 0
    bytes: int = 0
    stored: int = 0
    repeated: int = 0
    refused: int = 0
    via: dict[str, Via] = field(default_factory=dict)
    reported: dict | None = None
    reported_at: str | None = None

    def seen(self, transport: str) -> Via:
        via = self.via.setdefault(transport, Via())
        self.last_seen = via.last_seen = now()
        return via

    def count(self, session: str, file: str, size: int) -> None:
        """A file that is stored now."""
        self.latest_session = max(self.latest_session or "", session)
        self.bytes += size
        self.segments += file.endswith(".json") and file not in DOCUMENTS


class Devices:
    """By name. To be used from the event loop only. Beyond `most` of them new ones are not remembered: a peer that
    makes up names must not fill the memory.
    """

    def __init__(self, most: int = 100_000):
        self._most = most
        self._devices: dict[str, Device] = {}

    def __getitem__(self, name: str) -> Device:
        if name not in self._devices and len(self._devices) >= self._most:
            return Device()
        return self._devices.setdefault(name, Device())

    def delivered(self, transport: str, device: str, session: str, stored: list[tuple[str, int]]) -> None:
        """Files (name, bytes) that are new here; an empty list is a delivery of what was here already."""
        entry = self[device]
        via = entry.seen(transport)
        for file, size in stored:
            entry.count(session, file, size)
        for counter in (entry, via):
            counter.stored += len(stored)
            counter.repeated += not stored

    def refused(self, transport: str, device: str) -> None:
        entry = self[device]
        via = entry.seen(transport)
        entry.refused += 1
        via.refused += 1

    def reported(self, device: str, status: dict) -> None:
        """What a device says of itself (or its broker, when it is gone)."""
        self[device].reported, self[device].reported_at = status, now()

    def as_dict(self) -> dict:
        return {name: asdict(device) for name, device in sorted(self._devices.items())}


class Refusals:
    """Logs a refusal once: boards repeat what was refused, and so do attackers. The latest `remembered` are known."""

    def __init__(self, remembered: int = 4096):
        self._remembered, self._known = remembered, OrderedDict()

    def say(self, transport: str, who: str, what: str, status: int, why: str) -> None:
        """`who` and `what`, a peer and the name it gave, may be anything: they are cut and quoted."""
        key = (transport, who[:100], what[:200], status)
        if key in self._known:
            self._known.move_to_end(key)
            return
        self._known[key] = None
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        log.warning("%s: %a, %a: %d %s (said once)", *key, why[:300])


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
