"""How long every buffer holds out while nothing reads it, against the worst that is known to stop the readers."""

from dataclasses import dataclass

from config.board_model import Board
from config.checks import frame_bytes
from config.chips import CHIPS
from host.planner.figures import Range
from host.planner.ram import uses_tls


@dataclass(frozen=True)
class Stall:
    """`buffer_ms`: {"imu: FIFO": how long it holds}; `stalls_ms`: {cause: how long nothing is read}."""

    buffer_ms: dict[str, float]
    stalls_ms: dict[str, Range]

    def margin_ms(self, cause: str) -> dict[str, float]:
        """{buffer: what is left of it at the worst of this cause}; less than 0: frames are lost, and counted."""
        worst = self.stalls_ms[cause].high
        return {name: held - worst for name, held in self.buffer_ms.items()}

    def lossy(self, cause: str) -> list[str]:
        """Buffers that do not outlast the worst of this cause."""
        return [name for name, margin in self.margin_ms(cause).items() if margin < 0]

    def as_dict(self) -> dict:
        """For JSON."""
        return {
            "buffer_ms": {name: round(ms) for name, ms in self.buffer_ms.items()},
            "stalls_ms": {cause: stall.as_dict(0) for cause, stall in self.stalls_ms.items()},
            "margin_ms": {
                cause: {name: round(ms) for name, ms in self.margin_ms(cause).items()} for cause in self.stalls_ms
            },
        }


def stall(config: dict, board: Board) -> Stall:
    """Buffers and stalls of a configuration. One thread does everything: a stall stops readers and writers alike, and
    afterwards all that has piled up goes into the ring in one rush, so FIFO and ring must each hold it.
    """
    buffers = {}
    for name, stream in config["streams"].items():
        rate = stream["rate_hz"]
        held = sensor_frames(stream)
        if held is not None:
            buffers[f"{name}: {_own_buffer(stream)}"] = 1000 * held / rate
        buffers[f"{name}: ring"] = 1000 * stream["ring_blocks"] * stream["block_frames"] / rate
    figures = board.figures
    card = config["storage"]["card"] is not None
    stalls = {"flash": CARD_MS if card else Range.of(figures.erase_ms)}
    upload = config["upload"] or {}
    if uses_tls(upload):
        stalls["TLS handshake"] = Range.of(figures.tls_s) * 1000.0
    if any(upload.get(way) and not _is_number(upload[way]["url"]) for way in ("https", "mqtt")):
        stalls["name look-up"] = LOOKUP_MS
    return Stall(buffers, stalls)


CARD_MS = Range(5, 100, 250)
"""Write of an SD card: the SD Association's Physical Layer Simplified Specification, 4.6.2.2, allows 250 ms."""
LOOKUP_MS = Range(5, 50, 4000)
"""`getaddrinfo` blocks: an answer takes tens of ms, a server that is silent seconds (lwIP asks 4 times, 1 s apart)."""


def sensor_frames(stream: dict) -> float | None:
    """What the sensor or the port's driver holds unread; None: the computer's microphone, which has its own."""
    chip = CHIPS[stream["driver"]]
    if "fifo_frames" in chip:
        sensors = frame_bytes(stream) // 6
        return chip["fifo_frames"][min(sensors, len(chip["fifo_frames"])) - 1]
    if "ibuf_bytes" in stream:
        return stream["ibuf_bytes"] / chip["i2s_frame_bytes"]
    return stream["ring_bytes"] / chip["ring_frame_bytes"] if "ring_bytes" in stream else None


def _own_buffer(stream: dict) -> str:
    return "FIFO" if "measure" in stream else "I2S buffer" if "ibuf_bytes" in stream else "PDM buffer"


def _is_number(url: str) -> bool:
    """Whether the address of a URL needs no look-up."""
    host = url.partition("://")[2].partition("/")[0]
    return host.startswith("[") or host.partition(":")[0].replace(".", "").isdigit()
