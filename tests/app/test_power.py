"""Light and deep sleep on the virtual board, with the manners of three ports: time, reasons, what is kept, counters."""

import asyncio
import json

import pytest

from host.virtual import VirtualBoard

UTC_S = 1800000000
PROGRAM = """
import asyncio, json
from app.clock import Clock
from app.power import Power
from hardware import board
import machine

def said(power, clock, **more):
    true = UTC_S * 1000000 + board.life.now()
    utc = power.utc()
    more.update({"reason": power.reason(), "n": power.state().get("n"), "world_s": board.life.now() / 1e6})
    if utc:
        more.update({"error_us": utc[0] - true, "uncertainty_us": utc[1]})
    print("@" + json.dumps(more))

def run():
    clock = Clock()
    power = Power({}, clock, print, PLATFORM)
    state = power.state()
    state["n"] = state.get("n", 0) + 1
    said(power, clock)
""".replace("UTC_S", str(UTC_S))
PORTS = {"esp32": "esp32", "rp2": "rp2", "stm32": "pyboard"}


def board(folder, port, body, **world):
    world = {"clock": "virtual", "port": port, "rtc": UTC_S, "reboots": True, "flash": {"size_kb": 1024}} | world
    made = VirtualBoard(world | {"main": "program"}, folder)
    lines = [f"    {line}" for line in body.strip().splitlines()]
    program = PROGRAM.replace("PLATFORM", repr(PORTS.get(port, port))) + "\n".join(lines) + "\n"
    made.install(files={"/program.py": program.encode()})
    return made


def run(made, off_s=None):
    """-> exit code, what it said"""

    async def main():
        try:
            await made.start(off_s)
            said = [json.loads(line[1:]) async for line in made.lines() if line.startswith("@")]
            return await made.wait(), [status for status in said if "reason" in status]
        finally:
            await made.kill()

    return asyncio.run(asyncio.wait_for(main(), 300))


SLEEPS = """
power.heard([clock.t_us(), UTC_S * 1000000 + board.life.now(), 1000, "sntp"]) if state["n"] == 1 else None
slept = asyncio.run(power.sleep(7))
said(power, clock, slept_us=slept, t_us=clock.t_us(), ticks_off_us=clock.t_us() - board.clock.now())
if state["n"] < 4:
    asyncio.run(power.sleep(6000, deep=True, pins=((7, "motion"),)))
""".replace("UTC_S", str(UTC_S))


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("ppm", [200, -200])
def test_time_and_reasons_over_light_and_deep_sleep(tmp_path, port, ppm):
    made = board(tmp_path, port, SLEEPS, rtc_ppm=0 if port == "rp2" else ppm, pins={"7": [[9000, 1], [9001, 0]]})
    code, said = run(made)
    assert code == 0, "\n".join(made.log)
    reasons = [status["reason"] for status in said[::2]]
    assert reasons == ["power", "deepsleep", "deepsleep" if port == "stm32" else "motion", "deepsleep"]
    assert [status["n"] for status in said[::2]] == [1, 2, 3, 4]
    for status in said:
        assert abs(status["error_us"]) <= status["uncertainty_us"], status
    for status in said[1::2]:
        assert abs(status["slept_us"] - 7e6) < 10000
        assert abs(status["ticks_off_us"]) < 10000, "the recording clock goes on in light sleep"
    if port != "stm32":
        assert 9000 <= said[4]["world_s"] < 9002, "the pin ended the sleep"
    counters = made.counters()
    total = sum(counters[name] for name in ("awake_s", "light_s", "deep_s", "off_s"))
    assert total == pytest.approx(said[-1]["world_s"], abs=0.01)
    assert counters["boots"] == 4 and counters["wakeups"] == (0 if port == "rp2" else 3)
    assert counters["light_s"] > 11000 if port == "rp2" else 27 < counters["light_s"] < 29


@pytest.mark.parametrize("port", PORTS)
def test_bug_what_deep_sleep_keeps_was_taken_before_the_light_sleep_in_its_place(tmp_path, port):
    body = """
said(power, clock, left=power.left("left"))
if state["n"] < 2:
    asyncio.run(power.sleep(100, deep=True, leave=lambda state: state.update(left=clock.t_us())))
"""
    _, said = run(board(tmp_path, port, body))
    assert said[1]["left"] is None and said[3]["reason"] == "deepsleep"
    assert said[3]["left"] > 95e6 if port == "rp2" else 0 < said[3]["left"] < 10e6


@pytest.mark.parametrize("port", ["esp32", "stm32"])
def test_bug_a_pause_of_weeks_was_more_than_the_timer_of_a_board_takes(tmp_path, port):
    body = """
if state["n"] < 3:
    asyncio.run(power.sleep(40 * 86400, deep=True))
"""
    _, said = run(board(tmp_path, port, body))
    assert [status["world_s"] // 3600 for status in said] in ([0, 24, 48], [0, 23, 47]), "it looks once a day"


def test_the_next_sleep_is_shorter_by_the_time_that_booting_took(tmp_path):
    body = """
import time
time.sleep(2)
power.ready()
said(power, clock)
if state["n"] < 3:
    asyncio.run(power.sleep(100, deep=True))
"""
    _, said = run(board(tmp_path, "esp32", body))
    ready = [status["world_s"] for status in said[1::2]]
    assert ready == pytest.approx([2, 102, 202], abs=0.01)


def test_a_watchdog_reset_and_a_power_cut_are_told_from_sleep(tmp_path):
    body = """
power.heard([clock.t_us(), UTC_S * 1000000 + board.life.now(), 1000, "sntp"]) if state["n"] == 1 else None
if state["n"] == 2:
    power.keep()
    power.watch(5000)
    import time; time.sleep(7)
if state["n"] < 5:
    asyncio.run(power.sleep(100, deep=True))
""".replace("UTC_S", str(UTC_S))
    made = board(tmp_path, "esp32", body, power_cuts=[[150, 1000]])
    code, said = run(made)
    assert code == 0, "\n".join(made.log)
    assert [(status["reason"], status["n"]) for status in said] == [
        ("power", 1), ("deepsleep", 2), ("watchdog", 3), ("power", 4), ("deepsleep", 5),
    ]  # fmt: skip
    assert said[2]["world_s"] == pytest.approx(105, abs=0.1)
    assert said[3]["world_s"] == pytest.approx(1150, abs=0.1)
    assert "error_us" not in said[3], "the RTC is lost with the power: nobody knows the time"
    for status in said[1:3]:
        assert abs(status["error_us"]) <= status["uncertainty_us"]


def test_the_watchdog_does_not_bite_a_sleeper(tmp_path):
    for port in PORTS:
        body = """
power.watch(5000)
asyncio.run(power.sleep(60))
asyncio.run(power.sleep(60, deep=True)) if state["n"] == 1 else None
said(power, clock)
"""
        _, said = run(board(tmp_path / port, port, body, reboots=port == "rp2"))
        assert "watchdog" not in [status["reason"] for status in said]
        woke = "power" if port == "stm32" else "deepsleep"  # its watchdog runs on in standby: light sleep instead
        assert said[-1]["reason"] == woke and said[-1]["world_s"] >= 119


def test_a_port_without_sleep_stays_awake_and_says_so(tmp_path):
    made = board(tmp_path, "nrf", "asyncio.run(power.sleep(30, deep=True))\nsaid(power, clock)")
    _, said = run(made)
    assert said[-1]["world_s"] == pytest.approx(30, abs=0.1)
    assert made.log[-2:] == ["this port has no deep sleep", "this port has no light sleep: the board stays awake"]
    assert made.counters()["awake_s"] == pytest.approx(30, abs=0.1)


def test_what_is_kept_survives_a_power_cut_at_every_flash_operation(tmp_path):
    made = board(tmp_path, "esp32", "asyncio.run(power.sleep(100, deep=True)) if state['n'] < 3 else None")
    image = made.image.read_bytes()
    run(made)
    operations = made.counters()["flash_programs"] + made.counters()["flash_erases"]
    codes = []
    for cut in range(operations + 1):
        made.image.write_bytes(image)
        made.world["flash"]["cut_at"] = cut
        code, said = run(made)
        codes.append(code)
        before = max(status["n"] for status in said)
        made.world["flash"]["cut_at"] = None
        code, said = run(made, off_s=10)
        assert code == 0 and said[0]["reason"] == "power"
        assert before <= said[0]["n"] <= before + 1, "either the old state is there, or the new one"
    assert codes == [77] * operations + [0]


HIGH = """
import time
from app.edge import Edge
edge = Edge(machine.Pin(7, machine.Pin.IN), 4)
time.sleep_ms(10)
slept = asyncio.run(power.sleep(60, pins=((7, "motion"),)))
edge.listen()
edge.arm(0, 0)
again = asyncio.run(power.sleep(2))
said(power, clock, slept_us=slept, longer_us=again, has_stamp=edge._has_stamp)
"""


@pytest.mark.parametrize("port", ["esp32", "rp2"])
def test_a_pin_that_is_high_already_ends_a_sleep_at_once_and_is_let_go_behind_it(tmp_path, port):
    """An interrupt that came before anybody listened is not missed; the pin's other user hears of it again."""
    pins = {"7": [[0.005, 1], [0.5, 0], [1, 1]]}
    _, said = run(board(tmp_path, port, HIGH, pins=pins))
    assert said[-1]["slept_us"] < 100_000
    assert said[-1]["has_stamp"]
    if port == "esp32":  # there only a pin that was asked for ends a sleep
        assert said[-1]["longer_us"] > 1_900_000


def test_sensors_keep_their_registers_over_deep_sleep_and_lose_them_with_the_power(tmp_path):
    body = """
bus = machine.I2C(0)
register = bus.readfrom_mem(106, 0x5B, 1)[0]
said(power, clock, register=register)
bus.writeto_mem(106, 0x5B, bytes([register + 1]))
if state["n"] < 4:
    asyncio.run(power.sleep(100, deep=True))
"""
    chip = {"chip": "lsm6dsox", "address": 106, "source": {"synth": "motion"}}
    _, said = run(board(tmp_path, "esp32", body, i2c={"0": [chip]}, power_cuts=[[250, 1]]))
    assert [status["register"] for status in said[1::2]] == [0, 1, 2, 0]
