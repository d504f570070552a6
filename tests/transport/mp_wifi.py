"""Wi-Fi: the next network when one does not let us in, again when the link is lost, the other tasks never held up."""

import asyncio
from time import ticks_diff, ticks_ms

from quiet import on_a_quiet_machine, without_processor_us

import transport.wifi
from transport.wifi import Wifi, station

transport.wifi._POLL_MS = 5  # tests are in a hurry


class Wlan:
    """A station. `answers`: network -> what each status() says after a connect() there; "up" from then on."""

    def __init__(self, **answers):
        self.answers = answers
        self.up = False
        self.rssi = -55
        self.log = []
        self._now = []

    def active(self, on):
        self.log.append("on" if on else "off")

    def connect(self, name, *password):
        assert not self.up, "connect() in a network"
        self.log.append((name,) + password)
        self._now = list(self.answers[name])
        if self._now and isinstance(self._now[0], OSError):
            raise self._now[0]

    def disconnect(self):
        self.up = False
        raise OSError("there is nothing to leave")

    def isconnected(self):
        if self._now and self._now[0] == "up":
            self.up = True
            self._now = []
        return self.up

    def ifconfig(self, config):
        self.log.append(config)

    def status(self, what=None):
        if what == "rssi":
            if self.rssi is None:
                raise ValueError("unknown status param")
            return self.rssi
        return self._now.pop(0) if len(self._now) > 1 else self._now[0]


class Backoff:
    def __init__(self):
        self.log = []

    def next_ms(self):
        self.log.append("wait")
        return 5

    def reset(self):
        self.log.append("reset")


def keep(wlan, networks, *, until, timeout_s=0.05):
    """Run until `until(wifi)` holds, beside a task that must not be held up. -> the Wifi and its back-off's log"""
    backoff = Backoff()
    wifi = Wifi(wlan, networks, backoff=backoff, failures={7: "wrong password"}, timeout_s=timeout_s)

    async def watch():
        task = asyncio.create_task(wifi.run())
        last = start = ticks_ms()
        waited = without_processor_us()
        while not until(wifi):
            await asyncio.sleep_ms(1)
            now = ticks_ms()
            held_ms = ticks_diff(now, last) - (without_processor_us() - waited) // 1000
            assert held_ms < 100, "another task was held up"
            assert ticks_diff(now, start) < 60000, (wlan.log, wifi.status())
            last, waited = now, without_processor_us()
        seen = wifi.status()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return seen

    return asyncio.run(watch()), backoff.log, wifi


def test_the_best_network_is_joined_and_left_at_the_end():
    wlan = Wlan(home=[1, 1, "up"])
    seen, waits, wifi = keep(wlan, [("home", "pass word")], until=Wifi.is_up)
    assert wlan.log == ["on", ("home", "pass word"), "off"], wlan.log
    assert "wait" not in waits and wifi.state == "off" and not wlan.up
    assert "pass word" not in str(seen)


def test_an_open_network_gets_no_password():
    wlan = Wlan(cafe=["up"])
    keep(wlan, [("cafe", None)], until=Wifi.is_up)
    assert ("cafe",) in wlan.log


def test_wrong_password_ends_the_attempt_and_the_next_network_has_its_turn():
    wlan = Wlan(home=[1, 7], cafe=["up"])
    start = ticks_ms()
    seen, _, _ = keep(wlan, [("home", "x"), ("cafe", None)], until=Wifi.is_up, timeout_s=60)
    assert ticks_diff(ticks_ms(), start) < 30000
    assert seen["reason"] == "home: wrong password", seen


def test_a_silent_network_and_a_failing_radio_are_given_up_and_tried_again_after_a_pause():
    wlan = Wlan(home=[1], shed=[OSError("Wifi Internal Error")])
    seen, waits, _ = keep(wlan, [("home", "x"), ("shed", "y")], until=lambda wifi: wlan.log.count(("home", "x")) == 3)
    assert waits == ["wait", "wait"], waits
    assert wlan.log.count(("shed", "y")) == 2 and not wlan.up


def test_a_lost_link_is_joined_again():
    wlan = Wlan(home=["up"])

    def twice(wifi):
        if wifi.joins == 1 and wifi.state == "joined":
            wlan.up = False
        return wifi.joins == 2

    seen, waits, _ = keep(wlan, [("home", "x")], until=twice)
    assert seen["reason"] == "home: the link was lost" and "wait" not in waits and wlan.log.count("on") == 2


def test_the_failures_of_a_port_are_those_that_it_has():
    class Port:
        STAT_WRONG_PASSWORD = 202
        STA_IF = 0

        @staticmethod
        def WLAN(interface):
            return "station %d" % interface

    assert station(Port) == ("station 0", {202: "wrong password"})


STATIC = ("192.168.1.20", "255.255.255.0", "192.168.1.1", "192.168.1.1")


def test_a_static_address_is_set_before_each_attempt():
    wlan = Wlan(home=[7], cafe=["up"])
    wifi = Wifi(wlan, [("home", "x"), ("cafe", None)], backoff=None, failures={7: "wrong"}, static=STATIC)
    assert asyncio.run(wifi.connect(5))
    assert wlan.log == ["on", STATIC, ("home", "x"), "on", STATIC, ("cafe",)], wlan.log


def test_the_signal_is_told_while_there_is_one():
    wlan = Wlan(home=["up"])
    wifi = Wifi(wlan, [("home", None)], backoff=None)
    assert wifi.status()["rssi_dbm"] is None
    assert asyncio.run(wifi.connect(5))
    assert wifi.status()["rssi_dbm"] == -55
    wlan.rssi = None
    assert wifi.status()["rssi_dbm"] is None


def never_joined(answers):
    """-> (what connect said, ms, turns of another task meanwhile, the station, the Wifi)"""
    wlan = Wlan(home=answers)
    wifi = Wifi(wlan, [("home", "x")], backoff=None, failures={7: "wrong password"}, timeout_s=60)
    turns = [0]

    async def count():
        while True:
            turns[0] += 1
            await asyncio.sleep_ms(1)

    async def main():
        task = asyncio.create_task(count())
        try:
            return await wifi.connect(0.1)
        finally:
            task.cancel()

    start = ticks_ms()
    return asyncio.run(main()), ticks_diff(ticks_ms(), start), turns[0], wlan, wifi


@on_a_quiet_machine
def test_connect_keeps_its_deadline_and_switches_the_radio_off():
    for answers in ([1], [7], [OSError("Wifi Internal Error")]):
        joined, ms, turns, wlan, wifi = never_joined(answers)
        assert not joined and 90 <= ms < 2000 and turns > 10, (answers, ms, turns)
        assert wlan.log[-1] == "off" and wifi.state == "off"


def test_connect_goes_on_until_a_network_is_there_and_disconnect_leaves_it():
    wlan = Wlan(home=[7])
    wifi = Wifi(wlan, [("home", "x")], backoff=None, failures={7: "wrong password"})

    async def main():
        task = asyncio.create_task(wifi.connect(60))
        await asyncio.sleep_ms(30)
        wlan.answers["home"] = ["up"]
        return await task

    assert asyncio.run(main()) and wifi.state == "joined" and wlan.log.count(("home", "x")) > 1
    assert asyncio.run(wifi.connect(60)) and wlan.log[-1] != "off"  # it is there already
    wifi.disconnect()
    assert not wifi.is_up() and wifi.state == "off" and wlan.log[-1] == "off"
