"""Rules between fields, the same on board and laptop.

They read a configuration as `validate.py` left it: defaults filled in, wrong fields left out (a wrong member of
`buses` or `streams` is None). A rule whose fields are not all there says nothing: the missing one has its own error.
An error is `(path, reason, remedy)`.
"""

import json

from config.chips import CHIPS
from config.rules import BOARDS
from config.times import has_times
from config.validate import listed, shown

MAX_BLOCK_BYTES = 16384
_DRIVES = ("scl", "sda", "sck", "mosi", "ws", "cs", "clk")
_OVERHEAD = 4096  # header, sidecar and the unused rest of a flash block, per segment


def config_errors(config):
    """Yields an error for every rule between fields that a configuration breaks."""
    board = board_facts(config.get("board"))
    if "board" in config and board is None:
        yield ("board", "unknown board " + shown(config["board"]), "one of {}".format(listed(sorted(BOARDS))))
    buses = config.get("buses") or {}
    streams = config.get("streams") or {}
    storage = config.get("storage") or {}
    for name in sorted(streams):
        stream = streams[name]
        if stream is None or "driver" not in stream:
            continue
        path = "streams." + name
        if "fifo_frames" in CHIPS[stream["driver"]]:
            yield from _imu(path, stream, config.get("buses"))
            yield from _fifo(path, stream, storage.get("stall_ms"))
        elif stream["driver"] == "i2s_mic":
            yield from _microphone(path, stream)
            yield from _buffer(path, stream, storage.get("stall_ms"), "ibuf_bytes", "i2s_frame_bytes")
        elif stream["driver"] == "pdm_mic":
            yield from _buffer(path, stream, storage.get("stall_ms"), "ring_bytes", "ring_frame_bytes")
        else:
            yield from _host_source(path, stream)
        yield from _blocks(path, stream, storage.get("stall_ms"))
    yield from _hardware(buses, streams)
    yield from _pins(buses, streams, storage, board)
    yield from _card(storage, buses, streams)
    if board:
        yield from _blocks_of_board(buses, streams, board)
        yield from _memory(streams, board)
    yield from _storage(storage, streams, board)
    if config.get("upload") or any((config.get("network") or {}).values()):
        from config.links import link_errors  # only where it is needed: a board has little room

        yield from link_errors(config, board)
    if has_times(config):
        from config.running import running_errors

        yield from running_errors(config, board, in_ranges)
    mqtt = (config.get("upload") or {}).get("mqtt")
    if mqtt:
        from config.messages import mqtt_errors

        yield from mqtt_errors(mqtt, streams, frame_bytes)


def board_facts(name):
    """What the rules need of a board, as a dict; None if there is none of that name."""
    return json.loads(BOARDS[name]) if name in BOARDS else None


def frame_bytes(stream):
    """Bytes per frame of a stream, None if that is not known."""
    if stream["driver"] in ("i2s_mic", "pdm_mic", "host_mic"):
        return 2
    return 6 * _sensors(stream) if "measure" in stream else None


def _sensors(stream):
    """How many sensors of an IMU are recorded."""
    return len(stream["measure"] or _all_of(CHIPS[stream["driver"]]))


def _all_of(chip):
    return ("accel", "gyro") if "gyro_ranges_dps" in chip else ("accel",)


def _has(fields, *names):
    return all([fields.get(name) is not None for name in names])


def _imu(path, stream, buses):
    """Chip, rate, ranges and bus of an IMU."""
    name = stream["driver"]
    chip = CHIPS[name]
    known = "measure" in stream
    measure = (stream["measure"] or _all_of(chip)) if known else ()
    if len(measure) == 2 and measure[0] == measure[1]:
        yield (path + ".measure", "{} stands there twice".format(shown(measure[0])), "name each sensor once")
    elif "gyro" in measure and "gyro" not in _all_of(chip):
        yield (path + ".measure", "the {} has no gyroscope".format(name), '["accel"], or leave it out')
    elif _has(stream, "rate_hz") and known:
        yield from _rate(path, stream, chip, measure)
    for sensor, key, table in (
        ("accel", "accel_range_g", "accel_ranges_g"),
        ("gyro", "gyro_range_dps", "gyro_ranges_dps"),
    ):
        if sensor in measure and key in stream and stream[key] not in chip.get(table, (stream[key],)):
            yield (
                "{}.{}".format(path, key),
                "the {} has no range of {}".format(name, _number(stream[key])),
                "one of {}".format(listed(chip[table])),
            )
    if "config_file" in stream and (stream["config_file"] is None) == ("config_bytes" in chip):
        if stream["config_file"] is None:
            yield (
                path + ".config_file",
                "is missing: the {} runs only with it".format(name),
                'as "/{}.bin"; docs/drivers.md says where to get it'.format(name),
            )
        else:
            yield (path + ".config_file", "has no meaning for the {}".format(name), "leave it out, or null")
    if "bus" not in stream or buses is None:
        return
    if stream["bus"] not in buses:
        known = "one of {}".format(listed(sorted(buses))) if buses else "describe it in 'buses'"
        yield (path + ".bus", "there is no bus " + shown(stream["bus"]), known)
        return
    if buses[stream["bus"]] is not None:
        yield from _bus(path, stream, buses[stream["bus"]], chip)


def _rate(path, stream, chip, measure):
    """The chip can make so many frames of that many sensors."""
    rate = stream["rate_hz"]
    has = chip.get("rates_hz", ())
    if len(measure) == 1:
        has = chip.get(measure[0] + "_only_rates_hz", ()) + has
    if rate in has or rate in chip.get("same_rate_hz", ()) and chip["same_rate_hz"][rate] in has:
        return
    legal = "one of {}".format(listed(has))
    if "divided_hz" in chip:
        base = chip["divided_hz"]
        n = round(base / rate)
        if 1 <= n <= 256 and abs(base / n - rate) < 0.005:
            return
        legal = (legal + ", or " if has else "") + "{} / n for n = 1 to 256".format(base)
    yield (
        path + ".rate_hz",
        "the {} has no rate of {} Hz for {}".format(stream["driver"], _number(rate), " and ".join(measure)),
        legal,
    )


def _bus(path, stream, bus, chip):
    """The chip can be on that bus, and what it makes fits through it."""
    name = stream["driver"]
    kind = bus["kind"]
    if kind == "spi" and chip["spi_max_hz"] is None:
        yield (path + ".bus", "the {} has no SPI".format(name), "an I2C bus")
        return
    yield from _selected(path, stream, kind, chip)
    freq = bus.get("freq_hz")
    if freq is None:
        return
    most = chip[kind + "_max_hz"]
    if freq > most:
        yield (
            "buses.{}.freq_hz".format(stream["bus"]),
            "the {} takes at most {} Hz on {}".format(name, most, "SPI" if kind == "spi" else "I2C"),
            "at most {}".format(most),
        )
    if _has(stream, "rate_hz") and "measure" in stream:
        bits = stream["rate_hz"] * _per_frame(chip["bytes_on_bus"], stream) * (9 if kind == "i2c" else 8)
        if bits * 5 > freq * 4:
            yield (
                path + ".rate_hz",
                "{} bits per second do not fit through bus {} of {} Hz".format(int(bits), stream["bus"], freq),
                "a lower rate, or a bus of at least {} Hz".format(int(-(-bits * 5 // 4))),
            )


def _per_frame(table, stream):
    """The entry for the number of sensors that are recorded."""
    return table[min(_sensors(stream), len(table)) - 1]


def _number(value):
    """4 for 4.0: as it stood in the file, most likely."""
    return int(value) if value == int(value) else value


def _selected(path, stream, kind, chip):
    """`address` on I2C, `cs` on SPI, and not the other one."""
    needed, other = ("address", "cs") if kind == "i2c" else ("cs", "address")
    legal = "the chip select's GPIO"
    if kind == "i2c":
        legal = "one of " + ", ".join(["{} (0x{:02X})".format(a, a) for a in chip["i2c_addresses"]])
    if needed in stream:
        value = stream[needed]
        if value is None:
            yield (path + "." + needed, "is missing: bus {} is {}".format(stream["bus"], kind), legal)
        elif kind == "i2c" and value not in chip["i2c_addresses"]:
            yield (path + ".address", "the chip has no address {}".format(value), legal)
    if stream.get(other) is not None:
        yield (path + "." + other, "has no meaning: bus {} is {}".format(stream["bus"], kind), "leave it out, or null")


def _fifo(path, stream, stall_ms):
    """Nothing reads the sensor while a write stalls: its own FIFO must hold that long."""
    if stall_ms is None or "measure" not in stream or not _has(stream, "rate_hz"):
        return
    frames = _per_frame(CHIPS[stream["driver"]]["fifo_frames"], stream)
    if frames * 1000 < stream["rate_hz"] * stall_ms:
        yield (
            path + ".rate_hz",
            "the sensor's FIFO of {} frames is full after {} ms, before storage.stall_ms = {}".format(
                frames, int(frames * 1000 / stream["rate_hz"]), stall_ms
            ),
            "at most {} Hz, or a smaller storage.stall_ms if the flash is that fast".format(frames * 1000 // stall_ms),
        )


def _microphone(path, stream):
    """The part can be clocked that fast, and that slowly."""
    if not _has(stream, "rate_hz", "part"):
        return
    ranges = CHIPS[stream["driver"]]["parts"][stream["part"]]["rates_hz"]
    if not any([low <= stream["rate_hz"] <= high for low, high in ranges]):
        yield (
            path + ".rate_hz",
            "the {} cannot be clocked at {} Hz".format(stream["part"], stream["rate_hz"]),
            " or ".join(["{} to {}".format(low, high) for low, high in ranges]),
        )


def _host_source(path, stream):
    """One source, neither none nor two."""
    source = stream.get("source")
    if source is not None and len([1 for kind in ("file", "pipe", "tcp") if source.get(kind) is not None]) != 1:
        yield (path + ".source", "must name one source", 'one of {"file": ...}, {"pipe": ...}, {"tcp": ...}')


def _buffer(path, stream, stall_ms, field, frame_field):
    """The same for a microphone: only the port's buffer fills while a write stalls."""
    if stall_ms is None or not _has(stream, "rate_hz", field):
        return
    frame = CHIPS[stream["driver"]][frame_field]
    if stream[field] * 1000 < stream["rate_hz"] * stall_ms * frame:
        yield (
            path + "." + field,
            "is full after {} ms, before storage.stall_ms = {}".format(
                stream[field] * 1000 // (stream["rate_hz"] * frame), stall_ms
            ),
            "at least {}, or a smaller storage.stall_ms if the flash is that fast".format(
                -(-stream["rate_hz"] * stall_ms * frame // 1000)
            ),
        )


def _blocks(path, stream, stall_ms):
    """Block, ring and segment: what a stall leaves behind comes in one rush, and the ring must take it."""
    if not _has(stream, "block_frames"):
        return
    frames = stream["block_frames"]
    size = frame_bytes(stream)
    if size and frames * size > MAX_BLOCK_BYTES:
        yield (
            path + ".block_frames",
            "a block would take {} bytes, more than {}".format(frames * size, MAX_BLOCK_BYTES),
            "at most {}".format(MAX_BLOCK_BYTES // size),
        )
    if _has(stream, "segment_frames") and stream["segment_frames"] % frames:
        below = stream["segment_frames"] // frames * frames
        yield (
            path + ".segment_frames",
            "{} is no multiple of block_frames = {}".format(stream["segment_frames"], frames),
            "for example {}".format(max(below, frames)),
        )
    if stall_ms is None or not _has(stream, "rate_hz", "ring_blocks"):
        return
    if stream["ring_blocks"] * frames * 1000 < stream["rate_hz"] * stall_ms:
        need = int(-(-stream["rate_hz"] * stall_ms // 1000))
        blocks = -(-need // frames)
        if blocks > 256:
            blocks, frames = 256, -(-need // 256)
        yield (
            path + ".ring_blocks",
            "the ring holds {} ms, less than storage.stall_ms = {}".format(
                int(stream["ring_blocks"] * stream["block_frames"] * 1000 / stream["rate_hz"]), stall_ms
            ),
            "at least {} blocks of {} frames, or a smaller storage.stall_ms if the flash is that fast".format(
                blocks, frames
            ),
        )


def _hardware(buses, streams):
    """No hardware block, I2C address or stream of the other name is used twice."""
    users = {}
    for name in sorted(buses):
        bus = buses[name]
        if bus and _has(bus, "kind", "id"):
            yield from _once(users, (bus["kind"], bus["id"]), "buses.{}.id".format(name))
    for name in sorted(streams):
        stream = streams[name]
        if stream and stream.get("driver") == "i2s_mic" and _has(stream, "id"):
            yield from _once(users, ("i2s", stream["id"]), "streams.{}.id".format(name))
        if stream and stream.get("driver") == "pdm_mic" and _has(stream, "id"):
            yield from _once(users, ("state machine", stream["id"]), "streams.{}.id".format(name))
        if stream and _has(stream, "bus", "address"):
            yield from _once(users, (stream["bus"], stream["address"]), "streams.{}.address".format(name))


def _once(users, what, path):
    if what in users:
        yield (path, "{} {} is used by {} as well".format(what[0], what[1], users[what]), "each only once")
    else:
        users[what] = path


def _pin_fields(buses, streams, storage):
    """`(path, role, pin)` of every pin in use, in the order of the paths."""
    found = []
    for part, members in (("buses", buses), ("storage", {"card": storage.get("card")}), ("streams", streams)):
        for name in sorted(members):
            for role in ("clk", "cs", "data", "int_pin", "miso", "mosi", "sck", "scl", "sd", "sda", "ws"):
                if members[name] and members[name].get(role) is not None:
                    found.append(("{}.{}.{}".format(part, name, role), role, members[name][role]))
    return found


def _pins(buses, streams, storage, board):
    """Every pin exists, can do its work, and does only one."""
    users = {}
    for path, role, pin in _pin_fields(buses, streams, storage):
        if board and not in_ranges(pin, board["pins"]):
            yield (path, "this board has no GPIO {} to use".format(pin), "one of " + board["pins"])
        elif board and role in _DRIVES and in_ranges(pin, board["input_only"]):
            yield (path, "GPIO {} of this board can only read".format(pin), "not " + board["input_only"])
        elif pin in users:
            yield (path, "GPIO {} is used by {} as well".format(pin, users[pin]), "give each its own pin")
        else:
            users[pin] = path


def in_ranges(number, ranges):
    """Whether `"0-22,26-28"` has the number."""
    for part in ranges.split(","):
        ends = part.split("-")
        if part and int(ends[0]) <= number <= int(ends[-1]):
            return True
    return False


def _blocks_of_board(buses, streams, board):
    """The board has that I2C, SPI or I2S block, and the block can use those pins."""
    for name in sorted(buses):
        bus = buses[name]
        if not bus or not _has(bus, "kind", "id"):
            continue
        path = "buses." + name
        pins = board[bus["kind"]].get(str(bus["id"]))
        if pins is None:
            known = ", ".join(sorted(board[bus["kind"]]))
            yield (path + ".id", "this board has no {} {}".format(bus["kind"], bus["id"]), "one of " + known)
            continue
        for role in sorted(pins):
            if _has(bus, role) and in_ranges(bus[role], board["pins"]) and not in_ranges(bus[role], pins[role]):
                yield (
                    "{}.{}".format(path, role),
                    "{} {} cannot use GPIO {}".format(bus["kind"], bus["id"], bus[role]),
                    "one of " + pins[role],
                )
    for name in sorted(streams):
        stream = streams[name]
        if not stream or stream.get("driver") != "i2s_mic":
            continue
        path = "streams." + name
        if _has(stream, "id") and stream["id"] not in board["i2s"]:
            known = "one of " + listed(board["i2s"]) if board["i2s"] else "another board: it has no I2S at all"
            yield (path + ".id", "this board has no i2s {}".format(stream["id"]), known)
        if board["ws_follows_sck"] and _has(stream, "sck", "ws") and stream["ws"] != stream["sck"] + 1:
            yield (path + ".ws", "must be the pin after sck on this board", "{}".format(stream["sck"] + 1))


def _memory(streams, board):
    """Rings and I2S buffers together leave room for everything else."""
    total = 0
    for name in streams:
        stream = streams[name]
        if stream and _has(stream, "driver", "ring_blocks", "block_frames") and frame_bytes(stream):
            total += stream["ring_blocks"] * stream["block_frames"] * frame_bytes(stream) + stream.get("ibuf_bytes", 0)
            total += 2 * stream.get("ring_bytes", 0)  # twice, to find an address that the DMA can wrap around
    limit = board["ram_kb"] * 1024 // 3
    if total > limit:
        yield (
            "streams",
            "rings and I2S buffers take {} bytes, more than a third of this board's RAM".format(total),
            "at most {}: fewer ring_blocks, smaller block_frames or ibuf_bytes".format(limit),
        )


def _is_on_card(root):
    return root == "/sd" or root.startswith("/sd/")


def _card(storage, buses, streams):
    """The folder and the card belong together; the card has its bus to itself."""
    card = storage.get("card")
    root = storage.get("root")
    if "card" in storage and root is not None and (card is not None) != _is_on_card(root):
        if card is None:
            yield ("storage.card", "is missing: {} is on a card".format(root), 'as {"bus": "spi1", "cs": 5}, or {}')
        else:
            yield ("storage.root", "is not on the card", "/sd or a folder below it")
    if not card or "bus" not in card or "cs" not in card:
        return
    name = card["bus"]
    if name is None:
        if card["cs"] is not None:
            yield ("storage.card.cs", "has no meaning without a bus", "leave it out, or name the bus")
        return
    if name not in buses or (buses[name] and buses[name].get("kind") == "i2c"):
        spi = [known for known in sorted(buses) if buses[known] and buses[known].get("kind") == "spi"]
        legal = "one of {}".format(listed(spi)) if spi else "describe it in 'buses'"
        yield ("storage.card.bus", "there is no SPI bus " + shown(name), legal)
        return
    if card["cs"] is None:
        yield ("storage.card.cs", "is missing: bus {} is spi".format(name), "the chip select's GPIO")
    for stream in sorted(streams):
        if streams[stream] and streams[stream].get("bus") == name:
            yield ("streams.{}.bus".format(stream), "is the card's as well", "a bus of its own for each")


def _storage(storage, streams, board):
    """The folder is plain, and one segment of every stream fits into the room that there is."""
    root = storage.get("root")
    if root is not None and ".." in root.split("/"):
        yield ("storage.root", "leads out of its folder", "a path without '..'")
    rooms = []
    if _has(storage, "max_kb"):
        rooms.append(storage["max_kb"])
    if board and board["data_kb"] is not None and _has(storage, "root", "reserve_kb") and not _is_on_card(root):
        rooms.append(board["data_kb"] - storage["reserve_kb"])
    total = largest = 0
    where = None
    for name in sorted(streams):
        stream = streams[name]
        if stream and _has(stream, "driver", "segment_frames") and frame_bytes(stream):
            kb = -(-(stream["segment_frames"] * frame_bytes(stream) + _OVERHEAD) // 1024)
            total += kb
            if kb > largest:
                largest, where = kb, "streams.{}.segment_frames".format(name)
    if rooms and where and total > min(rooms):
        yield (
            where,
            "one segment of every stream takes {} KB, storage has room for {} KB".format(total, min(rooms)),
            "shorter segments, a larger storage.max_kb or a smaller storage.reserve_kb",
        )
