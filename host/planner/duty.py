"""What the board does on an average day: how long it records, is awake, sleeps, and how often it uploads."""

import math
from dataclasses import asdict, dataclass

from config.board_model import board
from config.checks import frame_bytes
from config.chips import CHIPS
from config.pauses import longest_pause_s
from config.ports import port
from host.planner.figures import DAY_S, EVENTS_PER_DAY, MOVES_S
from host.planner.stall import sensor_frames

_WEEK = 7
_ROUND_S = 0.03
"""Of a real board's CPU between two light sleeps while it records: an estimate. The virtual clock counts none."""
_IDLE_S = 1.0
"""After a recording, until the main loop looks whether it may sleep: once per second (app/loop.py)."""
_UPLOAD_IDLE_S = 0.5
"""The same after an upload, which ends at any time of that second."""
_NOTICED_S = 1.0
"""Of a recording that motion began, behind `hold_s`: until a block is full, and the main loop looks again."""
_LEAST_NAP_S = 0.05  # app/doze.py


@dataclass(frozen=True)
class Duty:
    """Averages per day. `awake_s` + `light_s` + `deep_s` are a day; recordings and uploads happen while awake."""

    recordings: float
    record_s: float
    """Of one recording."""
    awake_s: float
    light_s: float
    deep_s: float
    wakeups: float
    uploads: float
    radio_always: bool
    """The radio stays on for as long as the board is awake."""

    @property
    def recorded_s(self) -> float:
        """Recorded seconds per day."""
        return self.recordings * self.record_s

    def as_dict(self) -> dict:
        """For JSON."""
        return {key: value if isinstance(value, bool) else round(value, 3) for key, value in asdict(self).items()}


def duty(
    config: dict,
    *,
    boot_s: float = 0.0,
    upload_s: float = 0.0,
    bytes_per_s: float = 0.0,
    flash_s: float = 0.0,
    case: str = "typical",
) -> Duty:
    """The day of a configuration. `boot_s`: from waking to the first frame; `upload_s`: the length of one upload;
    `bytes_per_s`: what recording produces (for `min_batch_kb`); `flash_s`: how long the flash erases and programs.
    `case`: "low", "typical" or "high", of what only motion decides.
    """
    schedule = config["schedule"]
    recordings, record_s = _events(schedule, case) if wakes_by_motion(config) else _recordings(schedule)
    uploads, always = _uploads(config, recordings, record_s, record_s * bytes_per_s)
    kind = schedule.get("sleep") or "none"
    if kind == "none" or recordings * record_s >= DAY_S:
        return Duty(recordings, record_s, DAY_S, 0, 0, 0, uploads, always)
    wakeups = recordings if kind == "deep" else 0.0
    around_s = _IDLE_S + (boot_s if kind == "deep" else 0)
    at_work_s = min(DAY_S, recordings * (record_s + around_s) + uploads * (upload_s + _UPLOAD_IDLE_S))
    recorded_s = recordings * record_s
    napped_s = max(0.0, recorded_s * _nap_share(config) - flash_s)
    asleep_s = DAY_S - at_work_s
    light_s, deep_s = (napped_s, asleep_s) if kind == "deep" else (napped_s + asleep_s, 0.0)
    return Duty(recordings, record_s, at_work_s - napped_s, light_s, deep_s, wakeups, uploads, False)


def wakes_by_motion(config: dict) -> bool:
    """Whether recordings begin when something moves, and not by the clock."""
    trigger = config["schedule"].get("trigger")
    return bool(trigger) and trigger.get("kind") == "motion"


def _events(schedule: dict, case: str) -> tuple[float, float]:
    """-> (recordings per day, mean length of one in s) with a motion trigger, random ones included."""
    trigger = schedule["trigger"]
    events = trigger["events_per_day"]
    if events is None:
        events = getattr(EVENTS_PER_DAY, case)
    moves_s, hold_s, share = getattr(MOVES_S, case), trigger["hold_s"], trigger["random_share"]
    record_s = (1 - share) * moves_s + hold_s + _NOTICED_S
    return events / (1 - share), min(DAY_S / max(1, events) * (1 - share), record_s)


def _nap_share(config: dict) -> float:
    """The part of a recording that the board sleeps through while FIFOs fill (app/doze.py), the flash's time aside: the
    rest goes into emptying them over the bus. 0 with a microphone, behind a trigger, or on a port whose time stamps do
    not bear it.
    """
    streams = config["streams"].values()
    platform = board(config["board"]).firmware.platform
    trigger = config["schedule"].get("trigger")
    if trigger and not wakes_by_motion(config) or not port(platform)["light_records"]:
        return 0.0
    nap_s = min(_nap_s(stream, config["storage"]["stall_ms"] / 1000) for stream in streams)
    if nap_s < _LEAST_NAP_S:
        return 0.0
    bus = sum(_bus_share(config, stream) for stream in streams)
    round_s = 0.0 if platform == "linux" else _ROUND_S
    return max(0.0, 1 - bus) * nap_s / (nap_s + round_s)


def _bus_share(config: dict, stream: dict) -> float:
    """The part of the time that the bus takes to carry a stream's frames, 9 bits to the byte on I2C, 8 on SPI."""
    bus = config["buses"][stream["bus"]]
    of_sensors = CHIPS[stream["driver"]]["bytes_on_bus"]
    n_bytes = of_sensors[min(frame_bytes(stream) // 6, len(of_sensors)) - 1]
    return stream["rate_hz"] * n_bytes * (9 if bus["kind"] == "i2c" else 8) / bus["freq_hz"]


def _nap_s(stream: dict, stall_s: float) -> float:
    """Longest light sleep that a stream bears, as app/doze.py reckons it."""
    if "fifo_frames" not in CHIPS[stream["driver"]]:
        return 0.0
    fifo = sensor_frames(stream)
    room_s = 0.9 * min(fifo, (stream["ring_blocks"] - 1) * stream["block_frames"]) / stream["rate_hz"]
    poll_s = min(stream["block_frames"], max(1, fifo // 4)) / stream["rate_hz"]
    return room_s - max(room_s / 2, 2 * stall_s) - poll_s


def _recordings(schedule: dict) -> tuple[float, float]:
    """-> (recordings per day, mean length of one in s). Without windows there is one, of `duration_s` or all day."""
    windows = schedule.get("windows")
    if not windows:
        return 1.0, float(min(schedule["duration_s"] or DAY_S, DAY_S))
    number = seconds = 0.0
    for window in windows:
        share = len(window.get("days") or range(_WEEK)) / _WEEK
        length_s = (_clock_s(window["to"]) - _clock_s(window["from"])) % DAY_S or DAY_S
        for recording_s in _cycles(window, length_s):
            number += share
            seconds += share * recording_s
    return number, seconds / number


def _cycles(window: dict, length_s: int) -> list[float]:
    """Lengths of the recordings in one window: a grid from its start, the last one cut short by its end."""
    record_s = window.get("record_s")
    if not record_s:
        return [float(length_s)]
    return [float(min(record_s, length_s - at)) for at in range(0, length_s, record_s + window.get("sleep_s", 0))]


def _clock_s(text: str) -> int:
    """Seconds after midnight of "06:00"."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 3600 + int(minutes) * 60


def _uploads(config: dict, recordings: float, record_s: float, bytes_each: float) -> tuple[float, bool]:
    """-> (uploads per day, whether the radio stays on all the time), as app/policy.py decides it."""
    upload = config["upload"]
    if not upload:
        return 0.0, False
    sleeps = (config["schedule"].get("sleep") or "none") != "none"
    if not sleeps and not has_times(upload):
        return 1.0, True  # one connection, kept
    latency_s, batch_kb, align_s = (upload.get(key) for key in ("max_latency_s", "min_batch_kb", "align_s"))
    news = recordings if sleeps or not interrupts(config) else recordings * _segments(config, record_s)
    most = min(news, DAY_S / max(1.0, upload.get("interval_s") or 0))
    aligned = DAY_S / (align_s or 1)
    if not latency_s:
        return min(most, aligned), False
    pause_s = DAY_S / news / 2  # until there is something new that waits, on the average
    by_size = bytes_each * recordings / 1024 / batch_kb if batch_kb else 0.0
    return min(most, max(min(by_size, aligned), DAY_S / _between(latency_s + pause_s, align_s, 2 * pause_s))), False


def has_times(upload: dict) -> bool:
    """Whether uploads have their times on a board that stays awake (app/timetable.py)."""
    keys = ("max_latency_s", "min_batch_kb", "align_s", "only_if")
    return any(upload.get(key) for key in keys) or upload.get("while_recording") is False


def interrupts(config: dict) -> bool:
    """Whether uploads go on while it records, as docs/schedule.md says."""
    may = config["upload"].get("while_recording")
    if may is not None:
        return may
    if not wakes_by_motion(config) and not longest_pause_s(config["schedule"].get("windows") or ()):
        return True
    return all((sensor_frames(stream) or 0) >= stream["rate_hz"] for stream in config["streams"].values())


def _segments(config: dict, record_s: float) -> float:
    """Files that one recording ends, of the stream that ends most."""
    streams = config["streams"].values()
    return max(math.ceil(record_s * stream["rate_hz"] / stream["segment_frames"]) for stream in streams)


def _between(longest_s: float, align_s: float | None, cycle_s: float) -> float:
    """Seconds between uploads, `longest_s` at most and at multiples of `align_s` where one of these is in time; each
    waits for something new, `cycle_s` at most.
    """
    if not align_s:
        return longest_s
    if align_s <= longest_s:
        return longest_s // align_s * align_s
    return align_s / max(1, math.ceil((align_s - cycle_s) / longest_s))
