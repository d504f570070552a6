"""The board files `boards/*.json` as a model: which facts there are, their units, and that each has a source.

Laptop only (pydantic). The keys of `Rules` also go to the board (`config/rules.py`); the rest is for people, for the
planner and for `push`.
"""

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

BOARDS = Path(__file__).parent / "boards"
Ranges = Annotated[str, Field(pattern=r"^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$")]
Source = Annotated[str, Field(min_length=8)]


class Strict(BaseModel):
    """No unknown key, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class Rules(Strict):
    """What the rules between fields (`checks.py`) need: the part of a board file that the board carries as well."""

    ram_kb: Annotated[int, Field(gt=0)]
    """RAM of the chip (virtual board: its heap); rings and I2S buffers together may take a third of it."""
    data_kb: Annotated[int, Field(gt=0)] | None
    """Room for files in internal flash with MicroPython's standard partitions; null = not fixed."""
    pins: Ranges
    """GPIO numbers that a sensor may use."""
    input_only: Ranges
    """Those of them that cannot drive a line."""
    wake_pins: Ranges
    """Those of them that end a sleep of the board when they go high."""
    i2c: dict[str, dict[Literal["scl", "sda"], Ranges]]
    """Per hardware block, its pins by role; a role left out may be any pin."""
    spi: dict[str, dict[Literal["sck", "mosi", "miso"], Ranges]]
    i2s: list[int]
    """Numbers of the I2S blocks."""
    ws_follows_sck: bool
    """The I2S word select must be the pin after the bit clock (RP2)."""
    wifi: bool
    """Uploads need a network in `network.wifi`."""


class Figure(Strict):
    """A number that is not a fact of the wiring: from a data sheet, somebody's measurement, or an estimate."""

    low: float
    typical: float
    high: float
    source: Source
    """The document and its place; begins with `second hand: ` or `estimate: ` when it is not the maker's own word."""

    @model_validator(mode="after")
    def _in_order(self):
        if not 0 <= self.low <= self.typical <= self.high:
            raise ValueError("low <= typical <= high is needed")
        return self


class Firmware(Strict):
    """How MicroPython on this board is recognised and served."""

    platform: str
    """`sys.platform`."""
    machine: list[str]
    """What `os.uname().machine` may begin with; the first is the firmware to be preferred."""
    download: str | None
    """Its name on micropython.org/download; null = there is none to be loaded."""
    mpy_arch: str | None
    """mpy-cross's -march for native code; null = none is fixed."""
    ble: Literal["nimble", "btstack"] | None
    """What is behind MicroPython's `bluetooth`; null = the port has no such module."""
    romfs_kb: Annotated[int, Field(gt=0)] | None
    """Read-only partition that code may live in instead of the file system; null = none."""
    source: Source


class Part(Strict):
    """A sensor that is soldered to the board."""

    what: str
    driver: str | None
    """Motelog's driver; null = there is none for it on this port, `note` says why."""
    settings: dict[str, int | str]
    """What a configuration says of it: bus id and pins, address."""
    note: str
    source: Source


class Figures(Strict):
    """What the planner reckons with. Currents are drawn from the battery with everything else of the board asleep."""

    heap_kb: Figure
    """Heap that the port leaves to Python, before any of our code is loaded, Wi-Fi being on where there is one."""
    boot_s: Figure
    """From reset or deep sleep to the first frame."""
    awake_ma: Figure
    """The MCU runs our program, which mostly waits; radio off."""
    light_ma: Figure | None
    """In `machine.lightsleep`; null = the port has no usable one."""
    deep_ma: Figure | None
    """In `machine.deepsleep`, state lost; null = the port has no usable one."""
    wifi_idle_ma: Figure | None
    """The whole board, associated, nothing sent; null = no Wi-Fi."""
    wifi_busy_ma: Figure | None
    """The whole board while it sends."""
    wifi_connect_s: Figure | None
    """From radio off to an IP address by DHCP."""
    wifi_connect_mc: Figure | None
    """Charge of that, in mC, the whole board."""
    tls_s: Figure | None
    """A TLS handshake; the event loop stands still for it."""
    tls_mc: Figure | None
    """Charge of that, in mC, the whole board."""
    wifi_kb_per_s: Figure | None
    """Payload over one TCP connection."""
    ble_busy_ma: Figure | None
    """The whole board, connected and sending; null = no BLE that MicroPython can use."""
    ble_kb_per_s: Figure | None
    """Payload by SMP answers."""
    erase_ms: Figure
    """Longest stall that writing to internal flash causes."""
    flash_ma: Figure
    """Drawn by the flash chip besides, while it programs or erases."""
    erase_cycles: Figure
    """Erases that a block of the internal flash survives."""


class Battery(Strict):
    """What the board has of power supplies of its own."""

    mah: Annotated[float, Field(gt=0)] | None
    """The battery that belongs to it; null = none does."""
    charger: bool
    """It charges a lithium cell by itself."""
    adc: dict[str, int | float] | None
    """Where the voltage can be read: `pin` and `divider`; null = nowhere."""
    note: str
    source: Source


class Board(Rules):
    """One board file."""

    title: str
    sources: dict[str, Source]
    """Where the facts of `Rules` are from; every one is named."""
    firmware: Firmware
    pio: Annotated[int, Field(ge=0)]
    """PIO state machines; a `pdm_mic` needs one."""
    sleep: list[Literal["light", "deep"]]
    """What MicroPython's port can do that saves current."""
    parts: list[Part]
    battery: Battery
    figures: Figures
    notes: list[str] = []
    """What somebody must know before it works."""

    @model_validator(mode="after")
    def _complete(self):
        if missing := sorted(RULE_KEYS - self.sources.keys()):
            raise ValueError(f"no source for {', '.join(missing)}")
        for kind in ("light", "deep"):
            if (getattr(self.figures, f"{kind}_ma") is not None) != (kind in self.sleep):
                raise ValueError(f"sleep and figures.{kind}_ma contradict each other")
        return self


RULE_KEYS = frozenset(Rules.model_fields)


@cache
def board(name: str) -> Board:
    """The facts of a board, by the name that a configuration uses. FileNotFoundError, pydantic.ValidationError."""
    return Board.model_validate_json((BOARDS / f"{name}.json").read_text())


@cache
def names() -> list[str]:
    """All boards that there are files for."""
    return sorted(path.stem for path in BOARDS.glob("*.json"))


def rule_facts(name: str) -> str:
    """The part of a board file that the board carries, as compact JSON: on the board only the one needed is parsed."""
    facts = board(name).model_dump()
    return json.dumps(
        {key: facts[key] for key in Rules.model_fields} | {"ble": facts["firmware"]["ble"], "sleep": facts["sleep"]}
    )
