"""Rules between the fields that say when things happen: `schedule`, `upload`, `power`, `stops`. Board and laptop; see
`checks.py` for what a rule is. Loaded only where one of these sections says something.
"""

from config.chips import CHIPS
from config.times import DAYS, instant, length_minutes, minutes
from config.validate import listed, shown

_WEEK = 7 * 1440
SLACK = 12  # a sensor may run faster than its nominal rate: rings are held to a twelfth more


def running_errors(config, board, in_ranges):
    """Yields an error for every such rule that a configuration breaks. `board`, `in_ranges`: as in checks.py."""
    schedule = config.get("schedule") or {}
    streams = config.get("streams") or {}
    windows = schedule.get("windows") or []
    yield from _windows(windows)
    yield from _active(schedule.get("active"))
    if windows and schedule.get("duration_s") is not None:
        yield ("schedule.duration_s", "has no meaning with windows", "record_s in each window")
    trigger = schedule.get("trigger") or {}
    if trigger:
        yield from _trigger(trigger, streams)
    moves = trigger.get("kind") == "motion"
    if moves:
        yield from _motion(trigger, schedule, streams, board, in_ranges)
    knows = _knows(schedule, "windows", "trigger", "active")
    is_always = knows and not (windows or moves or schedule["active"])
    if is_always and schedule.get("sleep") in ("light", "deep"):
        yield (
            "schedule.sleep",
            "the board never has time to sleep: it records always",
            "schedule.windows, with record_s and sleep_s",
        )
    sleep = schedule.get("sleep")
    if board and sleep in ("light", "deep") and sleep not in board["sleep"]:
        possible = ["none"] + board["sleep"]
        yield ("schedule.sleep", "this board has no usable {} sleep (docs/sleep.md)".format(sleep), listed(possible))
    yield from _upload(config.get("upload") or {}, config.get("power"))
    battery = (config.get("power") or {}).get("battery") or {}
    pins = [("power.battery." + key, battery.get(key)) for key in ("pin", "charging_pin")]
    for path, pin in pins:
        if pin is not None and board and not in_ranges(pin, board["pins"]):
            yield (path, "this board has no GPIO {} to use".format(pin), "one of " + board["pins"])
    if _has(battery, "empty_mv", "full_mv") and battery["empty_mv"] >= battery["full_mv"]:
        yield ("power.battery.full_mv", "is not above empty_mv", "more than {}".format(battery["empty_mv"]))


def _has(fields, *names):
    return all([fields.get(name) is not None for name in names])


def _knows(fields, *names):
    """-> whether none of them was refused for what it is."""
    return all([name in fields for name in names])


def _windows(windows):
    """Times are times, recordings fit into their window, windows do not overlap."""
    taken = []  # (start, end, number) in minutes of the week
    for i in range(len(windows)):
        window = windows[i]
        if not window:
            continue
        path = "schedule.windows.{}".format(i)
        times = []
        for key in ("from", "to"):
            value = window.get(key)
            if value is not None:
                times.append(minutes(value))
                if times[-1] is None or (key == "from" and times[-1] == 1440):
                    yield ("{}.{}".format(path, key), "{} is no time of day".format(shown(value)), 'as "06:00"')
        if window.get("sleep_s") and "record_s" in window and window["record_s"] is None:
            yield (path + ".record_s", "is missing: sleep_s pauses between recordings", "the length of a recording")
        if len(times) < 2 or None in times or times[0] == 1440:
            continue
        if times[0] == times[1]:
            yield (path + ".to", "is the same as from", 'another time; a whole day is "00:00" to "24:00"')
            continue
        length = length_minutes(times[0], times[1])
        if _has(window, "record_s") and window["record_s"] > length * 60:
            yield (path + ".record_s", "is longer than the window", "at most {}".format(length * 60))
        if "days" in window:
            for day in range(7):
                if window["days"] is None or DAYS[day] in window["days"]:
                    taken.append((day * 1440 + times[0], day * 1440 + times[0] + length, i))
    yield from _overlaps(taken)


def _overlaps(taken):
    taken = sorted(taken)
    for k in range(len(taken)):
        start, end, i = taken[k]
        after = taken[(k + 1) % len(taken)]
        if after[0] + (_WEEK if k + 1 == len(taken) else 0) < end:
            first, second = min(i, after[2]), max(i, after[2])
            yield (
                "schedule.windows.{}".format(second),
                "overlaps with schedule.windows.{}".format(first) if first != second else "overlaps with itself",
                "windows one after the other",
            )


def _active(active):
    bounds = []
    for key in ("from", "until"):
        value = (active or {}).get(key)
        if value is not None:
            bounds.append(instant(value))
            if bounds[-1] is None:
                yield (
                    "schedule.active." + key,
                    "{} is no instant".format(shown(value)),
                    'as "2026-12-01T00:00:00Z"',
                )
    if len(bounds) == 2 and None not in bounds and bounds[0] >= bounds[1]:
        yield ("schedule.active.until", "is not later than from", "a later instant")


def _trigger(trigger, streams):
    """What is watched is there, and the rings hold what is stored from before the event."""
    if "stream" in trigger and trigger["stream"] not in streams:
        what = "there is no stream " + shown(trigger["stream"])
        yield ("schedule.trigger.stream", what, "one of {}".format(listed(sorted(streams))))
    if "pre_s" not in trigger:
        return
    for name in sorted(streams):
        stream = streams[name] or {}
        if _has(stream, "rate_hz", "block_frames", "ring_blocks"):
            least = blocks_before(trigger["pre_s"], stream["rate_hz"], stream["block_frames"]) + 2
            if stream["ring_blocks"] < least:
                yield (
                    "streams.{}.ring_blocks".format(name),
                    "does not hold schedule.trigger.pre_s = {} s and a write's stall".format(trigger["pre_s"]),
                    "at least {}, or a shorter pre_s".format(least),
                )


def _motion(trigger, schedule, streams, board, in_ranges):
    """The sensor can detect motion, its interrupt reaches a pin that ends the board's sleep, and the board sleeps."""
    if schedule.get("sleep") == "none":
        reason = "is none: there is nothing that motion could wake the board from"
        yield ("schedule.sleep", reason, '"light" or "deep"; awake, a trigger of kind "level" does the same')
    if schedule.get("duration_s") is not None:
        yield ("schedule.duration_s", "has no meaning with a motion trigger", "hold_s of the trigger")
    if board and not board["wake_pins"]:
        yield ("schedule.trigger.kind", "no pin ends this board's sleep (docs/sleep.md)", '"level" or "rms"')
    stream = streams.get(trigger.get("stream"))
    if not stream or "driver" not in stream:
        return
    path = "streams." + trigger["stream"]
    limits = CHIPS[stream["driver"]].get("motion")
    if not limits:
        able = [name for name in sorted(CHIPS) if CHIPS[name].get("motion")]
        reason = "the {} does not wake a board by motion".format(stream["driver"])
        yield ("schedule.trigger.stream", reason, "a stream of " + listed(able))
        return
    for key, most in (("threshold_g", limits[1]), ("duration_s", limits[2])):
        if key in trigger and trigger[key] > most:
            reason = "is more than the {} can".format(stream["driver"])
            yield ("schedule.trigger." + key, reason, "at most {}".format(most))
    if "threshold_g" in trigger and trigger["threshold_g"] < limits[0]:
        reason = "is less than the {} can".format(stream["driver"])
        yield ("schedule.trigger.threshold_g", reason, "at least {}".format(limits[0]))
    if "measure" in stream and stream["measure"] == ["gyro"]:
        reason = "lacks accel, in which the end of an event is seen"
        yield (path + ".measure", reason, '["accel", "gyro"], or leave it out')
    pin = stream.get("int_pin")
    if "int_pin" in stream and pin is None:
        reason = "is missing: the sensor's interrupt must reach the board"
        yield (path + ".int_pin", reason, "the pin that INT1 is wired to")
    elif pin is not None and board and in_ranges(pin, board["pins"]) and not in_ranges(pin, board["wake_pins"]):
        yield (path + ".int_pin", "GPIO {} does not end this board's sleep".format(pin), "one of " + board["wake_pins"])


def blocks_before(pre_s, rate_hz, block_frames):
    """-> blocks of a ring that hold at least `pre_s` seconds, also when the sensor runs a twelfth too fast."""
    frames = pre_s * rate_hz * (SLACK + 1) / SLACK
    return int(-(-frames // block_frames)) + 1


def _upload(upload, power):
    """Conditions can be known, and a batch has a latest time."""
    if _has(upload, "min_batch_kb") and "max_latency_s" in upload and upload["max_latency_s"] is None:
        yield ("upload.max_latency_s", "is missing: a last small batch would wait for ever", "a number of seconds")
    if _has(upload, "jitter_s", "align_s") and upload["jitter_s"] > upload["align_s"]:
        yield ("upload.jitter_s", "is longer than align_s", "at most {}".format(upload["align_s"]))
    only_if = upload.get("only_if")
    if not only_if or power is None or "battery" not in power:
        return
    battery = power["battery"]
    for key in ("battery_pct", "charging"):
        if only_if.get(key) and (battery is None or (key == "charging" and battery.get("charging_pin", 0) is None)):
            need = "power.battery" if battery is None else "power.battery.charging_pin"
            yield ("upload.only_if." + key, "cannot be known: there is no " + need, "describe it, or leave this out")
