"""Sleep, and what the board knows when it wakes: why, and what time it is. Made only where the configuration sleeps."""

import asyncio
import sys

import machine

from app import kept
from app.utc import Utc

RESET_US = 300000  # from machine.reset() to the first tick of the clock: at most
LONGEST_US = 86400000000  # of one deep sleep: STM32's timer takes 36 h (ports/stm32/rtc.c), 32 bits hold 24 days of ms
LEAST_MS = 1000  # a shorter deep sleep is not worth the boot behind it
AWAKE_MS = 10000  # how long a port that cannot sleep waits in one piece, the watchdog permitting


class Power:
    """Contract: made once at boot, before anything asks for the time or why the board woke; `sleep` is called when all
    files are closed and nothing is under way. `log(text)` takes a sentence; `platform`: the port's `sys.platform`.
    """

    def __init__(self, config, clock, log, platform=sys.platform):
        self._clock = clock
        self._log = log
        self._port = _row(platform)
        self._rtc = machine.RTC()
        self._kept = kept.load(self._rtc)
        self._wdt = None
        self._wdt_ms = 0
        self._told = []
        self._by_pin = False  # what ended the last light sleep
        self._waking = []  # pins that may end one
        asleep = self._kept.pop("asleep", None)
        self._reason = self._why(asleep)
        self._utc = Utc(self._rtc, clock, self._kept.setdefault("utc", {}), self._port)
        self._wake_clock(asleep)
        if asleep and self._port["deep"] == "reset":
            self.keep()  # or the next reset would pass for the end of this sleep

    def reason(self):
        """-> why the program runs: "power", "reset", "soft", "watchdog", "deepsleep", or the meaning of the pin that
        ended deep sleep.
        """
        return self._reason

    def state(self):
        """-> a dict of JSON values that the caller may change; deep sleep keeps it. {} at the very first start."""
        return self._kept.setdefault("state", {})

    def left(self, name):
        """-> what was put into `state()` under that name for deep sleep, once; None after any other kind of start."""
        value = self.state().pop(name, None)
        return None if self._reason in ("power", "reset", "soft", "watchdog") else value

    def keep(self):
        """Keep `state()` now. A flash that refuses is told about; the RTC's memory may have it all the same."""
        self._utc.pause()
        try:
            kept.save(self._rtc, self._kept)
        except OSError as error:
            self._log("%s cannot be written: %s" % (kept.PATH, error))

    def _why(self, asleep):
        cause = machine.reset_cause()
        if _is(cause, "DEEPSLEEP_RESET"):
            by_pin = hasattr(machine, "wake_reason") and not _is(machine.wake_reason(), "TIMER_WAKE")
            return asleep["pins"][0] if by_pin and asleep and asleep["pins"] else "deepsleep"
        if _is(cause, "PWRON_RESET"):
            return "power"
        if asleep and self._port["deep"] == "reset":
            return asleep["why"]
        for name, reason in (("WDT_RESET", "watchdog"), ("SOFT_RESET", "soft")):
            if _is(cause, name):
                return reason
        return "reset"

    # --- time

    def utc(self):
        """-> (UTC in us, its uncertainty in us), or None when nobody knows."""
        return self._utc.now()

    def fix(self):
        """-> a clock fix [t_us, utc_us, uncertainty_us, "rtc"], or None."""
        now = self._utc.now()
        return [self._clock.t_us(), now[0], now[1], "rtc"] if now else None

    def heard(self, fix):
        """A clock fix [t_us, utc_us, uncertainty_us, source] from the network: it measures the RTC's error, and the
        uncertainty begins anew with it.
        """
        self._utc.heard(self._clock.t_us() - fix[0], fix[1], fix[2])

    def drift(self):
        """-> {"ppm": by how much UTC was found to run faster than the RTC, "bound_ppm": of what that may be wrong by},
        or None when nothing is known.
        """
        known = self._utc.known
        return {"ppm": round(known["ppm"], 2), "bound_ppm": round(known["bound"], 2)} if known else None

    def _wake_clock(self, asleep):
        """What is known of the time after this kind of start; `asleep`: what was noted before the sleep, or None."""
        if asleep and self._port["deep"] == "reset" and self._reason != "power":
            if asleep["utc"]:  # the RTC was reset, too
                utc, uncertainty = asleep["utc"]
                self._utc.believe(utc + self._clock.t_us(), uncertainty + RESET_US)
            else:
                self._utc.adopt()
        elif not self._port["rtc_stays"] or self._reason in ("power", "soft"):  # somebody may have set it
            self._utc.adopt()
        elif self._utc.known:
            self._utc.resume()
        else:
            self._utc.adopt()

    # --- sleep

    def watch(self, timeout_ms):
        """Start the watchdog. It cannot be stopped: `feed` it; sleep does so by itself."""
        self._wdt = machine.WDT(timeout=timeout_ms)
        self._wdt_ms = timeout_ms

    def feed(self):
        """The program is well."""
        if self._wdt:
            self._wdt.feed()

    def ready(self):
        """The board can record now: later deep sleeps end so much earlier as it took from the reset to here."""
        self._kept["lead_us"] = self._clock.t_us()

    def radio(self, on):
        """Switch the Wi-Fi radio. Where there is none, nothing happens."""
        try:
            import network

            network.WLAN(getattr(network, "STA_IF", 0)).active(on)
        except (ImportError, AttributeError, OSError):
            pass

    async def sleep(self, seconds, *, deep=False, pins=(), leave=None):
        """Sleep so long, or until a pin is high. `pins`: [(pin number, its meaning, for `reason`)]. `leave(state())` is
        called just before the program ends for deep sleep, for what `left` is to tell the next start.

        Light sleep stops all tasks meanwhile, the recording clock goes on; -> us slept. Deep sleep does not return: the
        program starts anew, after a day at the latest. Where a port lacks one of them, what comes next to it takes its
        place.
        """
        self._by_pin = False
        self._wake_on([number for number, _ in pins])
        us = int(seconds * 1000000)
        if deep:
            await self._deep(us, pins, leave or (lambda state: None))
        slept_us = await self._light(us)
        if pins:
            self._wake_on(())
        return slept_us

    def can_nap(self):
        """-> whether sensors may fill their FIFOs during light sleep: whether time stamps stay true over it."""
        return self._port["light"] and self._port["light_records"]

    def nap(self, ms):
        """Light sleep, at most `ms`, here and now."""
        self.feed()
        before = self._utc.rtc_us() if self._port["ticks_stop"] else 0
        machine.lightsleep(ms)
        if self._port["ticks_stop"]:
            self._clock.skip(self._utc.rtc_us() - before)
        self._utc.napped(ms * 1000)
        if hasattr(machine, "wake_reason") and not _is(machine.wake_reason(), "TIMER_WAKE"):
            self._by_pin = True

    async def _light(self, us):
        port = self._port
        longest = port["light_max_ms"] if port["light"] else AWAKE_MS
        if not port["light"]:
            self._tell("this port has no light sleep: the board stays awake")
        if self._wdt and not (port["light"] and port["watchdog_sleeps"]):
            longest = min(longest, self._wdt_ms // 2)
        start = now = self._clock.t_us()
        while True:
            ms = min((start + us - now) // 1000, longest)
            if ms < 1 or self._by_pin:
                return now - start
            if port["light"]:
                self.nap(ms)
                await asyncio.sleep_ms(0)
            else:
                self.feed()
                await asyncio.sleep_ms(ms)
            now = self._clock.t_us()

    async def _deep(self, us, pins, leave):
        """Returns only where there is no deep sleep, or where it would be too short."""
        port = self._port
        if port["deep"] is None:
            self._tell("this port has no deep sleep")
            return
        if port["deep"] == "off" and self._wdt and not port["watchdog_sleeps"]:
            self._tell("this port's watchdog runs on in deep sleep: light sleep takes its place")
            return
        ms = int((min(us, LONGEST_US) - self._kept.get("lead_us", 0)) / (1000 + self._utc.known.get("ppm", 0) / 1000))
        if ms < LEAST_MS:
            return
        self.radio(False)
        asleep = self._kept["asleep"] = {"pins": [meaning for _, meaning in pins], "why": "deepsleep", "utc": None}
        if port["deep"] == "off":
            leave(self.state())
            self.keep()
            self.feed()
            machine.deepsleep(ms)
        await self._light(ms * 1000)
        if self._by_pin:
            asleep["why"] = pins[0][1]
            for number, meaning in pins:
                if machine.Pin(number, machine.Pin.IN).value():
                    asleep["why"] = meaning
        leave(self.state())
        asleep["utc"] = self._utc.now()
        self.keep()
        machine.reset()

    def _wake_on(self, numbers):
        """Let these pins end the next sleeps when they are high; (): none any more."""
        pins = [machine.Pin(number, machine.Pin.IN) for number in numbers]
        try:
            import esp32  # there an ordinary interrupt ends no sleep, and a level does
        except ImportError:
            for pin in self._waking:
                pin.irq(None)
            for pin in pins:
                pin.irq(self._rise, pin.IRQ_RISING)
        else:
            wake_on = getattr(esp32, "wake_on_ext1", None) or esp32.wake_on_gpio  # the chips differ in what they have
            if pins or self._waking:
                wake_on(pins, esp32.WAKEUP_ANY_HIGH)
        self._waking = pins
        if any([pin.value() for pin in pins]):  # it rose before anybody listened
            self._by_pin = True

    def _rise(self, _):
        self._by_pin = True

    def _tell(self, text):
        """Say it, once."""
        if text not in self._told:
            self._told.append(text)
            self._log(text)


def _row(platform):
    """-> the port's row of config.ports, which need not stay in RAM."""
    import config.ports

    row = config.ports.port(platform)
    del sys.modules["config.ports"]
    del config.ports
    return row


def _is(value, name):
    """Whether it is that constant of `machine`; a port need not have it."""
    return value == getattr(machine, name, None)
