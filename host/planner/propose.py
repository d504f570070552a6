"""The nearest configuration that works: one fault after the other is repaired, and the result is checked again.

A repair is a guess at one path; it counts only if the fault is gone afterwards.
"""

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from config.checks import MAX_BLOCK_BYTES, board_facts, frame_bytes
from config.chips import CHIPS
from config.messages import OVERHEAD_BYTES
from config.running import SLACK, blocks_before
from config.times import length_minutes, minutes
from host.planner.bounds import nearest
from host.planner.plan import Error

_MOST = 20  # repairs
_BLOCKS = (2, 256)  # of a ring
_LEAST_SEGMENT = 16
_LEAST_IBUF = 1024
_LONGEST_PAUSE_S = 86_400
_HOW_OFTEN = ("upload.max_latency_s", "upload.min_batch_kb")
_FULL_MV, _EMPTY_MV = 4200, 3300  # of a lithium cell
Verdict = Callable[[dict], tuple[dict, list[Error]]]
"""(raw configuration) -> (the fields of it that are right, with defaults; errors)."""
Repair = dict[str, object]
"""{path: value}, set together."""


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
    filled, errors = verdict(config)
    made = _in_bounds(config, errors)
    for path, value in made.items():
        _set(config, path, value)
    filled, errors = verdict(config) if made else (filled, errors)
    for _ in range(_MOST):
        if not errors:
            changes = [Change(path, _get(raw, path), value) for path, value in made.items()]
            return [change for change in changes if json.dumps(change.was) != json.dumps(change.value)]  # 1.0 is not 1
        step = _step(config, filled, errors, verdict)
        if step is None:
            return None
        config, repair, filled, errors = step
        made |= repair
    return None


def _in_bounds(config: dict, errors: list[Error]) -> Repair:
    """What no other field has to do with: numbers beyond what the schema allows."""
    found = {path: nearest(config, path) for path, _, _ in errors}
    return {path: value for path, value in found.items() if value is not None}


def _step(config: dict, filled: dict, errors: list[Error], verdict: Verdict):
    """The first repair after which its error is gone and no new one has come; failing that, there are no more."""
    paths = {path for path, _, _ in errors}
    for error in errors:
        second = None
        for repair in _known(error, filled):
            tried = copy.deepcopy(config)
            if not all([_set(tried, path, value) for path, value in repair.items()]):
                continue
            now_filled, now = verdict(tried)
            left = {path for path, _, _ in now}
            if error[0] in left or len(now) > len(errors):
                continue
            if left < paths:
                return tried, repair, now_filled, now
            second = second or (tried, repair, now_filled, now)
        if second:
            return second
    return None


def _known(error: Error, filled: dict) -> list[Repair]:
    """The repairs, as far as the fields that they need are right themselves; wrong ones are not in `filled`."""
    found = []
    try:
        found.extend(_repairs(error, filled))
    except (KeyError, TypeError, ZeroDivisionError):
        pass
    return found


def _repairs(error: Error, filled: dict) -> Iterator[Repair]:
    """What is worth trying against an error, the nearest to what is wanted first."""
    path = error[0]
    part, _, key = path.rpartition(".")
    if path.startswith("streams."):
        stream = (filled.get("streams") or {}).get(path.split(".")[1])
        if stream and key in _OF_STREAM:
            for fields in _OF_STREAM[key](stream, filled):
                yield {f"{part}.{field}": value for field, value in fields.items()}
    elif path == "streams":
        yield from _smaller(filled)
        yield from _later(filled)
    elif part.startswith("buses.") and key == "freq_hz":
        yield from _slower(part, filled)
    elif part == "upload" and key in ("https", "mqtt"):
        yield from _rarer(filled)
        yield from _longer(filled)
    elif path == "schedule":
        yield from _longer_pauses(filled)
    elif path == "schedule.duration_s":
        yield {path: None}
    elif path.startswith("schedule.windows.") and key == "record_s":
        yield {path: _length_s(filled["schedule"]["windows"][int(path.split(".")[2])])}
    elif path.startswith("schedule.") and (filled["schedule"].get("trigger") or {}).get("kind") == "motion":
        yield from _watching(path, filled)
    elif path == "upload.backoff_max_s":
        yield {path: filled["upload"]["backoff_min_s"]}
    elif path == "upload.jitter_s":
        yield {path: filled["upload"]["align_s"]}
    elif path == "power.battery.full_mv":
        yield {path: _FULL_MV}
        yield {f"{part}.empty_mv": _EMPTY_MV}
    if key == "segment_frames":
        yield from _shorter(filled, [path.split(".")[1]])
    if key == "segment_frames" or path in ("storage", "storage.max_kb"):
        yield from _shorter(filled, filled["streams"])
        yield from _halved(filled, "storage.reserve_kb")
    if path == "streams" or key in ("rate_hz", "ibuf_bytes", "ring_bytes", "ring_blocks"):
        yield from _halved(filled, "storage.stall_ms")


def _halved(filled: dict, path: str) -> Iterator[Repair]:
    """A number that asks for more than there is: half of it, half of that, ..."""
    value = _get(filled, path)
    while isinstance(value, int | float) and value > 0.1:
        value = value // 2 if isinstance(value, int) else value / 2
        yield {path: value}


def _length_s(window: dict) -> int:
    return length_minutes(minutes(window["from"]), minutes(window["to"])) * 60


def _watching(path: str, filled: dict) -> Iterator[Repair]:
    """A board that sleeps until something moves, as its sensor can."""
    limits = CHIPS[filled["streams"][filled["schedule"]["trigger"]["stream"]]["driver"]].get("motion")
    if path == "schedule.sleep":
        yield {path: "deep"}
        yield {path: "light"}
    elif limits and path == "schedule.trigger.threshold_g":
        least_g, most_g, _ = limits
        yield {path: min(max(filled["schedule"]["trigger"]["threshold_g"], least_g), most_g)}
    elif limits and path == "schedule.trigger.duration_s":
        yield {path: limits[2]}


def _stall_ms(filled: dict) -> int:
    return filled.get("storage", {}).get("stall_ms", 0)


def _blocks(stream: dict, filled: dict) -> Iterator[Repair]:
    """A ring that outlasts a stall and holds what is kept from before an event; larger blocks when there cannot be more
    of them.
    """
    frames = int(-(-stream["rate_hz"] * _stall_ms(filled) // 1000))
    pre_s = _get(filled, "schedule.trigger.pre_s") or 0
    most = max(frames, int(pre_s * stream["rate_hz"] * (SLACK + 1) / SLACK))
    block = max(stream["block_frames"], -(-most // (_BLOCKS[1] - 4)) if pre_s else -(-most // _BLOCKS[1]))
    least = blocks_before(pre_s, stream["rate_hz"], block) + 2 if pre_s else _BLOCKS[0]
    blocks = {"ring_blocks": max(least, -(-frames // block))}
    if block == stream["block_frames"]:
        yield blocks
    else:
        yield blocks | {"block_frames": block, "segment_frames": _multiple(stream["segment_frames"], block)}


def _multiple(frames: int, block: int) -> int:
    """The largest multiple of a block that is not longer, and long enough for a segment."""
    return max(frames // block * block, -(-_LEAST_SEGMENT // block) * block)


def _ibuf(stream: dict, filled: dict) -> Iterator[Repair]:
    need = -(-stream["rate_hz"] * _stall_ms(filled) * CHIPS["i2s_mic"]["i2s_frame_bytes"] // 1000)
    yield {"ibuf_bytes": max(_LEAST_IBUF, int(need))}


def _pdm_ring(stream: dict, filled: dict) -> Iterator[Repair]:
    chip = CHIPS["pdm_mic"]
    need = stream["rate_hz"] * _stall_ms(filled) * chip["ring_frame_bytes"] / 1000
    yield from ({"ring_bytes": size} for size in chip["ring_bytes"] if size >= need)
    slowest = chip["ring_bytes"][-1] * 1000 // (_stall_ms(filled) * chip["ring_frame_bytes"])
    yield {"ring_bytes": chip["ring_bytes"][-1], "rate_hz": slowest}


def _segment(stream: dict, filled: dict) -> Iterator[Repair]:
    """Whole blocks; as many as one MQTT message takes."""
    frames = stream["segment_frames"]
    yield {"segment_frames": _multiple(frames, stream["block_frames"])}
    if mqtt := (filled.get("upload") or {}).get("mqtt"):
        most = (mqtt["max_message_kb"] * 1024 - OVERHEAD_BYTES) // frame_bytes(stream)
        yield {"segment_frames": _multiple(min(frames, most), stream["block_frames"])}


def _block(stream: dict, filled: dict) -> Iterator[Repair]:
    block = MAX_BLOCK_BYTES // frame_bytes(stream)
    yield {"block_frames": block, "segment_frames": _multiple(stream["segment_frames"], block)}


def _rate(stream: dict, filled: dict) -> Iterator[Repair]:
    """The chip's rates, the nearest first."""
    chip = CHIPS[stream["driver"]]
    wanted = stream["rate_hz"]
    rates = {rate for key in ("rates_hz", "accel_only_rates_hz", "gyro_only_rates_hz") for rate in chip.get(key, ())}
    if "divided_hz" in chip:
        rates |= {round(chip["divided_hz"] / n, 2) for n in range(1, 257)}
    part = chip.get("parts", {}).get(stream.get("part"), {"rates_hz": ()})
    rates |= {edge for both in part["rates_hz"] for edge in both}
    for rate in sorted(rates, key=lambda rate: abs(rate - wanted) / (rate + wanted)):
        frames = -(-rate * _stall_ms(filled) // 1000)
        yield {"rate_hz": rate, "ring_blocks": max(stream["ring_blocks"], int(-(-frames // stream["block_frames"])))}


def _nearest(field: str, table: str):
    def repairs(stream: dict, filled: dict) -> Iterator[Repair]:
        values = CHIPS[stream["driver"]].get(table, ())
        yield from ({field: value} for value in sorted(values, key=lambda value: abs(value - stream[field])))

    return repairs


def _ws(stream: dict, filled: dict) -> Iterator[Repair]:
    if "ws" in stream and (board_facts(filled["board"]) or {}).get("ws_follows_sck"):
        yield {"ws": stream["sck"] + 1}


_OF_STREAM: dict[str, Callable[[dict, dict], Iterator[Repair]]] = {
    "ring_blocks": _blocks,
    "ibuf_bytes": _ibuf,
    "ring_bytes": _pdm_ring,
    "segment_frames": _segment,
    "block_frames": _block,
    "rate_hz": _rate,
    "accel_range_g": _nearest("accel_range_g", "accel_ranges_g"),
    "gyro_range_dps": _nearest("gyro_range_dps", "gyro_ranges_dps"),
    "ws": _ws,
}


def _smaller(filled: dict) -> Iterator[Repair]:
    """Rings and I2S buffers ever nearer to what a stall needs, all of them alike."""
    for share in (0.75, 0.5, 0.25, 0):
        repair: Repair = {}
        for name, stream in filled["streams"].items():
            least: Repair = {}
            for fields in (_blocks, _ibuf) if "ibuf_bytes" in stream else (_blocks,):
                for found in fields(stream, filled):
                    least |= found
            for field, value in least.items():
                if value < stream[field]:
                    repair[f"streams.{name}.{field}"] = int(value + share * (stream[field] - value))
        yield repair


def _later(filled: dict) -> Iterator[Repair]:
    """Less is kept from before an event, half of it, half of that, and the rings are no larger than that takes."""
    path = "schedule.trigger.pre_s"
    for repair in _halved(filled, path):
        trigger = filled["schedule"]["trigger"] | {"pre_s": repair[path]}
        shorter = filled | {"schedule": filled["schedule"] | {"trigger": trigger}}
        for name, stream in filled["streams"].items():
            for fields in _blocks(stream, shorter):
                repair |= {f"streams.{name}.{field}": value for field, value in fields.items()}
        yield repair


def _shorter(filled: dict, names: Iterable[str]) -> Iterator[Repair]:
    """The segments of these streams shorter, by a twelfth at a time."""
    share = 1.0
    for _ in range(100):
        share *= 11 / 12
        yield {
            f"streams.{name}.segment_frames": _multiple(int(stream["segment_frames"] * share), stream["block_frames"])
            for name, stream in filled["streams"].items()
            if name in names
        }


def _longer(filled: dict) -> Iterator[Repair]:
    """All segments longer, twice as long at a time: each file costs a request and a sidecar."""
    for power in range(1, 11):
        yield {
            f"streams.{name}.segment_frames": stream["segment_frames"] << power
            for name, stream in filled["streams"].items()
        }


def _rarer(filled: dict) -> Iterator[Repair]:
    """Uploads half as often, a quarter, ..., by what the configuration says about that: each costs a connection."""
    limits = {path: value for path in _HOW_OFTEN if (value := _get(filled, path))}
    for chosen in (*([path] for path in limits), [*limits]):
        for power in range(1, 13) if chosen else ():
            yield {path: limits[path] << power for path in chosen}


def _slower(bus: str, filled: dict) -> Iterator[Repair]:
    """The fastest clock that every chip on the bus takes."""
    name = bus.partition(".")[2]
    limit = filled["buses"][name]["kind"] + "_max_hz"
    users = [stream for stream in filled["streams"].values() if stream and stream.get("bus") == name]
    yield {f"{bus}.freq_hz": min(CHIPS[stream["driver"]][limit] for stream in users)}


def _longer_pauses(filled: dict) -> Iterator[Repair]:
    """All pauses longer, by a twentieth at a time."""
    windows = filled["schedule"].get("windows") or ()
    factor = 1.0
    while factor < _LONGEST_PAUSE_S:
        factor *= 1.05
        repair = {
            f"schedule.windows.{number}.sleep_s": min(_LONGEST_PAUSE_S, int(window["sleep_s"] * factor) + 1)
            for number, window in enumerate(windows)
            if window.get("sleep_s")
        }
        if repair:
            yield repair


def _get(config: dict, path: str):
    for part in path.split("."):
        config = config[int(part)] if isinstance(config, list) else (config or {}).get(part)
    return config


def _set(config: dict, path: str, value) -> bool:
    """Puts a value into its place; False when there is no such place."""
    *parents, last = path.split(".")
    for part in parents:
        config = config[int(part)] if isinstance(config, list) else config.setdefault(part, {})
        if not isinstance(config, dict | list):
            return False
    config[last] = value
    return True
