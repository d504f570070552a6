"""The heap by purpose, against what the port leaves."""

import json
from dataclasses import dataclass

from config.board_model import Board
from config.checks import frame_bytes
from host.board_code import NATIVE
from host.planner import code
from host.planner.figures import Range

# Measured on the 32-bit Unix port with tests/bench/ram.py; tests/host/test_planner_real.py holds them against it.
CODE_RATIO = 1.0  # heap per byte of .mpy (as push makes it) without native code, ...
CODE_BASE = 19_600  # ... and what does not grow with it: names, asyncio, what boot leaves behind
CONFIG_RATIO = 5.5  # heap per byte of compact JSON
DRIVER = 5_300  # one chip's driver: its burst buffer and state
MIC_DRIVER = 7_700
SAMPLER = 960
WRITER = 6_400  # stage of 4 KiB, journal, anchors
SPOOL = 6_400
SESSION = 700  # per stream
UPLOAD = 7_500  # buffer, request, status
TLS = 16_384 + 4_096 + 15_360  # one record in, one out, and the handshake's peak (MicroPython issue 8940)
PDM_FILTER = 6_000
WORKING = 24_576  # garbage between two collections, JSON of sidecars, and what fragmentation keeps from use


@dataclass(frozen=True)
class Ram:
    """`purposes`: {what for: bytes}; `heap`: what the port leaves, in bytes."""

    purposes: dict[str, int]
    heap: Range

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(self.purposes.values())

    @property
    def least(self) -> int:
        """Bytes without which nothing works."""
        return self.total - self.purposes["working room"]

    def as_dict(self) -> dict:
        """For JSON."""
        return {
            "purposes": self.purposes,
            "total_bytes": self.total,
            "heap_bytes": self.heap.as_dict(0),
            "free_bytes": round(self.heap.typical - self.total),
        }


def rings(stream: dict) -> int:
    """Blocks, the spare one, and a small object each."""
    return (stream["ring_blocks"] + 1) * (stream["block_frames"] * frame_bytes(stream) + 130)


def buffers(stream: dict) -> int:
    """What the port's I2S driver or the PIO's DMA takes; a PDM ring is made twice, to find an aligned half."""
    return stream.get("ibuf_bytes", 0) + 2 * stream.get("ring_bytes", 0)


def ram(config: dict, board: Board) -> Ram:
    """What this configuration takes of the heap while it records and uploads."""
    streams = config["streams"].values()
    sizes = code.compiled(board.firmware.mpy_arch)
    loaded = code.modules(config)
    code_bytes = sum(sizes[name] * (1 if NATIVE in name else CODE_RATIO) for name in loaded & sizes.keys())
    upload = config["upload"] or {}
    purposes = {
        "code": round(code_bytes + CODE_BASE),
        "configuration": round(CONFIG_RATIO * len(json.dumps(config))) // 2,
        "drivers": sum(DRIVER if "measure" in stream else MIC_DRIVER for stream in streams),
        "rings": sum(rings(stream) for stream in streams),
        "I2S and PDM buffers": sum(buffers(stream) for stream in streams),
        "samplers and segment writers": (SAMPLER + WRITER) * len(streams),
        "spool and session": SPOOL + SESSION * len(streams),
        "upload": UPLOAD if upload else 0,
        "TLS": TLS if uses_tls(upload) else 0,
        "BLE": 14_000 if upload.get("ble") else 0,
        "working room": WORKING,
    }
    return Ram({what: n for what, n in purposes.items() if n}, Range.of(board.figures.heap_kb) * 1024.0)


def uses_tls(upload: dict) -> bool:
    """Whether a connection of this configuration is encrypted by TLS."""
    urls = [upload[way]["url"] for way in ("https", "mqtt") if upload.get(way)]
    return any(url.startswith(("https:", "mqtts:")) for url in urls)
