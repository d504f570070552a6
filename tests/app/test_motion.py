"""A board that sleeps until something moves: the sensor's own interrupt wakes it, in the virtual world's own time."""

import asyncio
import itertools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from host.virtual import VirtualBoard
from host.virtual.world import files_for, world_for
from tests.app.talk import motion_only, sessions
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
PER_G = 8192
SOURCE_HZ = 100
HOLD_S = 3
UTC_S = 1796083200  # midnight
AS_PORT = """
from app import power
row_of = power._row
power._row = lambda _: row_of(PLATFORM)
def run():
    from app import main
    return main.run()
"""
LATE_S = 1.5  # from the first movement to the first frame: motion detection, boot, start of the sensor


def config_for(sleep: str = "deep", driver: str = "lsm6dsox", **trigger) -> dict:
    trigger = {"kind": "motion", "stream": "imu", "threshold_g": 0.06, "hold_s": HOLD_S} | trigger
    config = motion_only(schedule={"trigger": trigger, "sleep": sleep})
    config["streams"]["imu"] |= {"driver": driver, "measure": ["accel"], "accel_range_g": 4, "int_pin": 7}
    if driver.startswith("lis"):
        config["streams"]["imu"] |= {"address": 24, "rate_hz": 100, "ring_blocks": 16, "block_frames": 8}
        config["storage"] = {"stall_ms": 200}
    elif not driver.startswith(("lsm", "ism")):
        config["streams"]["imu"] |= {"address": 104, "rate_hz": 100}
    if driver == "bmi270":
        config["streams"]["imu"]["config_file"] = "/bmi270.bin"
    return config


def quiet(seconds: float, seed: int) -> np.ndarray:
    """1 g along z, and noise of some mg."""
    noise = np.random.default_rng(seed).integers(-25, 25, (int(seconds * SOURCE_HZ), 3))
    return noise + [0, 0, PER_G]


def shake(seconds: float, seed: int) -> np.ndarray:
    """Somebody moves it, without a pause, by 0.5 to 1 g."""
    chance = np.random.default_rng(seed)
    t = np.arange(int(seconds * SOURCE_HZ)) / SOURCE_HZ
    wave = np.sin(2 * np.pi * chance.uniform(1.5, 4) * t + 0.5)[:, None]
    return wave * chance.uniform(0.5, 1, 3) * PER_G + quiet(seconds, seed)


@dataclass
class Life:
    """What a board did with its world: `sessions`: {name: its files}, in order; `began`: seconds of the world."""

    board: VirtualBoard
    seconds: float
    recording: np.ndarray
    log: list[str] = field(default_factory=list)

    @property
    def found(self) -> list[dict]:
        """Per session its `session`, `ledger`, `sidecars` and `data`; without one in which the world ended."""
        found = []
        every = list(sessions(self.board.files()).values())
        for files in every[:-1] if "ledger.json" not in every[-1] else every:
            names = sorted(name for name in files if name.startswith("imu-") and name.endswith(".json"))
            data = [np.frombuffer(files[name[:-5] + ".npy"][128:], "<i2").reshape(-1, 3) for name in names]
            found.append(
                {
                    "session": json.loads(files["session.json"]),
                    "ledger": json.loads(files["ledger.json"]),
                    "sidecars": [json.loads(files[name]) for name in names],
                    "data": np.concatenate([np.empty((0, 3), "<i2"), *data]),
                }
            )
        return found

    def where(self, data: np.ndarray) -> tuple[float, float]:
        """-> (begin, end) in seconds of the world of stored frames: what was felt, each row once or twice, none left
        out (the sensor samples a little faster than the recording has rows).
        """
        rows = data[np.r_[True, np.diff(data, axis=0).any(axis=1)]]
        at = self.recording.tobytes().find(rows.tobytes())
        assert at >= 0 and at % 6 == 0, "what is stored was never felt"
        return at / 6 / SOURCE_HZ, (at / 6 + len(rows)) / SOURCE_HZ


def live(folder: Path, config: dict, pieces: list[np.ndarray], platform: str | None = None, **world) -> Life:
    """The board's whole life: until what it feels is at its end. `platform`: what it takes its port for."""
    folder.mkdir(exist_ok=True)
    recording = np.concatenate(pieces).round().clip(-32768, 32767).astype("<i2")
    np.save(folder / "motion.npy", recording)
    seconds = len(recording) / SOURCE_HZ - 0.5
    made = world_for(config, clock="virtual", imu=folder / "motion.npy") | {"rtc": UTC_S, "reboots": True} | world
    made["i2c"]["0"][0]["source"]["rate_hz"] = SOURCE_HZ
    made["power_cuts"] = [*world.get("power_cuts", []), [seconds, 1]]
    files = files_for(config)
    if platform:
        made["main"] = "as_port"
        files["/as_port.py"] = AS_PORT.replace("PLATFORM", repr(platform)).encode()
    board = VirtualBoard(made, folder / "board")
    board.install(config=config, files=files)
    life = Life(board, seconds, recording)

    async def run():
        cuts = len(made["power_cuts"])
        await board.start()
        try:
            async for line in board.lines():
                life.log.append(line)
                cuts -= line.startswith("@") and board.status.get("exit") == 77
                if not cuts:
                    return
        finally:
            await board.kill()

    asyncio.run(asyncio.wait_for(run(), 600))
    return life


def check(life: Life) -> None:
    """What every session must be."""
    for found in life.found:
        account = found["ledger"]["streams"]["imu"]
        assert account["expected"] == account["stored"] + sum(account["lost"].values()) and not account["lost"]
        assert len(found["data"]) == account["stored"]
        assert found["session"]["planned"]["reason"] in ("motion", "random")


def test_what_moves_is_recorded_and_what_does_not_is_slept_through(tmp_path):
    shakes = [shake(6, 1), shake(2, 2), np.concatenate([shake(4, 3), quiet(HOLD_S - 1, 9), shake(3, 4)])]
    rests = [quiet(s, s) for s in (20, 25, 30, 20)]
    pieces = [piece for pair in itertools.zip_longest(rests, shakes) for piece in pair if piece is not None]
    life = live(tmp_path, config_for(), pieces)
    check(life)
    assert len(life.found) == 3, life.log
    starts = np.cumsum([0] + [len(piece) for piece in pieces])[1:-1:2] / SOURCE_HZ
    for found, start, moved in zip(life.found, starts, shakes, strict=True):
        first, last = life.where(found["data"])
        assert start < first < start + LATE_S
        assert HOLD_S - 0.5 < last - (start + len(moved) / SOURCE_HZ) < HOLD_S + 2
        assert found["session"]["planned"]["reason"] == "motion" and found["ledger"]["reason"] == "still"
        assert {side["event"]["why"] for side in found["sidecars"]} == {"motion"}
    counters = life.board.counters()
    assert counters["wakeups"] == 3 and counters["boots"] == 4
    assert counters["deep_s"] > 0.7 * (life.seconds - sum(len(s) for s in shakes) / SOURCE_HZ - 3 * HOLD_S)


SOME = ("lis3dh", "lsm6dso32", "mpu6886", "bmi270")
REST = ("lsm6ds3trc", "bmi160", "icm42688")


@pytest.mark.parametrize("driver", [*SOME, *(pytest.param(driver, marks=pytest.mark.slow) for driver in REST)])
def test_another_chip_and_light_sleep(tmp_path, driver):
    """RAM stays, and the sensor's pin ends the sleep all the same."""
    pieces = [quiet(15, 1), shake(4, 2), quiet(25, 3), shake(3, 4), quiet(12, 5)]
    life = live(tmp_path, config_for("light", driver), pieces)
    check(life)
    assert [found["session"]["planned"]["reason"] for found in life.found] == ["motion", "motion"], life.log
    counters = life.board.counters()
    assert counters["boots"] == 1 and counters["light_s"] > 30


@pytest.mark.parametrize(
    ("port", "platform", "sleep", "boots"), [("rp2", "rp2", "deep", 3), ("stm32", "pyboard", "light", 1)]
)
def test_other_ports_pins_end_a_sleep_by_their_edge(tmp_path, port, platform, sleep, boots):
    """RP2 has no deep sleep: light sleep, and a reset when it ends. STM32's clock stands still meanwhile."""
    pieces = [quiet(15, 1), shake(4, 2), quiet(25, 3), shake(3, 4), quiet(12, 5)]
    life = live(tmp_path, config_for(sleep), pieces, platform, port=port)
    check(life)
    begins = [life.where(found["data"])[0] for found in life.found]
    assert [15 < begins[0] < 15 + LATE_S, 44 < begins[1] < 44 + LATE_S] == [True, True] and len(begins) == 2
    assert {found["session"]["planned"]["reason"] for found in life.found} == {"motion"}
    assert life.board.counters()["boots"] == boots and life.board.counters()["light_s"] > 30
    assert all(side["anchors"] for found in life.found for side in found["sidecars"])


def test_the_share_of_recordings_at_random(tmp_path):
    """As many without motion as with it; each soon after one, by timer, out of deep sleep."""
    pieces = [piece for seed in range(6) for piece in (quiet(45, seed), shake(3, 10 + seed))]
    life = live(tmp_path, config_for(random_share=0.5), [*pieces, quiet(45, 99)])
    check(life)
    whys = [found["sidecars"][-1]["event"]["why"] for found in life.found]
    assert whys.count("motion") == 6, whys
    assert 4 <= whys.count("random") <= 6, whys
    for found in life.found:
        side = found["sidecars"][-1]
        assert found["session"]["planned"]["reason"] in (side["event"]["why"], "random")
        if side["event"]["why"] == "random":
            assert len(found["data"]) / 106 < HOLD_S + 1.5
            assert np.ptp(found["data"], axis=0).max() < 100, "nothing moved in it"


def test_it_watches_only_while_a_window_is_open(tmp_path):
    """The window opens after a minute; what moved before went unseen, what still moves then is an event."""
    config = config_for()
    config["schedule"]["windows"] = [{"from": "00:01", "to": "00:02"}]
    pieces = [quiet(20, 1), shake(4, 2), quiet(56, 3), shake(4, 4), quiet(46, 5), shake(4, 6), quiet(20, 7)]
    life = live(tmp_path, config, pieces)
    check(life)
    assert len(life.found) == 1, life.log
    first, _ = life.where(life.found[0]["data"])
    assert 80 < first < 80 + LATE_S
    assert life.board.counters()["wakeups"] == 3, "for the window, for the event, and at the window's end"


CUTS = (5, 19.99, 20.05, 20.3, 21, 25, 27.9, 28.3, 29, 33)


@pytest.mark.parametrize("cut", [CUTS[3], CUTS[5], *(pytest.param(cut, marks=pytest.mark.slow) for cut in CUTS)])
def test_a_power_cut_asleep_or_awake_comes_back_to_watching(tmp_path, cut):
    life = live(tmp_path, config_for(), [quiet(20, 1), shake(6, 2), quiet(24, 3), shake(4, 4), quiet(12, 5)],
                power_cuts=[[cut, 3]], rtc_battery=True)  # fmt: skip
    check(life)
    begins = [life.where(found["data"])[0] for found in life.found if len(found["data"]) > 20]
    assert any(50 < begin < 50 + LATE_S for begin in begins), begins
    assert all(20 < begin < 30 or 50 < begin < 52 for begin in begins), "only what moved"
    assert len(begins) == 2 or 20 < cut < 26


RECORDINGS = Path(os.environ.get("MOTELOG_IMU") or Path(__file__).resolve().parents[3] / "shared" / "data" / "imu")
REAL_PER_G = 16384


def activities() -> list[tuple[str, np.ndarray]]:
    """[(activity, counts)] of real recordings at 100 Hz; the activity is the last part of a file's name."""
    return [(path.stem.rpartition("_")[2], np.load(path)) for path in sorted(RECORDINGS.glob("*.npy"))]


@pytest.mark.slow
@pytest.mark.skipif(not activities(), reason=f"no .npy of 100 Hz, three columns, in {RECORDINGS}: MOTELOG_IMU=FOLDER")
@pytest.mark.parametrize("driver", ["lsm6dsox", "lis3dh", "lsm6ds3trc", "mpu6886", "bmi160", "bmi270", "icm42688"])
def test_real_exercises_wake_it_and_real_rest_does_not(tmp_path, driver):
    """Each exercise behind a minute of a real wrist at rest, which is as it lay there before."""
    rest = next(data for name, data in activities() if name == "other" and np.ptp(data, axis=0).max() < REAL_PER_G / 5)
    calm = np.concatenate([rest[200:700], rest[700:200:-1]])  # there and back again, without a jump
    moves = [data for name, data in activities() if name != "other"]
    pieces = [piece for move in moves for piece in (*[calm] * 6, move)]
    config = config_for(driver=driver, random_share=0.25)
    config["streams"]["imu"]["accel_range_g"] = 2
    life = live(tmp_path, config, [*pieces, calm, calm])
    check(life)
    starts = np.cumsum([0] + [len(piece) for piece in pieces])[6::7] / SOURCE_HZ
    events = [found for found in life.found if found["sidecars"][-1]["event"]["why"] == "motion"]
    begins = [found["session"]["clock_fixes"][0][1] / 1e6 - UTC_S for found in events]
    before = HOLD_S + 1  # a random piece in which it begins to move is an event
    for start, move in zip(starts, moves, strict=True):
        assert any(start - before < begin < start + len(move) / SOURCE_HZ for begin in begins), (start, begins)
    ends = [start + len(move) / SOURCE_HZ + HOLD_S for start, move in zip(starts, moves, strict=True)]
    quietly = [b for b in begins if not any(s - before < b < e for s, e in zip(starts, ends, strict=True))]
    assert not quietly, "at rest"
    negatives = len(life.found) - len(events)
    assert abs(negatives - len(events) / 3) <= 2
