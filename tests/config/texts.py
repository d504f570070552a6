"""Hypothesis strategies: configurations that are right, and texts that are wrong in the ways that files are."""

import copy
import json

from hypothesis import strategies as st

from config.chips import CHIPS
from config.rules import RULES

IMUS = sorted(name for name, chip in CHIPS.items() if "fifo_frames" in chip)
I2C_PINS = {"virtual": (22, 21), "esp32": (22, 21), "pico_w": (5, 4)}
SPI_PINS = {"virtual": (18, 23, 19), "esp32": (18, 23, 19), "pico_w": (18, 19, 16)}
KEYS = st.sampled_from(
    ["rate_hz", "colour", "password", "psk", "key", "$schema", "driver", "wifi", "", ".", "\u00e9", "x" * 40, "\x1b[m"]
) | st.text(max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, 2, 4.0, 12.5, -1, 63, 64, 107, 417, 1000, 1e20, 10**14, 10**15, 2**30, 2**31, 2**64])
    | st.sampled_from(["", "8", "i2c0", "imu", "lsm6dsox", "/data", "/a/../b", "https://a:b@c", "a" * 300])
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=12)
)
JSON_VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


@st.composite
def right_configs(draw):
    """A configuration without a fault, some of its defaults left out."""
    board = draw(st.sampled_from(sorted(I2C_PINS)))
    name = draw(st.sampled_from(IMUS))
    chip = CHIPS[name]
    kind = draw(st.sampled_from(["i2c", "spi"] if chip["spi_max_hz"] else ["i2c"]))
    if kind == "i2c":
        scl, sda = I2C_PINS[board]
        bus = {"kind": "i2c", "id": 0, "scl": scl, "sda": sda, "freq_hz": 400_000}
        select = {"address": draw(st.sampled_from(chip["i2c_addresses"]))}
    else:
        sck, mosi, miso = SPI_PINS[board]
        bus = {"kind": "spi", "id": 1 if board != "pico_w" else 0, "sck": sck, "mosi": mosi, "miso": miso}
        select = {"cs": 13}
    block = draw(st.integers(1, 25))
    rates = [rate for rate in chip.get("rates_hz", ()) if rate < 420]
    rates += [other for other, rate in chip.get("same_rate_hz", {}).items() if rate in rates]
    measures = [["accel"]]
    imu = {
        "driver": name, "bus": "b", **select, "accel_range_g": draw(st.sampled_from(chip["accel_ranges_g"])),
        "block_frames": block, "ring_blocks": draw(st.integers(100 // block + 2, 100 // block + 8)),
        "segment_frames": block * draw(st.integers(16, 100)),
    }  # fmt: skip
    if "gyro_ranges_dps" in chip:
        imu["gyro_range_dps"] = draw(st.sampled_from(chip["gyro_ranges_dps"]))
        measures += [["gyro"], ["accel", "gyro"], ["gyro", "accel"], None]
    imu["measure"] = draw(st.sampled_from(measures))
    if "divided_hz" in chip:
        rates += [chip["divided_hz"] / n for n in (3, 5, 256)] + [333.33]
    if imu["measure"] == ["accel"]:
        rates += chip.get("accel_only_rates_hz", ())
    imu["rate_hz"] = draw(st.sampled_from(rates))
    if "config_bytes" in chip:
        imu["config_file"] = "/bmi270.bin"
    mic = {
        "driver": "i2s_mic", "id": 0, "sck": 14, "ws": 15, "sd": 12,
        "rate_hz": draw(st.integers(8000, 24000)), "shift": draw(st.integers(0, 24)),
    }  # fmt: skip
    pdm = {"driver": "pdm_mic", "id": draw(st.integers(0, 11)), "clk": 14, "data": 15, "rate_hz": 8000}
    host = {"driver": "host_mic", "rate_hz": 8000, "source": draw(st.sampled_from([{"file": "/a"}, {"pipe": "b c"}]))}
    streams = draw(
        st.sampled_from([{"s": imu}, {"s": imu, "mic_2": mic}, {"mic": mic}, {"s": imu, "pdm": pdm}, {"host": host}])
    )
    config = {"version": 1, "device": draw(st.sampled_from(["a", "A-1_b"])), "board": board, "streams": streams}
    config["buses"] = {"b": bus} if "s" in streams else {}
    stall_ms = draw(st.integers(0, 75 if 32 in chip["fifo_frames"] else 200))
    config["storage"] = {"root": "/sd", "card": {}, "stall_ms": stall_ms}
    if draw(st.booleans()):
        url = draw(st.sampled_from(["https://h:1", "https://[::1]:8443/x", "http://127.0.0.1:80/", "http://localhost"]))
        config["upload"] = {"https": {"url": url, "ca_file": "/ca.der"}, "timeout_s": draw(st.integers(1, 600))}
        config["network"] = {"wifi": draw(st.sampled_from([["home"], ["M\u00fcller", "\U0001f600"]]))}
    if draw(st.booleans()):
        config["schedule"] = {"duration_s": draw(st.sampled_from([None, 1, 0.5]))}
    return copy.deepcopy(config)


def members(value):
    """Every (container, key) in a parsed JSON value."""
    found = []
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found += [(value, key), *members(value[key])]
    return found


def limits(rule):
    """The limits of all numbers in a rule, and what lies just beyond."""
    if rule[0] in ("int", "number"):
        return {rule[1], rule[2], rule[1] - 1, rule[2] + 1}
    if rule[0] == "object":
        return set().union(*[limits(field[0]) for field in rule[1].values()])
    if rule[0] == "union":
        return set().union(*[limits(choice) for _, choice in rule[2]])
    if rule[0] in ("null", "map"):
        return limits(rule[-1] if rule[0] == "null" else rule[2])
    return set()


# Values of the right type that break a rule between fields, at least in some configurations.
PLAUSIBLE = {
    "board": ["esp32", "pico_w", "virtual", "toaster"],
    "bus": ["b", "i2c7"],
    "id": [0, 1, 2, 7],
    "address": [None, 105, 107],
    "cs": [None, 5, 34],
    **dict.fromkeys(("scl", "sda", "sck", "mosi", "miso", "ws", "sd"), [0, 3, 13, 14, 15, 22, 24, 34, 50]),
    "freq_hz": [100_000, 1_000_000, 20_000_000],
    "rate_hz": [100, 416.5, 833, 6660, 16000, 48000, 0.78, 333.33, 333.4, 2666.67],
    "driver": [*IMUS, "i2s_mic"],
    "accel_range_g": [4.0, 3, 16, 32],
    "gyro_range_dps": [125, 15.625, 4000],
    "config_file": [None, "/bmi270.bin"],
    "measure": [["accel", "accel"], ["gyro"], [], None],
    "part": [None, "inmp441", "ics43434", "sph0645"],
    "block_frames": [1, 7, 4096],
    "ring_blocks": [2, 256],
    "segment_frames": [16, 1000, 16_777_216],
    "ibuf_bytes": [1024, 1_000_000],
    "stall_ms": [1500, 3000, 60_000],
    "max_kb": [16, 100],
    "reserve_kb": [0, 2000],
    "root": ["/data", "/sd/x", "/a/../b"],
    "card": [None, {}, {"bus": "b", "cs": 13}, {"bus": "b"}, {"cs": 5}],
    "url": [
        "http://x.y",
        "https://a:b@c",
        "https://x?y",
        "https://",
        "https://h:0",
        "https://[::1",
        "http://127.0.0.1.x",
    ],
    "ca_file": [None],
    "wifi": [[], ["home", "home"], ["\u00fc" * 20], {"home": "long enough"}, None],
    "upload": [None, {"https": {"url": "https://h"}, "backoff_min_s": 9, "backoff_max_s": 8}],
}
LIMITS = st.sampled_from(sorted(limits(RULES["config"])))


@st.composite
def changed(draw, configs):
    """A configuration with one to four members removed, renamed, replaced, doubled in value or added."""
    config = draw(configs)
    for _ in range(draw(st.integers(1, 4))):
        places = members(config)
        if not places:
            break
        owner, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["plausible", "remove", "replace", "limit", "add", "rename", "swap"]))
        if how == "plausible" and key in PLAUSIBLE:
            owner[key] = copy.deepcopy(draw(st.sampled_from(PLAUSIBLE[key])))
        elif how == "remove":
            del owner[key]
        elif how == "replace":
            owner[key] = draw(JSON_VALUES)
        elif how == "limit":
            owner[key] = draw(LIMITS)
        elif how == "swap":
            other, name = draw(st.sampled_from(places))
            owner[key] = copy.deepcopy(other[name])
        elif isinstance(owner, dict):
            owner[draw(KEYS)] = owner.pop(key) if how == "rename" else draw(JSON_VALUES)
    return config


def as_text(configs):
    """The bytes of a file with such a value."""
    indents = st.sampled_from([None, 2])
    return st.builds(lambda c, i, a: json.dumps(c, indent=i, ensure_ascii=a).encode("utf-8", "surrogatepass"),
                     configs, indents, st.booleans())  # fmt: skip


SNIPPETS = st.sampled_from(
    [b"", b",", b"}", b"{", b"[" * 9, b'"', b"\\", b"\\u12", b"\\ud800", b"\\ud83d\\ude00", b"\x00", b"\n", b"//x\n",
     b"1e-400", b"NaN", b"-Infinity", b"01", b"-", b"1e", b"1e400", b"0.", b"9" * 16, b"true", b"tru", b"null",
     b"\xef\xbb\xbf", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b'"a":1,',
     b'"version":1,', b"[],"]
) | st.binary(max_size=3)  # fmt: skip


@st.composite
def damaged(draw, texts):
    """A text in which up to three stretches are replaced, or that is cut short."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([0, 0, 1, 2, 20, 10**6]))
        text = text[:at] + draw(SNIPPETS) + text[at + length :]
    return text


RIGHT_TEXTS = as_text(right_configs())
SECRETS = st.fixed_dictionaries(
    {},
    optional={
        "wifi": JSON_VALUES | st.dictionaries(KEYS, st.sampled_from([None, "long enough", "short"]), max_size=3),
        "https_token": st.none() | st.just("0123456789") | JSON_VALUES,
        "mqtt_password": st.none() | st.just("0123456789") | JSON_VALUES,
        "other": JSON_VALUES,
    },
)
CHANGED_TEXTS = as_text(changed(right_configs()))
SECRETS_TEXTS = as_text(SECRETS | JSON_VALUES)
DAMAGED_TEXTS = damaged(RIGHT_TEXTS | CHANGED_TEXTS | SECRETS_TEXTS) | as_text(JSON_VALUES) | st.binary(max_size=40)
