"""Charge per day by cause, and how long a battery lasts."""

from dataclasses import dataclass

from config.board_model import Board
from host.planner.duty import Duty, wakes_by_motion
from host.planner.figures import ASLEEP_MA, DAY_S, NOTHING, USABLE, WATCH_MA, Range, sensor_ma
from host.planner.flash import BLOCK, Files
from host.planner.upload import Way

_HOUR_S = 3600


@dataclass(frozen=True)
class Energy:
    """`causes`: {what: mAh per day}."""

    causes: dict[str, Range]

    @property
    def total(self) -> Range:
        """mAh per day."""
        return sum(self.causes.values(), Range(0, 0, 0))

    def days(self, battery_mah: float) -> Range:
        """How long a battery with that printed capacity lasts."""
        return (Range.of(USABLE) * battery_mah).over(self.total)

    @classmethod
    def between(cls, low: "Energy", typical: "Energy", high: "Energy") -> "Energy":
        """Of three forecasts: the low end of the first, the high end of the last."""
        causes = {}
        for cause in typical.causes | high.causes:
            least, usual, most = (case.causes.get(cause, NOTHING) for case in (low, typical, high))
            causes[cause] = Range(*sorted((least.low, usual.typical, most.high)))
        return cls(causes)

    def as_dict(self) -> dict:
        """For JSON."""
        return {
            "causes_mah_per_day": {cause: charge.as_dict() for cause, charge in self.causes.items()},
            "total_mah_per_day": self.total.as_dict(),
        }


def energy(config: dict, board: Board, duty: Duty, files: Files, used: dict[str, Way]) -> Energy:
    """`files`: written per day; `used`: the ways that the configuration uploads."""
    figures = board.figures
    awake = Range.of(figures.awake_ma)
    causes = {
        "MCU awake": _mah(awake, duty.awake_s),
        "MCU light sleep": _mah(Range.of(figures.light_ma), duty.light_s),
        "MCU deep sleep": _mah(Range.of(figures.deep_ma), duty.deep_s),
        "motion sensors": _sensors(config, duty, imu=True),
        "microphones": _sensors(config, duty, imu=False),
        "radio": Range(0, 0, 0),
        "TLS": Range(0, 0, 0),
        "flash": _card(files) if config["storage"]["card"] else _flash(board, files),
    }
    for way, needs in used.items():
        causes["radio"] += _radio(board, duty, way, needs)
        if way != "ble" and needs.tls_s.high:
            handshakes = needs.tls_s.typical / figures.tls_s.typical
            causes["TLS"] += _charge(Range.of(figures.tls_mc) * handshakes, awake, needs.tls_s)
    return Energy({cause: charge for cause, charge in causes.items() if charge.high})


def _mah(current_ma: Range, seconds: float) -> Range:
    return current_ma * (seconds / _HOUR_S)


def _charge(total_mc: Range, awake_ma: Range, seconds: Range) -> Range:
    """mAh of something that was measured for the whole board, less what the awake MCU counts for anyway."""
    return total_mc.beyond(awake_ma * seconds) * (1 / _HOUR_S)


def _radio(board: Board, duty: Duty, way: str, needs: Way) -> Range:
    """Connecting, sending, and being associated with nothing to send."""
    figures = board.figures
    awake = Range.of(figures.awake_ma)
    busy = Range.of(figures.ble_busy_ma if way == "ble" else figures.wifi_busy_ma)
    total = _charge(busy * needs.transfer_s, awake, needs.transfer_s)
    if way == "ble":
        return total
    joins = needs.connect_s.typical / figures.wifi_connect_s.typical
    total += _charge(Range.of(figures.wifi_connect_mc) * joins, awake, needs.connect_s)
    if duty.radio_always:
        idle_s = max(0.0, duty.awake_s - needs.busy_s.typical)
        total += _mah(Range.of(figures.wifi_idle_ma).beyond(awake), idle_s)
    return total


def _sensors(config: dict, duty: Duty, *, imu: bool) -> Range:
    """A sensor draws its current while it records, and a little while it is stopped, or watches for motion."""
    total = Range(0, 0, 0)
    for name, stream in config["streams"].items():
        current = sensor_ma(stream)
        if current and ("measure" in stream) == imu:
            watches = wakes_by_motion(config) and config["schedule"]["trigger"]["stream"] == name
            idle = WATCH_MA[stream["driver"]] if watches else ASLEEP_MA
            total += _mah(Range.of(current), duty.recorded_s)
            total += _mah(Range.of(idle), max(0.0, DAY_S - duty.recorded_s))
    return total


def _flash(board: Board, files: Files) -> Range:
    """Current of the flash chip, for as long as it erases and programs (0.7 ms per 256 bytes, W25Q data sheets)."""
    return (Range.of(board.figures.flash_ma) * flash_s(board, files)) * (1 / _HOUR_S)


def flash_s(board: Board, files: Files) -> Range:
    """How long the flash chip erases and programs for these files."""
    program_s = files.programmed / 256 * 0.0007
    return Range.of(board.figures.erase_ms) * (files.erases / 1000) + Range(program_s, program_s, program_s)


CARD_MA = Range(20, 40, 100)
CARD_BYTES_PER_S = Range(100_000, 300_000, 1_000_000)
"""An SD card on SPI while it writes: estimates; cards may take 100 mA in default speed (SD Physical Layer Simplified
Specification, 6.4), and differ much."""


def _card(files: Files) -> Range:
    seconds = Range(files.programmed, files.programmed, files.programmed).over(CARD_BYTES_PER_S)
    return CARD_MA * seconds * (1 / _HOUR_S)


def wear_years(board: Board, files: Files, room_bytes: float) -> float:
    """Years until the average block of the room has had its erases: LittleFS wears its free blocks evenly."""
    per_block = files.erases / max(1.0, room_bytes / BLOCK)
    return board.figures.erase_cycles.typical / per_block / 365 if per_block else float("inf")
