"""The spine, end to end: real recordings through a driver, a ring, flash, TLS and a collector into a data set that is
compared with them frame by frame. Board and collector are processes of their own.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import time

import pytest

from host import verify
from tests.spine import rig
from tests.spine.rig import CollectorProcess, Rig
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])


@pytest.fixture
def collector(tmp_path):
    """-> a function that makes the collector of a rig; not started."""
    made = []

    def make(board_rig):
        made.append(CollectorProcess(tmp_path, board_rig.out, board_rig.token))
        return made[0]

    yield make
    for process in made:
        process.__exit__()


def lossless(accounts):
    for name, account in accounts.items():
        assert account["stored"] == account["expected"] > 0 and not account["lost"], (name, account)


# The demo


@pytest.mark.parametrize(
    ("columns", "imu_rate", "mic_rate", "seconds"),
    [(3, 104, 16000, 10), (6, 12.5, 8000, 7.5), (6, 833, 22050, 5), (3, 6667, 44100, 3), (6, 6667, 48000, 2.5)],
)
def test_the_demo_stores_the_recordings_frame_by_frame(tmp_path, columns, imu_rate, mic_rate, seconds):
    imu = rig.motion(tmp_path / "r.npy", 1237, columns)
    mic = rig.sound(tmp_path / "r.wav", 50021, mic_rate)
    how = ("--imu", tmp_path / "r.npy", "--imu-rate", imu_rate, "--mic", tmp_path / "r.wav", "--clock", "virtual")
    done = rig.deploy("demo", *how, "--seconds", seconds, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    (session,) = rig.sessions(tmp_path / "out")
    for name, recording, rate in (("imu", imu, imu_rate), ("mic", mic, mic_rate)):
        account = rig.check_stream(session, name, recording)
        lossless({name: account})
        stored = account["stored"]
        assert seconds * rate * 0.98 < stored < (seconds + 1) * rate * 1.07
        assert said["streams"][name]["frames"] == stored
        end = "fewer frames than the source" if stored < len(recording) else "started again from the top"
        assert said["streams"][name]["source"]["end"] == end
    assert said["board"]["upload"]["failures"] == 0


def test_the_demo_in_real_time_twice_into_one_folder_at_80_columns(tmp_path):
    rig.motion(tmp_path / "r.npy", 300, 6)
    for count in (1, 2):
        how = ("--imu", tmp_path / "r.npy", "--mic-rate", 8000, "--seconds", 3, "--out", "out")  # bears stalls of 1 s
        started = time.monotonic()
        done = rig.deploy("demo", *how, cwd=tmp_path, env=os.environ | {"COLUMNS": "80"})
        assert done.returncode == 0, done.stdout + done.stderr
        assert time.monotonic() - started > 3
        assert len(rig.sessions(tmp_path / "out")) == count
        assert all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout
        assert " stream " in done.stdout and " expected " in done.stdout and " Hz measured " in done.stdout
        assert "imu is r.npy (300 frames, started again from the top): identical" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "r.npy"]


# The collector is away, dies, stalls


def test_a_collector_that_is_away_for_half_of_the_run(tmp_path, collector):
    board = Rig(tmp_path, seconds=10)
    process = collector(board)
    board.make(process)
    assert asyncio.run(board.run(at=[(5, process.start)])) == 0, board.board.log
    assert board.board.status["upload"]["failures"] >= 1
    process.stop()
    lossless(board.check(*rig.sessions(board.out)))
    assert verify.verify(board.out).ok


def test_a_collector_killed_in_the_middle_and_started_again(tmp_path, collector):
    board = Rig(tmp_path, seconds=16, mic_rate=16000, flash_kb=4096)
    process = collector(board)
    process.start()
    board.make(process)

    def again():
        process.kill()
        process.start()

    deaths = [(3, again), (7, again), (10, process.kill), (13, process.start)]
    assert asyncio.run(board.run(at=deaths)) == 0, board.board.log
    assert board.board.status["upload"]["failures"] >= 1
    process.stop()
    lossless(board.check(*rig.sessions(board.out)))
    assert verify.verify(board.out).ok
    assert not [path for path in board.out.rglob(".part-*")], "a leftover of the killed collector"


@pytest.mark.slow
@pytest.mark.parametrize("timeout_s", [2, 10])
def test_a_collector_that_stalls_for_five_seconds(tmp_path, collector, timeout_s):
    """In real time; with the shorter deadline the board gives up and sends again, with the longer one it waits."""
    board = Rig(tmp_path, seconds=11, clock="real", mic_rate=16000)
    board.config["upload"]["timeout_s"] = timeout_s
    process = collector(board)
    process.start()
    board.make(process)
    failures = []

    async def stall():
        await asyncio.sleep(4)
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(5)
        process.signal(signal.SIGCONT)

    async def both():
        stalling = asyncio.create_task(stall())
        code = await board.run()
        await stalling
        return code

    assert asyncio.run(both()) == 0, board.board.log
    failures = board.board.status["upload"]["failures"]
    assert failures > 0 if timeout_s < 5 else failures == 0
    process.stop()
    lossless(board.check(*rig.sessions(board.out)))
    assert verify.verify(board.out).ok


# The flash is too small, too slow


@pytest.mark.parametrize("when_full", ["stop", "drop_oldest"])
def test_a_flash_too_small_for_the_outage(tmp_path, collector, when_full):
    board = Rig(tmp_path, seconds=90, flash_kb=1024)
    board.config["storage"]["when_full"] = when_full
    process = collector(board)
    board.make(process)
    assert asyncio.run(board.run()) == 0, board.board.log
    process.start()
    board.config["schedule"]["duration_s"] = 1
    board.make(process)
    assert asyncio.run(board.run()) == 0, board.board.log  # the next start ships it
    process.stop()
    session = rig.sessions(board.out)[0]
    accounts = board.check(session)
    cause = {"stop": "flash", "drop_oldest": "retention"}[when_full]
    for name, account in accounts.items():
        rate = {"imu": 104 * 1.0213, "mic": 8000}[name]
        assert account["expected"] == pytest.approx(90 * rate, rel=0.01)
        assert set(account["lost"]) <= {cause}, account
    assert accounts["mic"]["lost"][cause] > 80000
    report = verify.verify(board.out)
    assert report.ok, report.findings
    if when_full == "drop_oldest":
        told = [finding for finding in report.findings if "dropped" in finding.what]
        gone = accounts["mic"]["dropped"]
        assert sum(frames for *_, frames in gone) == accounts["mic"]["lost"]["retention"]
        assert any("mic" in finding.file + finding.what and finding.frames for finding in told), report.findings


def test_expected_is_the_sensors_number_when_its_fifo_overruns(tmp_path, collector):
    """Flash that stalls longer than FIFO and I2S buffer last: what is stored stands at the sensor's own numbers, and
    where a loss was too long for that, the ledger says that it is an estimate.
    """
    board = Rig(tmp_path, seconds=20, imu_rate=833)
    board.world["flash"]["erase_us"] = 150_000
    process = collector(board)
    process.start()
    board.make(process)
    assert asyncio.run(board.run()) == 0, board.board.log
    process.stop()
    (session,) = rig.sessions(board.out)
    ledger = json.loads((session / "ledger.json").read_text())
    accounts = ledger["streams"]
    exact = {name: account["lost_exact"] for name, account in accounts.items()}
    for name, recording in board.recordings.items():
        off = sum(accounts[name]["lost"].values()) // 100  # an estimate is good to a percent
        rig.check_stream(session, name, recording, slack=0 if exact[name] else off)
    seconds = (ledger["ended_t_us"] - json.loads((session / "session.json").read_text())["started_t_us"]) / 1e6
    for name, rate_hz in (
        ("imu", 6667 / 8 * 1.0213),
        ("mic", 8000),
    ):  # writing before the sensors' start and after their end
        assert 20 * rate_hz * 0.95 < accounts[name]["expected"] < seconds * rate_hz * 1.01, (name, accounts, seconds)
    assert sum(account["lost"]["fifo"] for account in accounts.values()) > 500
    report = verify.verify(board.out)
    assert report.ok
    warned = {finding.what.partition(":")[0] for finding in report.findings if "estimate" in finding.what}
    assert warned == {name for name in exact if not exact[name]}


def test_a_short_overrun_is_counted_exactly(tmp_path, collector):
    """The sensor cannot be reached for longer than its FIFO lasts, after a time in which its rate became known."""
    board = Rig(tmp_path, seconds=20, imu_rate=208)
    board.world["i2c"]["0"][0]["faults"] = {"absent_s": [[12, 13.9]]}
    process = collector(board)
    process.start()
    board.make(process)
    assert asyncio.run(board.run()) == 0, board.board.log
    process.stop()
    accounts = board.check(*rig.sessions(board.out))
    assert 0 < accounts["imu"]["lost"].pop("bus") < 1.9 * 213
    assert accounts["imu"]["lost_exact"] and not accounts["imu"]["lost"]
    lossless({"mic": accounts["mic"]})


# The board is killed


@pytest.mark.parametrize("seed", [1, 2])
def test_a_board_killed_at_random_instants_and_started_again(tmp_path, collector, seed):
    """-9, like a power cut between two instructions, in the middle of segments; always on the same flash."""
    board = Rig(tmp_path, seconds=3600, mic_rate=16000, flash_kb=4096)
    chance = random.Random(seed)
    process = collector(board)
    process.start()
    board.make(process)

    async def killed(after_lines, after_s):
        await board.board.start()
        async for line in board.board.lines():
            after_lines -= line.startswith("@")
            if after_lines < 0:
                await asyncio.sleep(after_s)
                await board.board.kill()

    for _ in range(5):
        asyncio.run(killed(chance.randrange(12), chance.random() / 20))
    board.config["schedule"]["duration_s"] = 5
    board.make(process)
    assert asyncio.run(board.run()) == 0, board.board.log
    process.stop()
    found = rig.sessions(board.out)
    assert 2 <= len(found) <= 6
    assert rig.open_all(board.out) >= 2 * len(found)
    for session in found:
        board.check(session)
    assert {json.loads((session / "ledger.json").read_text())["reason"] for session in found} >= {"power", "duration"}
    report = verify.verify(board.out)
    assert report.ok, report.findings
    assert not [name for name in board.board.files() if name.endswith((".npy", ".wav"))], "something was not shipped"


# What verify says of a data set that somebody changed


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    """-> the folder of a complete data set, to be copied."""
    out = tmp_path_factory.mktemp("good") / "out"
    done = rig.deploy("demo", "--seconds", 8, "--clock", "virtual", "--out", out, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 0x10
    path.write_bytes(content)


def edit(path):
    path.write_text(path.read_text().replace('"reason": "full"', '"reason": "stop"'))


DAMAGE = {
    "one flipped byte, motion": ("imu-000001.npy", flip),
    "one flipped byte, sound": ("mic-000001.wav", flip),
    "a missing segment": ("mic-000001.*", lambda path: path.unlink()),
    "a missing data file": ("imu-000001.npy", lambda path: path.unlink()),
    "an edited sidecar": ("imu-000001.json", edit),
    "a truncated file": ("mic-000001.wav", lambda path: path.write_bytes(path.read_bytes()[:-1])),
    "a truncated sidecar": ("imu-000001.json", lambda path: path.write_bytes(path.read_bytes()[:-1])),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_verify_names_file_and_frames_of_a_damage(tmp_path, data_set, damage):
    shutil.copytree(data_set, tmp_path / "out")
    (session,) = rig.sessions(tmp_path / "out")
    pattern, hurt = DAMAGE[damage]
    first = rig.sidecars(session, pattern[:3])[1]
    before = {path: path.read_bytes() for path in session.iterdir()}
    for path in session.glob(pattern):
        hurt(path)
    assert {path: path.read_bytes() for path in session.iterdir()} != before
    done = rig.deploy("verify", tmp_path / "out", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 1 and not said["ok"] and "Traceback" not in done.stderr
    errors = [finding for finding in said["findings"] if finding["level"] == "error"]
    stem = f"demo/{session.name}/{pattern[:10]}"
    assert any(finding["file"].startswith(stem) for finding in errors), errors
    assert [first["first_frame"], first["end_frame"]] in [finding["frames"] for finding in errors], errors


def test_verify_sees_a_flipped_byte_in_any_file(tmp_path, data_set):
    """Wherever it is: data, sidecars, session.json, ledger.json, the collector's record."""
    chance = random.Random(5)
    shutil.copytree(data_set, tmp_path / "out")
    (session,) = rig.sessions(tmp_path / "out")
    assert verify.verify(tmp_path / "out").ok
    for path in sorted(session.iterdir()):
        good = path.read_bytes()
        for at in [0, len(good) - 1, *(chance.randrange(len(good)) for _ in range(3))]:
            bad = bytearray(good)
            bad[at] ^= 1 << chance.randrange(8)
            path.write_bytes(bad)
            report = verify.verify(tmp_path / "out")
            assert not report.ok, f"{path.name}, byte {at}"
        path.write_bytes(good)
    assert verify.verify(tmp_path / "out").ok


# Wi-Fi


def test_a_board_whose_wifi_comes_late_and_goes_away(tmp_path, collector):
    board = Rig(tmp_path, seconds=60)
    board.config["network"] = {"wifi": ["home", "cafe"]}
    board.world["network"] = {"down_s": [[0, 20], [35, 50]]}
    process = collector(board)
    process.start()
    board.make(process, secrets={"wifi": {"home": "secret words", "cafe": None}})
    seen = []
    assert asyncio.run(board.run(each=seen.append)) == 0, board.board.log
    process.stop()
    dark = [(status["seconds"], status["upload"]["acknowledged"]) for status in seen
            if status["state"] == "recording" and status["upload"]["state"] == "no network"]  # what was begun is ended
    assert {n for t, n in dark if t < 20} == {0}
    assert [n for t, n in dark if 35 < t < 50][0] == [n for t, n in dark if 35 < t < 50][-1] > 1
    assert seen[-1]["upload"]["failures"] == 0 and seen[-1]["wifi"]["joins"] == 2
    lossless(board.check(*rig.sessions(board.out)))
    spilled = [path for path in board.out.rglob("*") if path.is_file() and b"secret words" in path.read_bytes()]
    assert not spilled and "secret words" not in json.dumps(seen) + "".join(board.board.log)
