"""The whole forecast of one configuration on one board, what cannot work of it, and what is doubtful."""

import time
from dataclasses import dataclass, field

from config.board_model import Board, board
from config.pauses import longest_pause_s
from config.times import instant
from host.planner import code, flash, stall, upload
from host.planner.duty import Duty, duty, interrupts, wakes_by_motion
from host.planner.energy import Energy, energy, flash_s, wear_years
from host.planner.figures import CLOCK_OFF, DAY_S, EVENTS_PER_DAY, MOVES_S, USABLE, WATCH_MA, Range, sensor_ma
from host.planner.flash import Files
from host.planner.ram import Ram, ram
from host.planner.stall import Stall
from host.planner.upload import Way

Error = tuple[str, str, str]
"""(path in the configuration, what is wrong, what would be right)."""
_BIG_RINGS = 128 * 1024
_UNIX_2000 = 946_684_800


@dataclass(frozen=True)
class Plan:
    """See docs/planner.md. `room_bytes`: None = nobody knows. `refusals`: Errors; `warnings`: sentences."""

    board: Board
    streams: dict[str, Files]
    """Per stream and day."""
    files: Files
    """Per day, session.json and ledger.json included."""
    recording: Files
    """One recording of `schedule.duration_s`, or of a day."""
    room_bytes: float | None
    duty: Duty
    ram: Ram
    stall: Stall
    ways: dict[str, Way]
    used: list[str]
    energy: Energy
    battery_mah: float | None
    refusals: list[Error] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def days_until_full(self) -> float | None:
        """Without any upload; None = nobody knows."""
        return self.room_bytes / self.files.stored if self.room_bytes is not None and self.files.stored else None

    @property
    def wear_years(self) -> float | None:
        """Until the average block of internal flash is worn out; None on a card."""
        return wear_years(self.board, self.files, self.room_bytes) if self.room_bytes else None

    @property
    def battery_days(self) -> Range | None:
        """How long the battery lasts; None = there is none."""
        return self.energy.days(self.battery_mah) if self.battery_mah else None

    def as_dict(self) -> dict:
        """For JSON; the keys are named in docs/planner.md."""
        full, years, days = self.days_until_full, self.wear_years, self.battery_days
        return {
            "board": self.board.title,
            "duty": self.duty.as_dict(),
            "ram": self.ram.as_dict(),
            "stall": self.stall.as_dict(),
            "flash": {
                "mb_per_day": round(self.files.stored / 1e6, 4),
                "streams_mb_per_day": {name: round(files.stored / 1e6, 4) for name, files in self.streams.items()},
                "recording_mb": round(self.recording.stored / 1e6, 4),
                "files_per_day": round(self.files.files, 1),
                "programmed_mb_per_day": round(self.files.programmed / 1e6, 4),
                "erases_per_day": round(self.files.erases, 1),
                "room_kb": None if self.room_bytes is None else round(self.room_bytes / 1024),
                "days_until_full": None if full is None else round(full, 3),
                "wear_years": None if years in (None, float("inf")) else round(years, 1),
            },
            "upload": {way: {**needs.as_dict(), "used": way in self.used} for way, needs in self.ways.items()},
            "energy": self.energy.as_dict(),
            "battery": {"mah": self.battery_mah, "days": None if days is None else days.as_dict(2)},
            "warnings": self.warnings,
        }


def plan(config: dict, *, battery_mah: float | None = None, days: float | None = None) -> Plan:
    """The forecast of a configuration (defaults filled in) without errors of its own. `days`: so long the battery
    shall last.
    """
    facts = board(config["board"])
    day, files, ways, used, charge = _forecast(config, facts, "typical")
    if wakes_by_motion(config):
        low, high = (_forecast(config, facts, case)[-1] for case in ("low", "high"))
        charge = Energy.between(low, charge, high)
    streams = {
        name: flash.of_stream(name, stream, day.record_s) * day.recordings for name, stream in config["streams"].items()
    }
    made = Plan(
        board=facts,
        streams=streams,
        files=files,
        recording=flash.of_session(config, config["schedule"]["duration_s"] or day.record_s),
        room_bytes=flash.room_bytes(config, facts.data_kb, code.flash_bytes(facts)),
        duty=day,
        ram=ram(config, facts),
        stall=stall.stall(config, facts),
        ways=ways,
        used=used,
        energy=charge,
        battery_mah=battery_mah or facts.battery.mah,
    )
    made.refusals.extend(_refusals(config, made, days))
    made.warnings.extend(_warnings(config, made))
    return made


def _forecast(config: dict, facts: Board, case: str) -> tuple[Duty, Files, dict[str, Way], list[str], Energy]:
    """A day, its files, the ways to upload them, those used, and what all that draws."""
    boot_s = facts.figures.boot_s.typical
    session = flash.of_session(config, 3600)
    more = {"boot_s": boot_s, "bytes_per_s": session.stored / 3600, "case": case}
    day = duty(config, **more)
    files = (flash.of_session(config, day.record_s) + flash.of_waking(config)) * day.recordings
    writing_s = 0.0 if config["storage"]["card"] else flash_s(facts, files).typical
    ways = upload.ways(config, facts, files, day.uploads)
    used = [way for way in ways if upload.chosen(config, way)]
    busy_s = sum(ways[way].busy_s.typical for way in used) / day.uploads if used and day.uploads else 0.0
    day = duty(config, upload_s=busy_s, flash_s=writing_s, **more)
    return day, files, ways, used, energy(config, facts, day, files, {way: ways[way] for way in used})


def _refusals(config: dict, made: Plan, days: float | None):
    """What cannot work."""
    yield from _parts(config, made.board)
    heap, least = made.ram.heap, made.ram.least
    if least > heap.high:
        largest = max(made.ram.purposes, key=made.ram.purposes.get)
        reason = f"{_kb(least)} KB of heap are needed (most by {largest}), this port leaves {_kb(heap.high)} KB at best"
        yield "streams", reason, "fewer ring_blocks, a smaller ibuf_bytes, or a board with more RAM"
    once = sum(flash.of_stream(name, s, s["segment_frames"] / s["rate_hz"]).stored for name, s in _streams(config))
    if made.room_bytes is not None and once > made.room_bytes:
        where = "storage.max_kb" if config["storage"]["max_kb"] else "storage"
        reason = f"one segment of every stream takes {_kb(once)} KB, {_kb(made.room_bytes)} KB are left"
        yield where, reason + _taken(made, config), "shorter segments, an SD card, or a board with more flash"
    for way in made.used:
        busy = made.ways[way].busy_s.low
        if busy > DAY_S:
            reason = f"a day's recordings need {busy / 3600:.0f} hours to upload"
            yield f"upload.{way}", reason, "a lower rate, or recordings with pauses"
    if days and not made.battery_days:
        yield "power", f"nothing is known of a battery that shall last {days:g} days", "--battery-mah MAH"
    elif days and made.battery_days.typical < days:
        reason = f"the battery of {made.battery_mah:g} mAh lasts {made.battery_days.typical:.1f} days, not {days:g}"
        yield "schedule", reason, "longer pauses, deep sleep, a larger battery"


def _parts(config: dict, facts: Board):
    """Sensors that this board, or MicroPython on it, cannot read."""
    for name, stream in _streams(config):
        path = f"streams.{name}"
        driver = stream["driver"]
        if driver == "pdm_mic" and stream["id"] >= facts.pio:
            has = f"has {facts.pio} PIO state machines" if facts.pio else "has no PIO"
            yield f"{path}.driver", f"this board {has}", "an I2S microphone, or a board with an RP2040 or RP2350"
        if driver == "host_mic" and config["board"] != "virtual":
            yield f"{path}.driver", "listens to the computer that runs a virtual board", "i2s_mic or pdm_mic"
        if driver == "i2s_mic" and facts.firmware.platform == "rp2" and not config["storage"]["card"]:
            reason = "each write to RP2's own flash stops the interrupts that I2S needs"
            yield f"{path}.driver", reason, "an SD card (storage.card, storage.root below /sd)"


def _warnings(config: dict, made: Plan):
    """What works, but not as somebody may think."""
    heap, total = made.ram.heap, made.ram.total
    if total > heap.low:
        yield f"RAM: {_kb(total)} KB of heap are needed, the port leaves {_kb(heap.low)} to {_kb(heap.high)} KB"
    rings = made.ram.purposes.get("rings", 0) + made.ram.purposes.get("I2S and PDM buffers", 0)
    if rings > _BIG_RINGS:
        yield f"RAM: {_kb(rings)} KB of rings and buffers make garbage collections slow where they lie in PSRAM"
    if (config["upload"] or {}).get("while_recording") is not False:
        for cause in ("TLS handshake", "name look-up"):
            if cause in made.stall.stalls_ms and (buffers := made.stall.lossy(cause)):
                worst = made.stall.stalls_ms[cause].high
                yield (
                    f"a {cause} may stop the readers for {worst:.0f} ms, longer than {', '.join(buffers)}: frames are "
                    "lost (and counted) then, unless uploads wait for the end of a recording"
                )
    yield from _never(config, made)
    if wakes_by_motion(config):
        boot_s = made.board.figures.boot_s if config["schedule"]["sleep"] == "deep" else None
        late = f"{Range.of(boot_s).low + 0.1:.1f} to {Range.of(boot_s).high + 0.2:.1f} s"
        yield f"what moves is recorded from {late} after it began: nothing is kept of the time before a wake-up"
        if config["schedule"]["trigger"]["events_per_day"] is None:
            often = EVENTS_PER_DAY
            usual, least, most = (f"{n:g}" for n in (often.typical, often.low, often.high))
            yield f"how often it moves is not known: the forecast is for {usual} events a day ({least} to {most})"
    elif config["schedule"].get("trigger"):
        yield "how often the trigger fires is not known: the forecast is the most there can be, events without a pause"
    full = made.days_until_full
    if full is not None and not made.used and config["schedule"]["duration_s"] is None:
        then = "what is oldest is deleted" if config["storage"]["when_full"] == "drop_oldest" else "recording stops"
        yield f"without uploads the flash is full after {_days(full)}: then {then}"
    elif full is not None and made.recording.stored > made.room_bytes and not made.used:
        mb, room_mb = made.recording.stored / 1e6, made.room_bytes / 1e6
        yield f"one recording takes {mb:.1f} MB, there is room for {room_mb:.1f} MB"
    if made.wear_years is not None and made.wear_years < 2 and not config["storage"]["card"]:
        yield f"the flash is worn out after {_days(365 * made.wear_years)} of this"


def _never(config: dict, made: Plan):
    """What is asked for and will not happen."""
    until = (config["schedule"]["active"] or {}).get("until")
    if until and instant(until) + _UNIX_2000 <= time.time():
        yield f"schedule.active ended at {until}: nothing is recorded any more"
    pause_s = longest_pause_s(config["schedule"]["windows"])
    for way in made.used:
        needs, uploads = made.ways[way], made.duty.uploads
        if pause_s and uploads and way != "ble" and not made.duty.radio_always and not interrupts(config):
            join_s = (needs.connect_s.typical + needs.tls_s.typical) / uploads
            if pause_s < join_s:
                yield (
                    f"uploads wait for a pause between recordings, and the longest is {pause_s} s: joining the network "
                    f"takes {join_s:.1f} s. Longer pauses, or upload.while_recording true"
                )


def assumptions(config: dict, made: Plan) -> list[tuple[str, Range | None, str]]:
    """[(what, value, source)] of everything that went into the forecast and was not in the configuration."""
    figures = made.board.figures
    rows = []
    for name in type(figures).model_fields:
        if figure := getattr(figures, name):
            rows.append((name, Range.of(figure), figure.source))
    for name, stream in _streams(config):
        if current := sensor_ma(stream):
            rows.append((f"{name}: {stream['driver']}, mA", Range.of(current), current.source))
    if wakes_by_motion(config):
        trigger = config["schedule"]["trigger"]
        watch = WATCH_MA[config["streams"][trigger["stream"]]["driver"]]
        rows.append((f"{trigger['stream']}: while it watches for motion, mA", Range.of(watch), watch.source))
        if trigger["events_per_day"] is None:
            rows.append(("events per day", Range.of(EVENTS_PER_DAY), EVENTS_PER_DAY.source))
        rows.append(("seconds that it moves in each", Range.of(MOVES_S), MOVES_S.source))
    rows.append(("usable share of the battery", Range.of(USABLE), USABLE.source))
    rows.append(("true rate of a sensor / nominal rate", Range.of(CLOCK_OFF), CLOCK_OFF.source))
    return rows


def _streams(config: dict):
    return sorted(config["streams"].items())


def _taken(made: Plan, config: dict) -> str:
    """What else lies on internal flash."""
    if made.board.data_kb is None or config["storage"]["card"] or config["storage"]["max_kb"]:
        return ""
    ours = _kb(code.flash_bytes(made.board))
    return f" of {made.board.data_kb} KB (code {ours} KB, reserve {config['storage']['reserve_kb']} KB)"


def _kb(n_bytes: float) -> int:
    return round(n_bytes / 1024)


def _days(days: float) -> str:
    return f"{days:.1f} days" if days >= 2 else f"{24 * days:.1f} hours"
