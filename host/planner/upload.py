"""What leaves the board in a day, and how long that takes, over each way that the board has."""

from dataclasses import dataclass

from config.board_model import Board
from host.planner.figures import Range
from host.planner.flash import Files
from host.planner.ram import uses_tls

REQUEST_BYTES = 700  # HTTP: request and status line, headers, TLS records; per file
MESSAGE_BYTES = 500  # MQTT: fixed header, topic, manifest, acknowledgement; per segment
SMP_SHARE = 1.05  # BLE: an SMP header and CBOR around 512 bytes and more


@dataclass(frozen=True)
class Way:
    """One transport, per day: `wire_bytes`; `transfer_s`; `connect_s` and `tls_s` for all connections."""

    wire_bytes: float
    transfer_s: Range
    connect_s: Range
    tls_s: Range

    @property
    def busy_s(self) -> Range:
        """Time on the air per day."""
        return self.transfer_s + self.connect_s + self.tls_s

    def as_dict(self) -> dict:
        """For JSON."""
        return {
            "mb_per_day": round(self.wire_bytes / 1e6, 4),
            "minutes_per_day": (self.busy_s * (1 / 60)).as_dict(),
            "transfer_s": self.transfer_s.as_dict(),
            "connect_s": self.connect_s.as_dict(),
            "tls_s": self.tls_s.as_dict(),
        }


def ways(config: dict, board: Board, files: Files, uploads: float) -> dict[str, Way]:
    """{"https", "mqtt", "ble": what a day's `files` need in so many uploads}, all that the board can do."""
    figures = board.figures
    found = {}
    if figures.wifi_kb_per_s:
        connect, speed = Range.of(figures.wifi_connect_s) * uploads, Range.of(figures.wifi_kb_per_s)
        tls = Range.of(figures.tls_s) * uploads
        wires = {"https": REQUEST_BYTES * files.files, "mqtt": MESSAGE_BYTES * files.files / 2}
        for way, more in wires.items():
            secret = not chosen(config, way) or uses_tls(config["upload"])
            found[way] = _way(files.stored + more, speed, connect, tls if secret else tls * 0.0)
    if figures.ble_kb_per_s:
        found["ble"] = _way(files.stored * SMP_SHARE, Range.of(figures.ble_kb_per_s), Range(0, 0, 0), Range(0, 0, 0))
    return found


def _way(wire_bytes: float, kb_per_s: Range, connect_s: Range, tls_s: Range) -> Way:
    one = Range(wire_bytes, wire_bytes, wire_bytes) * (1 / 1000)
    return Way(wire_bytes, one.over(kb_per_s), connect_s, tls_s)


def chosen(config: dict, way: str) -> bool:
    """Whether the configuration uploads that way."""
    return bool((config["upload"] or {}).get(way))
