"""Simulated days of a board that sleeps between recordings, on the virtual clock."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

from host.virtual import VirtualBoard
from host.virtual.compiler import compile_files, find_micropython

HERE = Path(__file__).parent
UTC_S = 1800000000 - 1800000000 % 86400  # midnight
DAY = 86400
IMU = {"driver": "lsm6dsox", "bus": "i2c0", "address": 106, "accel_range_g": 4, "gyro_range_dps": 500, "measure": None}


def config(rate_hz: float = 26, record_s: int = 60, sleep_s: int = 540, **upload) -> dict:
    """A recording every record_s + sleep_s seconds, and an upload every six hours."""
    imu = IMU | {"rate_hz": rate_hz, "block_frames": 32, "ring_blocks": 8, "segment_frames": 8192}
    window = {"from": "00:00", "to": "24:00", "record_s": record_s, "sleep_s": sleep_s}
    https = {"url": "https://collector:8443", "ca_file": "/ca.der"}
    return {
        "version": 1,
        "device": "tag",
        "board": "virtual",
        "buses": {"i2c0": {"kind": "i2c", "id": 0, "scl": 22, "sda": 21}},
        "streams": {"imu": imu},
        "schedule": {"windows": [window], "sleep": "deep"},
        "upload": {"https": https, "max_latency_s": 6 * 3600} | upload,
        "network": {"wifi": ["home"]},
    }


@dataclass
class Days:
    """A board in a world of its own. `began`: {session: us of the world at which it really began}; `out`: the
    collector's folder; `came`: [(second of the world, file)] that arrived there; `whys`: what the status gave as such.
    """

    folder: Path
    config: dict
    world: dict = field(default_factory=dict)
    flash_kb: int = 8192
    off_s: float = 5
    ca: bytes | None = b"-"

    def __post_init__(self):
        self.out = self.folder / "out"
        self.out.mkdir(parents=True)
        chip = {"chip": "lsm6dsox", "address": 106, "source": {"synth": "motion"}, "rate_ratio": 1.01}
        flash = {"size_kb": self.flash_kb, "erase_us": 30000, "program_us": 500}
        world = {"clock": "virtual", "rtc": UTC_S - 300, "reboots": True, "main": "days_board", "flash": flash}
        world |= {"i2c": {"0": [chip]}, "collector": str(self.out)} | self.world
        self.board = VirtualBoard(world, self.folder / "board")
        program = compile_files({"days_board.py": HERE / "days_board.py"}, find_micropython())
        files = {"/" + name: data for name, data in program.items()}
        if self.ca is not None:
            files["/ca.der"] = self.ca
        self.board.install(config=self.config, secrets={"wifi": {"home": None}}, files=files)
        self.began: dict[str, int] = {}
        self.came: list[tuple[float, str]] = []
        self.whys: set[str] = set()

    def run(self, seconds: float, timeout_s: float = 600) -> None:
        """Until the board falls asleep behind so many seconds of the world."""
        asyncio.run(asyncio.wait_for(self._run(seconds), timeout_s))

    async def _run(self, seconds):
        await self.board.start()
        try:
            async for line in self.board.lines():
                if not line.startswith("@"):
                    continue
                status = self.board.status
                if "began" in status:
                    self.began[status["began"]] = status["world_us"]
                if "arrived" in status:
                    self.came.append((status["world_us"] / 1e6, status["arrived"]))
                if "why" in status:
                    self.whys.add(status["why"])
                if status.get("exit") == 71 and status["world_s"] >= seconds:
                    await self.board.kill()
        finally:
            await self.board.kill()

    def sessions(self) -> dict[str, dict]:
        """{session: its session.json}, of those that have arrived."""
        found = self.out.glob("tag/*/session.json")
        return {path.parent.name: json.loads(path.read_text()) for path in found}

    def arrived(self) -> list[str]:
        """Names of files, in the order in which they arrived."""
        path = self.out / "arrived.txt"
        return path.read_text().split() if path.exists() else []
