"""The planner: sums add up, more is never less, and what it says of files and flash is what really happens."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.policy import Policy
from config import board_model
from host.check import verdict
from host.planner import duty, flash, plan
from host.planner.figures import DAY_S, Range
from host.planner.plan import assumptions
from tests.tools.micropython import HOW_TO_GET, interpreter, run_micropython

EXAMPLES = Path(board_model.__file__).parent / "examples"
FLASH_SCRIPT = Path(__file__).with_name("planner_flash.py")
MORE = settings(max_examples=60, deadline=None)


def example(name: str) -> dict:
    """A configuration with its defaults."""
    filled, errors = verdict((EXAMPLES / f"{name}.json").read_bytes())
    assert not errors
    return filled


VIRTUAL = example("virtual")


def cycle(record_s: int, sleep_s: int, sleep: str = "deep", **more) -> dict:
    """The virtual example without a microphone, recording in a cycle all day."""
    config = copy.deepcopy(VIRTUAL)
    del config["streams"]["mic"]
    window = {"from": "00:00", "to": "24:00", "days": None, "record_s": record_s, "sleep_s": sleep_s}
    config["schedule"] |= {"windows": [window], "sleep": sleep}
    return config | more


@st.composite
def configs(draw):
    """Motion and sound, with a schedule or without, uploading or not."""
    config = copy.deepcopy(VIRTUAL)
    imu, mic = config["streams"]["imu"], config["streams"]["mic"]
    imu["rate_hz"] = draw(st.sampled_from([12.5, 26, 104, 833]))
    imu["segment_frames"] = 32 * draw(st.integers(1, 500))
    mic["rate_hz"] = draw(st.integers(8000, 16000))
    if draw(st.booleans()):
        del config["streams"]["mic"]
    if draw(st.booleans()):
        record_s, sleep_s = draw(st.integers(1, 3000)), draw(st.integers(1, 3000))
        config = cycle(record_s, sleep_s, draw(st.sampled_from(["none", "light", "deep"])), streams=config["streams"])
    if draw(st.booleans()):
        config["upload"] = None
    elif draw(st.booleans()):
        config["upload"] |= {"max_latency_s": draw(st.integers(60, 90000))}
    return config


@given(config=configs(), mah=st.floats(10, 10000))
@MORE
def test_causes_sum_to_the_total_and_times_to_a_day(config, mah):
    made = plan(config, battery_mah=mah)
    causes = made.energy.causes.values()
    for which in ("low", "typical", "high"):
        assert sum(getattr(cause, which) for cause in causes) == pytest.approx(getattr(made.energy.total, which))
    assert all(0 <= cause.low <= cause.typical <= cause.high for cause in causes)
    day = made.duty
    assert day.awake_s + day.light_s + day.deep_s == pytest.approx(DAY_S)
    assert day.recorded_s <= DAY_S * 1.000001 and min(day.awake_s, day.light_s, day.deep_s) >= 0
    days = made.battery_days
    assert 0 < days.low <= days.typical <= days.high
    assert sum(files.payload for files in made.streams.values()) == pytest.approx(made.files.payload)
    assert sum(made.ram.purposes.values()) == made.ram.total
    json.dumps(made.as_dict(), allow_nan=False)


@given(config=configs(), rates=st.lists(st.sampled_from([12.5, 26, 52, 104, 208, 417]), min_size=2, max_size=2))
@MORE
def test_a_higher_rate_never_gives_less(config, rates):
    plans = []
    for rate in sorted(rates):
        config["streams"]["imu"]["rate_hz"] = rate
        plans.append(plan(config))
    less, more = plans
    assert less.files.stored <= more.files.stored and less.files.erases <= more.files.erases
    assert less.energy.causes["flash"].typical <= more.energy.causes["flash"].typical
    assert all(less.ways[way].busy_s.typical <= more.ways[way].busy_s.typical for way in less.ways)
    assert all(less.stall.buffer_ms[name] >= more.stall.buffer_ms[name] for name in less.stall.buffer_ms)


@given(record_s=st.integers(1, 600), pauses=st.lists(st.integers(1, 3600), min_size=2, max_size=2))
@MORE
def test_longer_pauses_never_cost_more(record_s, pauses):
    short, long = (plan(cycle(record_s, pause, upload=None), battery_mah=1000) for pause in sorted(pauses))
    assert long.files.stored <= short.files.stored
    assert long.energy.total.typical <= short.energy.total.typical * (1 + 1e-9)
    assert long.battery_days.typical >= short.battery_days.typical * (1 - 1e-9)


def test_a_minute_in_ten():
    day = duty.duty(cycle(60, 540, upload=None), boot_s=1)
    assert (day.recordings, day.record_s, day.wakeups) == (144, 60, 144)
    assert day.awake_s + day.light_s == pytest.approx(144 * 62) and day.deep_s == DAY_S - 144 * 62
    assert 0.8 * 144 * 60 < day.light_s < 144 * 60, "while the FIFO fills"


def watching(**trigger) -> dict:
    """The virtual example without a microphone, woken by motion."""
    config = cycle(60, 540, upload=None)
    usual = {"kind": "motion", "stream": "imu", "threshold_g": 0.1, "duration_s": 0, "hold_s": 5, "random_share": 0}
    config["schedule"] |= {"windows": [], "trigger": usual | {"events_per_day": None} | trigger}
    return config


def test_a_board_that_motion_wakes():
    made = plan(watching(events_per_day=30, random_share=0.25), battery_mah=1000)
    assert made.duty.recordings == made.duty.wakeups == pytest.approx(40)
    assert made.duty.record_s == pytest.approx(5 + 0.75 * 10 + 1)
    assert made.duty.deep_s > 0.99 * DAY_S and made.duty.awake_s < 40 * 3
    watched = made.energy.causes["motion sensors"].typical - 0.55 * made.duty.recorded_s / 3600
    assert watched == pytest.approx(0.02 * 24, rel=0.02), "it is in its low-power mode for the rest of the day"
    assert any("nothing is kept of the time before" in warning for warning in made.warnings)
    assert {"events per day", "seconds that it moves in each"} & {name for name, _, _ in assumptions(watching(), made)}


def test_what_motion_decides_widens_the_forecast():
    known, unknown = plan(watching(events_per_day=20)), plan(watching())
    assert known.energy.total.typical == pytest.approx(unknown.energy.total.typical, rel=1e-4)
    assert unknown.energy.total.high > 2 * known.energy.total.high
    assert unknown.energy.total.low < known.energy.total.low
    rare, often = (plan(watching(events_per_day=n)).energy.total for n in (0, 500))
    assert rare.typical < known.energy.total.typical < often.typical


@pytest.mark.parametrize("awake", [{"trigger": {}}, {"mic": True}, {"ring": 2}])
def test_a_board_that_cannot_doze_is_awake_while_it_records(awake):
    config = cycle(60, 540, upload=None)
    if "trigger" in awake:
        config["schedule"]["trigger"] = {"stream": "imu"}
    if "mic" in awake:
        config["streams"]["mic"] = {"driver": "i2s_mic"}
    if "ring" in awake:
        config["streams"]["imu"] |= {"ring_blocks": 2}
    assert duty.duty(config, boot_s=1).awake_s == 144 * 62, "booting, 60 s, and a second until the loop looks around"


@pytest.mark.parametrize(
    "window, recordings, record_s",
    [
        ({"from": "06:00", "to": "18:00"}, 1, 12 * 3600),
        ({"from": "22:00", "to": "04:00"}, 1, 6 * 3600),
        ({"from": "06:00", "to": "07:00", "record_s": 1000, "sleep_s": 1000}, 2, 1000),  # at 0 and 2000 s
        ({"from": "06:00", "to": "07:00", "record_s": 1500, "sleep_s": 300}, 2, 1500),
        ({"from": "06:00", "to": "07:00", "record_s": 3000, "sleep_s": 300}, 2, 1650),  # the second one is cut short
        ({"from": "06:00", "to": "07:00", "record_s": 600, "sleep_s": 0}, 6, 600),
        ({"from": "00:00", "to": "24:00", "days": ["mon"]}, 1 / 7, DAY_S),
    ],
)
def test_windows(window, recordings, record_s):
    config = cycle(1, 1)
    config["schedule"]["windows"] = [{"days": None, "record_s": None, "sleep_s": 0, **window}]
    day = duty.duty(config)
    assert (day.recordings, day.record_s) == (pytest.approx(recordings), pytest.approx(record_s))


@pytest.mark.parametrize("frames", [341, 1365, 4096, 8192])
def test_wear_of_a_segment(frames):
    """Programmed bytes and erased blocks of a real LittleFS under the real segment writer, within 10 %."""
    micropython = interpreter("64-bit")
    if not micropython:
        pytest.skip(HOW_TO_GET["64-bit"])
    done = run_micropython(FLASH_SCRIPT, str(frames), "20", interpreter=micropython, heap="32M", check=True)
    programmed, erases = json.loads(done.stdout)
    stream = VIRTUAL["streams"]["imu"] | {"rate_hz": 100, "segment_frames": frames, "measure": ["accel", "gyro"]}
    forecast = flash.of_stream("imu", stream, frames / 100)
    assert forecast.programmed == pytest.approx(programmed, rel=0.1)
    assert forecast.erases == pytest.approx(erases, rel=0.1)


def refusals(config, **goals):
    return {path for path, _, _ in plan(config, **goals).refusals}


def test_what_cannot_work_is_refused():
    sound = example("sound_events")
    assert refusals(sound) == set()
    assert refusals(sound | {"storage": sound["storage"] | {"card": None, "root": "/data"}}) >= {"streams.mic.driver"}
    pdm = {
        "driver": "pdm_mic", "id": 0, "clk": 14, "data": 15, "right": False, "rate_hz": 16000, "gain_bits": 0,
        "startup_ms": 50, "ring_bytes": 32768, "block_frames": 1024, "ring_blocks": 8, "segment_frames": 131072,
    }  # fmt: skip
    assert refusals(sound | {"streams": {"mic": pdm}}) == set()
    assert refusals(sound | {"board": "esp32", "streams": {"mic": pdm}}) == {"streams.mic.driver"}
    greedy = sound["streams"]["mic"] | {"ring_blocks": 250}
    assert refusals(sound | {"streams": {"mic": greedy}}) == {"streams"}
    motion = example("gesture_imu")
    assert refusals(motion | {"storage": motion["storage"] | {"max_kb": 32}}) == {"storage.max_kb"}
    assert refusals(cycle(60, 540, upload=None), battery_mah=100, days=365) == {"schedule"}
    assert refusals(cycle(60, 540, upload=None), days=365) == {"power"}
    assert refusals(cycle(60, 540, upload=None), battery_mah=100, days=1) == set()


def test_the_board_with_64_kb_of_files_needs_a_card_or_short_segments():
    config = cycle(60, 540, "none", upload=None, board="nano_33_ble_sense")
    made = plan(config)
    assert {path for path, _, _ in made.refusals} == {"storage"}
    config["streams"]["imu"]["segment_frames"] = 1024
    config["storage"]["reserve_kb"] = 16
    assert plan(config).refusals == []


@pytest.mark.parametrize("name", board_model.names())
def test_every_board_has_a_plan_with_sources(name):
    config = cycle(60, 540, "none", upload=None, board=name)
    made = plan(config, battery_mah=1000)
    assert made.energy.total.typical > 0
    rows = assumptions(config, made)
    assert len(rows) > 8 and all(source and value for _, value, source in rows)


def test_quotients_of_ranges_hold_the_extremes():
    assert Range(1, 2, 3).over(Range(1, 2, 4)) == Range(0.25, 1, 3)
    assert Range(1, 2, 3).over(Range(0, 1, 1)).high == float("inf")
    assert Range(5, 6, 20).beyond(Range(1, 9, 2)) == Range(0, 4, 18)


def uploads_per_day(config: dict, record_s: int, sleep_s: int, days: int = 30) -> float:
    """As the board's own policy begins them, in the pauses between recordings."""
    policy, since, last, count = Policy(config["upload"], "d", may_interrupt=False), None, 0, 0
    for begin in range(0, days * DAY_S, record_s + sleep_s):
        since = begin if since is None else since
        start = max(begin + record_s, policy.due(since, 0, last, 0))
        if start < begin + record_s + sleep_s:
            since, last, count = None, start, count + 1
    return count / days


@pytest.mark.parametrize("sleep", ["none", "light", "deep"])
@pytest.mark.parametrize(
    ("record_s", "sleep_s", "latency", "align"),
    [
        (60, 540, None, 21600), (60, 540, None, 900), (60, 540, 3600, 21600), (60, 540, 21600, 3600),
        (60, 540, 7200, None), (1, 10, 108, 40000), (295, 19, 6937, 21434), (1, 11, 60, 67),
        (30, 90, None, None), (20, 40, 5000, 3600),
    ],
)  # fmt: skip
def test_bug_uploads_at_multiples_of_align_s_were_reckoned_one_per_recording(record_s, sleep_s, latency, align, sleep):
    config = cycle(record_s, sleep_s, sleep)
    config["upload"] |= {"max_latency_s": latency, "align_s": align, "while_recording": False}
    made, real = duty.duty(config), uploads_per_day(config, record_s, sleep_s)
    assert not made.radio_always
    assert made.uploads == pytest.approx(real, rel=0.12), "uploads fall into pauses only"


def test_bug_uploads_that_no_pause_is_long_enough_for_pass_without_a_word():
    config = cycle(60, 2, "none")
    config["upload"] |= {"max_latency_s": 600, "while_recording": False}
    assert any("the longest is 2 s" in warning for warning in plan(config).warnings)
    config["schedule"]["windows"][0]["sleep_s"] = 60
    assert not any("the longest is" in warning for warning in plan(config).warnings)


def test_bug_a_schedule_that_is_over_passes_without_a_word():
    config = cycle(60, 540)
    config["schedule"]["active"] = {"from": None, "until": "2025-01-01T00:00:00Z"}
    assert any("nothing is recorded any more" in warning for warning in plan(config).warnings)
