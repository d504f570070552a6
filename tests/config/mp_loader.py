"""The loader on the board: the last good configuration, failing files, and the heap it needs."""

import gc
import os

from config.loader import ConfigError, load

HEAP = "384K"
FOLDER = "/tmp/motelog-{}".format(int.from_bytes(os.urandom(3), "little"))
PATH = FOLDER + "/config.json"
GOOD = FOLDER + "/good.json"
SECRETS = FOLDER + "/secrets.json"
EXAMPLES = __file__.rsplit("/", 3)[0] + "/config/examples/"


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def example(name="virtual"):
    return read(EXAMPLES + name + ".json")


class Folder:
    """An empty folder for one test."""

    def __enter__(self):
        os.mkdir(FOLDER)

    def __exit__(self, *args):
        for entry in os.ilistdir(FOLDER):
            (os.rmdir if entry[1] == 0x4000 else os.remove)(FOLDER + "/" + entry[0])
        os.rmdir(FOLDER)


def refused(*args):
    try:
        load(*args)
    except ConfigError as error:
        return error
    raise AssertionError("a configuration was accepted")


def test_a_good_one_is_kept():
    with Folder():
        write(PATH, example())
        loaded = load(PATH, GOOD, SECRETS)
        assert loaded.errors == [] and not loaded.fell_back
        assert loaded.config["streams"]["imu"]["rate_hz"] == 104
        assert loaded.config["schedule"]["duration_s"] is None and loaded.config["schedule"]["windows"] == []
        assert loaded.secrets == {"wifi": {}, "https_token": None, "mqtt_password": None}
        assert read(GOOD) == example()
        assert sorted(os.listdir(FOLDER)) == ["config.json", "good.json"]


def test_it_is_written_only_when_changed():
    with Folder():
        write(PATH, example())
        load(PATH, GOOD)
        os.mkdir(GOOD + ".new")  # writing would fail now
        assert load(PATH, GOOD).errors == []
        write(PATH, example("sound_events"))
        loaded = load(PATH, GOOD)
        assert [error[0] for error in loaded.errors] == [GOOD] and not loaded.fell_back
        assert loaded.config["device"] == "forest-01"
        os.rmdir(GOOD + ".new")
        assert load(PATH, GOOD).errors == []
        assert read(GOOD) == example("sound_events")


def test_a_left_over_of_a_power_cut_does_not_matter():
    with Folder():
        write(GOOD + ".new", b"half")
        write(PATH, example())
        assert load(PATH, GOOD).errors == []
        assert read(GOOD) == example() and "good.json.new" not in os.listdir(FOLDER)


def test_a_bad_one_falls_back():
    text = example()
    cases = [
        (b"", ""),
        (text[:100], ""),
        (b"\xff" + text, ""),
        (b"[" * 5000, ""),
        (b"{},[" * 4000, ""),
        (text + b" " * 20000, ""),
        (text.replace(b"104", b"105"), "streams.imu.rate_hz"),
        (text.replace(b'"device"', b'"devise"'), "device"),
        (text.replace(b'"virtual-01"', b"1"), "device"),
        (text.replace(b'"version": 1', b'"version": 2'), "version"),
        (text.replace(b'"version": 1', b'"version": 1, "version": 1'), "version"),
    ]
    with Folder():
        write(GOOD, text)
        for bad, path in cases:
            write(PATH, bad)
            loaded = load(PATH, GOOD)
            assert loaded.fell_back and loaded.config["device"] == "virtual-01"
            assert (PATH, path) in [error[:2] for error in loaded.errors], (path, loaded.errors)
            assert read(GOOD) == text
            os.remove(PATH)
        loaded = load(PATH, GOOD)
        assert loaded.fell_back and "no such file" in loaded.errors[0][2]
        os.mkdir(PATH)
        loaded = load(PATH, GOOD)
        assert loaded.fell_back and "directory" in loaded.errors[0][2]


def test_neither_is_usable():
    with Folder():
        error = refused(PATH, GOOD)
        assert [e[0] for e in error.errors] == [PATH, GOOD]
        assert "no such file" in str(error)
        write(PATH, b"{}")
        write(GOOD, b"{")
        error = refused(PATH, GOOD)
        assert [e[:2] for e in error.errors] == [
            (PATH, "board"), (PATH, "device"), (PATH, "streams"), (PATH, "version"), (GOOD, ""),
        ]


def test_wrong_secrets_do_not_stop_a_recording():
    with Folder():
        write(PATH, example("gesture_imu"))
        for text, errors in (
            (b"{", [(SECRETS, "")]),
            (b'{"wifi": {"home": "short"}}', [(SECRETS, "wifi.home"), (PATH, "network.wifi.0")]),
            (b'{"wifi": {"work": "long enough"}}', [(PATH, "network.wifi.0")]),
        ):
            write(SECRETS, text)
            loaded = load(PATH, GOOD, SECRETS)
            assert not loaded.fell_back and loaded.config["device"] == "wrist-01"
            assert [error[:2] for error in loaded.errors] == errors, loaded.errors
            assert "short" not in str(loaded.errors)
            assert "home" not in loaded.secrets["wifi"]  # None would be an open network
        os.remove(SECRETS)
        assert [error[:2] for error in load(PATH, GOOD, SECRETS).errors] == [(PATH, "network.wifi.0")]


def test_a_config_that_holds_a_secret_is_refused():
    with Folder():
        write(PATH, example())
        write(SECRETS, b'{"https_token": "virtual-01"}')
        assert [e[:2] for e in refused(PATH, GOOD, SECRETS).errors] == [(PATH, "device"), (GOOD, "")]


def test_the_heap_it_needs():
    with Folder():
        write(PATH, example())
        load(PATH, GOOD)  # the first call leaves interned names behind
        gc.collect()
        before = gc.mem_alloc()
        gc.disable()
        loaded = load(PATH, GOOD)
        peak = gc.mem_alloc() - before
        gc.enable()
        assert loaded.errors == []
        loaded = None
        gc.collect()
        assert gc.mem_alloc() - before < 4096
        assert peak < 240_000, peak  # without any collection; precompiled and with them, a heap of 96 KB is enough
