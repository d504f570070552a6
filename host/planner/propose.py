"""The nearest configuration that works: one fault after the other is repaired, and the result is checked again.

A repair is a guess at one path; it counts only if the fault is gone afterwards and no new one has come.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from config.checks import MAX_BLOCK_BYTES, frame_bytes
from config.chips import CHIPS
from host.planner.plan import Error

_MOST = 60
_BLOCKS = (2, 256)
Verdict = Callable[[dict], tuple[dict, list[Error]]]
"""(raw configuration) -> (the fields of it that are right, with defaults; errors)."""


@dataclass(frozen=True)
class Change:
    """One value of the configuration, named by its path."""

    path: str
    was: object
    value: object

    def as_dict(self) -> dict:
        """For JSON."""
        return {"path": self.path, "was": self.was, "value": self.value}


def propose(raw: dict, verdict: Verdict) -> list[Change] | None:
    """Changes that make `raw` pass `verdict`; None when no way was found. `raw` is left as it is."""
    config = copy.deepcopy(raw)
    changes: dict[str, Change] = {}
    filled, errors = verdict(config)
    for _ in range(_MOST):
        if not errors:
            return list(changes.values())
        step = _step(config, filled, errors, verdict)
        if step is None:
            return None
        config, path, value, filled, errors = step
        first = changes[path].was if path in changes else _get(raw, path)
        changes[path] = Change(path, first, value)
    return None


def _step(config: dict, filled: dict, errors: list[Error], verdict: Verdict):
    """The first repair that helps: fewer errors, or the same ones while something becomes smaller."""
    for error in errors:
        for path, value in _known(error, filled):
            tried = copy.deepcopy(config)
            if not _set(tried, path, value):
                continue
            now_filled, now = verdict(tried)
            if len(now) < len(errors) or ({e[0] for e in now} <= {e[0] for e in errors} and error not in now):
                return tried, path, value, now_filled, now
    return None


def _known(error: Error, filled: dict) -> list[tuple[str, object]]:
    """The repairs, as far as the fields that they need are right themselves; wrong ones are not in `filled`."""
    found = []
    try:
        found.extend(_repairs(error, filled))
    except (KeyError, TypeError, ZeroDivisionError):
        pass
    return found


def _repairs(error: Error, filled: dict) -> Iterator[tuple[str, object]]:
    """(path, value) worth trying against an error, the nearest to what is wanted first."""
    path = error[0]
    part, _, key = path.rpartition(".")
    if path.startswith("streams."):
        stream = (filled.get("streams") or {}).get(path.split(".")[1])
        if stream and key in _OF_STREAM:
            for field, value in _OF_STREAM[key](stream, filled):
                yield f"{part}.{field}", value
    elif path == "streams":
        yield from _smaller(filled)
    elif path in ("storage", "storage.max_kb"):
        yield from _shorter(filled)
    elif part.startswith("buses.") and key == "freq_hz":
        yield from _slower(part, filled)
    elif path == "schedule":
        yield from _longer_pauses(filled)
    elif path == "upload.backoff_max_s":
        yield path, filled["upload"]["backoff_min_s"]


def _stall_ms(filled: dict) -> int:
    return filled.get("storage", {}).get("stall_ms", 0)


def _blocks(stream: dict, filled: dict):
    """A ring that outlasts a stall; larger blocks when there cannot be more of them."""
    frames = -(-stream["rate_hz"] * _stall_ms(filled) // 1000)
    blocks = max(_BLOCKS[0], int(-(-frames // stream["block_frames"])))
    if blocks <= _BLOCKS[1]:
        yield "ring_blocks", blocks
    else:
        yield "block_frames", int(-(-frames // _BLOCKS[1]))


def _ibuf(stream: dict, filled: dict):
    need = -(-stream["rate_hz"] * _stall_ms(filled) * CHIPS["i2s_mic"]["i2s_frame_bytes"] // 1000)
    yield "ibuf_bytes", max(1024, int(need))


def _pdm_ring(stream: dict, filled: dict):
    chip = CHIPS["pdm_mic"]
    need = stream["rate_hz"] * _stall_ms(filled) * chip["ring_frame_bytes"] / 1000
    yield from (("ring_bytes", size) for size in chip["ring_bytes"] if size >= need)
    yield "rate_hz", max(chip["min_rate_hz"], int(chip["ring_bytes"][-1] * 1000 // (_stall_ms(filled) * 8)))


def _segment(stream: dict, filled: dict):
    """The largest multiple of the block that is not longer; else halves of it."""
    block = stream["block_frames"]
    frames = stream["segment_frames"] // block * block
    while frames >= max(16, block):
        yield "segment_frames", frames
        frames = frames // 2 // block * block
    yield "segment_frames", -(-16 // block) * block


def _block(stream: dict, filled: dict):
    yield "block_frames", MAX_BLOCK_BYTES // frame_bytes(stream)


def _rate(stream: dict, filled: dict):
    """The chip's rates, the nearest first."""
    chip = CHIPS[stream["driver"]]
    wanted = stream["rate_hz"]
    rates = {rate for key in ("rates_hz", "accel_only_rates_hz", "gyro_only_rates_hz") for rate in chip.get(key, ())}
    if "divided_hz" in chip:
        rates |= {round(chip["divided_hz"] / n, 2) for n in range(1, 257)}
    rates |= {edge for low, high in _part_rates(stream) for edge in (low, high)}
    for rate in sorted(rates, key=lambda rate: abs(rate - wanted) / (rate + wanted)):
        yield "rate_hz", rate


def _part_rates(stream: dict):
    parts = CHIPS[stream["driver"]].get("parts", {})
    return parts[stream["part"]]["rates_hz"] if stream.get("part") in parts else ()


def _accel_range(stream: dict, filled: dict):
    yield from _nearest(stream, "accel_range_g", "accel_ranges_g")


def _gyro_range(stream: dict, filled: dict):
    yield from _nearest(stream, "gyro_range_dps", "gyro_ranges_dps")


def _nearest(stream: dict, field: str, table: str):
    values = CHIPS[stream["driver"]].get(table, ())
    yield from ((field, value) for value in sorted(values, key=lambda value: abs(value - stream[field])))


def _ws(stream: dict, filled: dict):
    yield "ws", stream["sck"] + 1


_OF_STREAM: dict[str, Callable[[dict, dict], Iterator[tuple[str, object]]]] = {
    "ring_blocks": _blocks,
    "ibuf_bytes": _ibuf,
    "ring_bytes": _pdm_ring,
    "segment_frames": _segment,
    "block_frames": _block,
    "rate_hz": _rate,
    "accel_range_g": _accel_range,
    "gyro_range_dps": _gyro_range,
    "ws": _ws,
}


def _smaller(filled: dict):
    """Rings and I2S buffers down to what a stall needs, the largest first; then lower rates of microphones."""
    for name, stream in sorted(filled["streams"].items(), key=lambda item: -_ring_bytes(item[1])):
        path = f"streams.{name}"
        for field, value in (*_blocks(stream, filled), *(_ibuf(stream, filled) if "ibuf_bytes" in stream else ())):
            if value < stream[field]:
                yield f"{path}.{field}", value


def _ring_bytes(stream: dict) -> int:
    return stream["ring_blocks"] * stream["block_frames"] * frame_bytes(stream) + stream.get("ibuf_bytes", 0)


def _shorter(filled: dict):
    """Shorter segments, the largest stream's first."""
    order = sorted(filled["streams"].items(), key=lambda item: -item[1]["segment_frames"] * frame_bytes(item[1]))
    for name, stream in order:
        for field, value in _segment(stream, filled):
            if value < stream["segment_frames"]:
                yield f"streams.{name}.{field}", value


def _slower(bus: str, filled: dict):
    """The fastest clock that every chip on the bus takes."""
    name = bus.partition(".")[2]
    kind = filled["buses"][name]["kind"]
    limits = [
        CHIPS[stream["driver"]][f"{kind}_max_hz"]
        for stream in filled["streams"].values()
        if stream and stream.get("bus") == name
    ]
    yield f"{bus}.freq_hz", min(limits)


def _longer_pauses(filled: dict):
    """Pauses half as long again, until one of them is long enough."""
    for number, window in enumerate(filled["schedule"].get("windows") or ()):
        pause = window.get("sleep_s") or 0
        while 0 < pause < 43_200:
            pause = min(43_200, pause + max(1, pause // 20))
            yield f"schedule.windows.{number}.sleep_s", pause


def _get(config: dict, path: str):
    for part in path.split("."):
        config = config[int(part)] if isinstance(config, list) else config.get(part, {})
    return None if config == {} else config


def _set(config: dict, path: str, value) -> bool:
    """Puts a value into its place; False when there is no such place."""
    *parents, last = path.split(".")
    for part in parents:
        config = config[int(part)] if isinstance(config, list) else config.setdefault(part, {})
        if not isinstance(config, dict | list):
            return False
    config[last] = value
    return True
