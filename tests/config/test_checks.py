"""Rules between fields: one broken configuration each, with the path and what the error must say."""

import copy
import json

import pytest

from config.loader import check
from config.urls import bare

BASE = {
    "version": 1, "device": "d", "board": "virtual",
    "buses": {
        "i2c0": {"kind": "i2c", "id": 0, "scl": 22, "sda": 21},
        "spi1": {"kind": "spi", "id": 1, "sck": 18, "mosi": 23, "miso": 19},
    },
    "streams": {
        "imu": {"driver": "lsm6dsox", "bus": "i2c0", "address": 106, "rate_hz": 104},
        "mic": {"driver": "i2s_mic", "id": 0, "sck": 14, "ws": 15, "sd": 32, "rate_hz": 16000},
    },
    "upload": {"https": {"url": "https://192.168.1.10:8443", "ca_file": "/ca.der"}},
}  # fmt: skip
PDM = {"driver": "pdm_mic", "id": 0, "clk": 2, "data": 3, "rate_hz": 16000}
HOST = {"driver": "host_mic", "source": {"pipe": "auto"}, "rate_hz": 16000}
SECOND = {"driver": "lsm6dsox", "bus": "i2c0", "address": 107, "rate_hz": 104}
ON_SPI = {"driver": "lsm6dsox", "bus": "spi1", "cs": 5, "rate_hz": 104}
BMI270 = {"driver": "bmi270", "bus": "i2c0", "address": 104, "rate_hz": 100, "config_file": "/bmi270.bin"}
LIS3DH = {"driver": "lis3dh", "bus": "i2c0", "address": 24, "rate_hz": 100}
MPU6050 = {"driver": "mpu6050", "bus": "i2c0", "address": 104, "rate_hz": 33.33}
ON_CARD = {"storage.root": "/sd", "storage.card": {"bus": "spi1", "cs": 5}}
MQTT = {
    "upload.https": None, "upload.mqtt": {"url": "mqtts://h", "ca_file": "/ca.der"},
    "streams.mic.segment_frames": 65536,
}  # fmt: skip
LARGE_BLOCKS = {"streams.imu.block_frames": 64}
TWO_BLOCKS = {"streams.imu.ring_blocks": 2}
URL = "upload.https.url"


def errors_of(changes):
    """The errors of BASE with `{path: value}` set (... removes)."""
    config = copy.deepcopy(BASE)
    for path, value in copy.deepcopy(list(changes.items())):
        owner = config
        *parents, last = path.split(".")
        for part in parents:
            owner = owner.setdefault(part, {})
        if value is ...:
            del owner[last]
        else:
            owner[last] = value
    return check(json.dumps(config).encode())[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"streams.imu.rate_hz": 12.5},
        {"streams.imu.rate_hz": 417},
        {"streams.imu.measure": ["gyro"], "streams.imu.accel_range_g": 16},
        {"streams.imu.measure": ["accel"], "streams.imu.gyro_range_dps": 2000},
        {"streams.imu2": SECOND},
        {"streams.imu": ON_SPI},
        {"storage.root": "/sd/data", "storage.card": {}},
        {"upload.ble": {"name": "gate", "pairing": True}},
        {"upload": {"ble": {}}},
        MQTT,
        {**MQTT, "upload.mqtt.url": "mqtt://192.168.1.2:1883", "upload.mqtt.ca_file": None, "upload.mqtt.user": "me"},
        {**MQTT, "upload.mqtt.cert_file": "/c.der", "upload.mqtt.key_file": "/k.der"},
        {"storage.root": "/sd", "storage.card": {"bus": "spi1", "cs": 5}},
        {"streams.key": SECOND},
        {"upload": ...},
        {"upload": ..., "board": "esp32", "streams.mic.sd": 34, "streams.imu.int_pin": 39},
        {"upload.https": {"url": "http://127.0.0.1:8080"}},
        {"upload.https": {"url": "http://localhost/x"}},
        {"upload.https": {"url": "http://[::1]:80"}},
        {"streams.mic.ibuf_bytes": 38400},
        {"streams.mic.part": "sph0645"},
        {"streams.mic": PDM, "storage.stall_ms": 256},
        {"streams.mic": HOST},
        {"streams.mic": {**HOST, "source": {"tcp": {"host": "127.0.0.1", "port": 4000}, "pipe": None}}},
        {"streams.mic.part": "ics43434", "streams.mic.shift": 12},
        {"streams.imu.rate_hz": 833},
        {"streams.imu": {**ON_SPI, "rate_hz": 6667, "block_frames": 64}, "storage.stall_ms": 38},
        {"storage.max_kb": 1000},
        {"streams.imu": BMI270},
        {"streams.imu": {**BMI270, "rate_hz": 0.78, "measure": ["accel"]}},
        {"streams.imu": LIS3DH},
        {"streams.imu": {**LIS3DH, "measure": ["accel"], "accel_range_g": 16.0}},
        {"streams.imu": MPU6050},
        {
            "streams.imu": {**MPU6050, "rate_hz": 2666.67, "measure": ["gyro"], "block_frames": 64},
            "storage.stall_ms": 60,
        },
        {"streams.imu": {**SECOND, "driver": "ism330dhcx", "gyro_range_dps": 4000}},
        {"streams.imu": {**SECOND, "driver": "lsm6dso32", "accel_range_g": 32}},
        {"streams.imu": {**ON_SPI, "driver": "icm42688", "rate_hz": 100}, "buses.spi1.freq_hz": 24000000},
    ],
)
def test_in_order(changes):
    assert errors_of(changes) == []


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"board": "toaster"}, "board", ["toaster", "esp32", "virtual"]),
        ({"streams.imu.bus": "i2c7"}, "streams.imu.bus", ["i2c7", "i2c0"]),
        ({"streams.imu.address": ...}, "streams.imu.address", ["missing", "106 (0x6A)"]),
        ({"streams.imu.address": 104}, "streams.imu.address", ["104", "107 (0x6B)"]),
        ({"streams.imu.cs": 5}, "streams.imu.cs", ["no meaning"]),
        ({"streams.imu.bus": "spi1", "streams.imu.address": ...}, "streams.imu.cs", ["missing", "chip select"]),
        ({"streams.imu.bus": "spi1", "streams.imu.cs": 5}, "streams.imu.address", ["no meaning"]),
        ({"streams.imu.rate_hz": 100}, "streams.imu.rate_hz", ["100", "12.5, 26, 52, 104"]),
        ({"streams.imu.accel_range_g": 3}, "streams.imu.accel_range_g", ["2, 4, 8, 16"]),
        ({"streams.imu.gyro_range_dps": 245}, "streams.imu.gyro_range_dps", ["125, 250, 500, 1000, 2000"]),
        ({"streams.imu": {**SECOND, "driver": "lsm6dso32", "accel_range_g": 2}}, "streams.imu.accel_range_g", ["4, 8"]),
        ({"streams.imu": {**BMI270, "rate_hz": 0.78}}, "streams.imu.rate_hz", ["accel and gyro", "25, 50"]),
        ({"streams.imu": {**BMI270, "config_file": None}}, "streams.imu.config_file", ["missing", "docs/drivers.md"]),
        ({"streams.imu.config_file": "/a"}, "streams.imu.config_file", ["no meaning", "lsm6dsox"]),
        ({"streams.imu": {**LIS3DH, "measure": ["accel", "gyro"]}}, "streams.imu.measure", ["no gyroscope", "accel"]),
        ({"streams.imu": {**LIS3DH, "rate_hz": 200}}, "streams.imu.rate_hz", ["32 frames", "160 ms", "at most 106 Hz"]),
        ({"streams.imu": {**LIS3DH, "address": 104}}, "streams.imu.address", ["24 (0x18), 25 (0x19)"]),
        ({"streams.imu": LIS3DH, "buses.i2c0.freq_hz": 1000000}, "buses.i2c0.freq_hz", ["400000 Hz on I2C"]),
        ({"streams.imu": {**MPU6050, "rate_hz": 300}}, "streams.imu.rate_hz", ["300 Hz", "1000 / n for n = 1 to 256"]),
        ({"streams.imu": {**MPU6050, "bus": "spi1", "cs": 5}}, "streams.imu.bus", ["no SPI", "I2C"]),
        ({"streams.imu.measure": ["gyro", "gyro"]}, "streams.imu.measure", ["twice"]),
        ({**LARGE_BLOCKS, "streams.imu.rate_hz": 1660}, "streams.imu.rate_hz", ["154 ms", "at most 853 Hz"]),
        ({"streams.imu.block_frames": 2}, "streams.imu.ring_blocks", ["153 ms", "16 blocks of 2"]),
        ({"streams.mic.ring_blocks": 4}, "streams.mic.ring_blocks", ["256 ms", "at least 5 blocks"]),
        ({"streams.mic.block_frames": 8}, "streams.mic.ring_blocks", ["256 blocks of 19 frames"]),
        ({"streams.mic.ibuf_bytes": 38399}, "streams.mic.ibuf_bytes", ["299 ms", "at least 38400"]),
        ({"streams.imu.segment_frames": 1000}, "streams.imu.segment_frames", ["multiple", "992"]),
        ({"streams.imu.segment_frames": 16}, "streams.imu.segment_frames", ["multiple", "32"]),
        ({**TWO_BLOCKS, "streams.imu.block_frames": 2048}, "streams.imu.block_frames", ["24576", "1365"]),
        ({"streams.mic.sck": 22}, "streams.mic.sck", ["22", "buses.i2c0.scl"]),
        ({"streams.mic.sd": 60}, "streams.mic.sd", ["60", "0-48"]),
        ({"board": "esp32", "network.wifi": ["h"], "streams.mic.ws": 34}, "streams.mic.ws", ["only read"]),
        ({"board": "esp32"}, "network.wifi", ["no way to upload"]),
        ({"buses.spi1.id": 3}, "buses.spi1.id", ["no spi 3", "0, 1, 2"]),
        ({"streams.mic.id": 2}, "streams.mic.id", ["no i2s 2", "0, 1"]),
        (
            {"streams.mic.part": "ics43434", "streams.mic.rate_hz": 22050, "storage.stall_ms": 0},
            "streams.mic.rate_hz",
            ["ics43434", "22050", "6250 to 18750 or 23000 to 51600"],
        ),
        ({"streams.mic": PDM}, "streams.mic.ring_bytes", ["256 ms", "at least 38400"]),
        ({"streams.mic": {**PDM, "clk": 22}, "storage.stall_ms": 9}, "streams.mic.clk", ["22", "buses.i2c0.scl"]),
        (
            {"streams.mic": PDM, "streams.p": {**PDM, "clk": 5, "data": 6, "ring_bytes": 1024}, "storage.stall_ms": 0},
            "streams.p.id",
            ["state machine 0", "streams.mic.id"],
        ),
        ({"streams.mic": {**HOST, "source": {}}}, "streams.mic.source", ["one source", "tcp"]),
        ({"streams.mic": {**HOST, "source": {"file": "/a", "pipe": "b"}}}, "streams.mic.source", ["one source"]),
        ({"streams.mic.part": "inmp442"}, "streams.mic.part", ["inmp441", "ics43434", "sph0645"]),
        ({"buses.b": {"kind": "i2c", "id": 0, "scl": 1, "sda": 2}}, "buses.i2c0.id", ["buses.b.id"]),
        ({"streams.imu2": {**SECOND, "address": 106}}, "streams.imu2.address", ["streams.imu.address"]),
        (
            {"streams.mic2": {**BASE["streams"]["mic"], "sck": 1, "ws": 2, "sd": 3}},
            "streams.mic2.id",
            ["streams.mic.id"],
        ),
        ({"streams.imu.rate_hz": 3330, "storage.stall_ms": 0}, "streams.imu.rate_hz", ["419580", "524475"]),
        ({"streams.imu": ON_SPI, "buses.spi1.freq_hz": 20000000}, "buses.spi1.freq_hz", ["10000000"]),
        ({"streams.mic.ibuf_bytes": 200000}, "streams", ["219456", "131072"]),
        ({"storage.max_kb": 300}, "streams.mic.segment_frames", ["360 KB", "300 KB"]),
        ({"storage.root": "/data/../x"}, "storage.root", [".."]),
        ({"storage.root": "/sd/x"}, "storage.card", ["/sd/x is on a card", '"cs"']),
        ({"storage.card": {}}, "storage.root", ["not on the card", "/sd"]),
        ({**ON_CARD, "storage.card": {"cs": 5}}, "storage.card.cs", ["without a bus"]),
        ({**ON_CARD, "storage.card": {"bus": "spi1"}}, "storage.card.cs", ["is missing"]),
        ({**ON_CARD, "storage.card": {"bus": "spi2", "cs": 5}}, "storage.card.bus", ['"spi2"', "spi1"]),
        ({**ON_CARD, "storage.card": {"bus": "i2c0", "cs": 5}}, "storage.card.bus", ['no SPI bus "i2c0"', "spi1"]),
        ({**ON_CARD, "storage.card": {"bus": "spi1", "cs": 14}}, "streams.mic.sck", ["storage.card.cs"]),
        ({**ON_CARD, "streams.imu": {**ON_SPI, "cs": 4}}, "streams.imu.bus", ["the card's"]),
        ({"upload.backoff_min_s": 70}, "upload.backoff_max_s", ["70"]),
        ({"upload.https.ca_file": None}, "upload.https.ca_file", ["ca.der"]),
        ({URL: "http://192.168.1.10:8080"}, URL, ["clear text", "https://"]),
        ({URL: "http://127.0.0.1.example.org"}, URL, ["clear text"]),
        ({URL: "http://127.0.0.1@example.org"}, URL, ["user name"]),
        ({URL: "https://user:pw@host"}, URL, ["user name or password", "secrets.json"]),
        ({URL: "https://host/?token=x"}, URL, ["query"]),
        ({URL: "https://host#x"}, URL, ["fragment"]),
        ({URL: "https://host:0"}, URL, ["port"]),
        ({URL: "https://host:99999"}, URL, ["port"]),
        ({URL: "https://host:"}, URL, ["port"]),
        ({URL: "https:///x"}, URL, ["host"]),
        ({URL: "https://[::1"}, URL, ["host"]),
        ({URL: "https://host/%2e%2e"}, URL, ["path"]),
        ({URL: "https://h$st"}, URL, ["host"]),
        ({URL: "htp://host"}, URL, ["https"]),
        ({**MQTT, "upload.https": BASE["upload"]["https"]}, "upload.mqtt", ["upload.https", "one of them"]),
        ({"upload.https": None}, "upload", ["no way", "https, mqtt or ble"]),
        (
            {"board": "nano_33_ble_sense", "buses": {}, "streams": {"mic": {**HOST, "segment_frames": 8192}},
             "storage.reserve_kb": 0, "upload": {"ble": {}}},
            "upload.ble", ["no Bluetooth"],
        ),
        ({**MQTT, "upload.mqtt.url": "mqttx://h"}, "upload.mqtt.url", ["mqtts://"]),
        ({**MQTT, "upload.mqtt.url": "mqtts://h/topic"}, "upload.mqtt.url", ["behind host and port"]),
        ({**MQTT, "upload.mqtt.url": "mqtts://me:pw@h"}, "upload.mqtt.url", ["upload.mqtt.user", "mqtt_password"]),
        ({**MQTT, "upload.mqtt.url": "mqtts://h:0"}, "upload.mqtt.url", ["1 to 65535"]),
        ({**MQTT, "upload.mqtt.url": "mqtts://h:"}, "upload.mqtt.url", ["1 to 65535"]),
        ({**MQTT, "upload.mqtt.url": "mqtts://:1"}, "upload.mqtt.url", ["host"]),
        ({**MQTT, "upload.mqtt.ca_file": None}, "upload.mqtt.ca_file", ["impostor"]),
        ({**MQTT, "upload.mqtt.cert_file": "/c.der"}, "upload.mqtt.key_file", ["belong together"]),
        ({**MQTT, "upload.mqtt.url": "mqtt://h", "upload.mqtt.cert_file": "/c"}, "upload.mqtt.cert_file", ["TLS"]),
        ({**MQTT, "upload.mqtt.topic": "a//b"}, "upload.mqtt.topic", ["empty part"]),
        ({**MQTT, "streams.mic.segment_frames": 131072}, "streams.mic.segment_frames", ["265 KB", "256", "125952"]),
        (
            {**MQTT, "upload.mqtt.max_message_kb": 16, "streams.imu.segment_frames": 64,
             "streams.mic.segment_frames": 4096, "streams.mic.block_frames": 4096, "streams.mic.ring_blocks": 4},
            "streams.mic.segment_frames", ["max_message_kb of 17"],
        ),
        ({"network.wifi": ["a", "a"]}, "network.wifi.1", ["twice"]),
        ({"network.wifi": ["\u00fc" * 17]}, "network.wifi.0", ["32 bytes"]),
    ],
)  # fmt: skip
def test_refused(changes, path, words):
    found = {where: f"{reason}; {remedy}" for where, reason, remedy in errors_of(changes)}
    assert list(found) == [path]
    assert all(word in found[path] for word in words), found


PICO = {
    "board": "pico_w", "network.wifi": ["h"], "buses.spi1": ...,
    "buses.i2c0": {"kind": "i2c", "id": 0, "scl": 5, "sda": 4}, "streams.mic.sd": 16, "storage.root": "/sd",
    "storage.card": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({}, []),
        ({"streams.mic.ws": 13}, ["streams.mic.ws"]),
        ({"buses.i2c0": {"kind": "i2c", "id": 1, "scl": 5, "sda": 4}}, ["buses.i2c0.scl", "buses.i2c0.sda"]),
        ({"storage.root": "/data", "storage.card": None, "storage.reserve_kb": 500}, ["streams.mic.segment_frames"]),
        ({"storage.root": "/sd/x", "storage.reserve_kb": 500}, []),
        ({"streams.mic.sd": 23}, ["streams.mic.sd"]),
    ],
)
def test_pico_w(changes, paths):
    assert [error[0] for error in errors_of({**PICO, **changes})] == paths


def test_a_rule_is_silent_about_what_is_wrong_already():
    """One mistake, one error: what depends on a wrong field is not reported as well."""
    assert [e[0] for e in errors_of({"buses.i2c0.kind": "canbus"})] == ["buses.i2c0.kind"]
    assert [e[0] for e in errors_of({"buses": 3})] == ["buses"]
    assert [e[0] for e in errors_of({"streams.mic.rate_hz": "x"})] == ["streams.mic.rate_hz"]
    assert [e[0] for e in errors_of({"storage": []})] == ["storage"]
    assert [e[0] for e in errors_of({"streams.BAD": {**SECOND, "rate_hz": 100}})] == ["streams.BAD"]
    assert [e[0] for e in errors_of({"upload.https": {}})] == ["upload.https.url"]


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://u:p@h:1/x?t=1#f", "https://h:1/x"),
        ("https://h", "https://h"),
        ("http://u@[::1]:80?x", "http://[::1]:80"),
    ],
)
def test_bare(url, plain):
    assert bare(url) == plain
