"""machine.lightsleep, machine.deepsleep, machine.WDT and resets, as the world's `port` has them (docs/sleep.md).

esp32: light sleep takes the radio's connection and stops the watchdog, and only pins given to `esp32.wake_on_ext1` end
a sleep early. rp2: any pin interrupt ends light sleep, deep sleep is light sleep and a reset. stm32: as rp2, and the
tick counter stands still in light sleep; only its timer ends deep sleep. Sensors and whatever else the world does go on
meanwhile; the process ends when the sleep does.
"""

import pins
from clock import NEVER, Event
from hardware import DEEP_SLEEP, POWER_CUT, RESET, board

PWRON_RESET = 1  # the values are the ESP32 port's, and the same on the others as far as they have them
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
EXT1_WAKE = 3
TIMER_WAKE = 4
_RP2_LONGEST_MS = 4294967  # ports/rp2/modmachine.c: (1 << 32) / 1000

wake_pins = {}  # pin number: level that wakes (esp32)


class PowerCuts(Event):
    """The world's `power_cuts`: [[at, how long]] in seconds of the world, in order; the power comes back by itself."""

    asleep = True

    def __init__(self):
        super().__init__()
        now = board.life.now()
        self.off_us = 0
        for at_s, off_s in board.world.get("power_cuts", ()):
            if at_s * 1000000 > now:
                self.due = int(at_s * 1000000) - board.life.before_us
                self.off_us = int(off_s * 1000000)
                break
        board.clock.add(self)

    def fire(self):
        board.end(POWER_CUT, "power cut", off_us=self.off_us, again=True)


class Watchdog(Event):
    """As machine.WDT(id=0, timeout=5000), in ms; it cannot be stopped, only fed."""

    def __init__(self, id=0, timeout=5000):
        super().__init__()
        self._timeout_us = timeout * 1000
        board.clock.add(self)
        _watchdogs.append(self)
        self.feed()

    def feed(self):
        """Not yet."""
        self.due = board.clock.now() + self._timeout_us

    def fire(self):
        board.end(RESET, "watchdog", cause=WDT_RESET, again=board.world.get("reboots", False))


_cuts = PowerCuts()
_watchdogs = []


def reset_cause():
    """Of the last reset; what the world's `reset_cause` says where this process is the world's first."""
    return board.life.cause or board.world.get("reset_cause", PWRON_RESET)


def wake_reason():
    """What ended deep sleep: TIMER_WAKE, EXT1_WAKE; 0: it did not sleep (esp32)."""
    return board.life.wake


def reset():
    """End the process; the launcher sees a reset, and starts it again when the world has `reboots`."""
    cause = WDT_RESET if board.port == "rp2" else HARD_RESET
    board.end(RESET, "reset", cause=cause, again=board.world.get("reboots", False))


def lightsleep(ms=None):
    """Sleep `ms` milliseconds by the RTC's clock, or until a pin wakes; RAM and peripherals stay."""
    if board.port == "rp2" and ms is not None and ms >= _RP2_LONGEST_MS:
        raise ValueError("sleep too long")
    clock = board.clock
    start = clock.now()
    end = NEVER if ms is None else start + board.by_rtc(ms * 1000)
    stopped = []
    if board.port == "esp32":
        _drop_radio()
        stopped = [(dog, dog.due) for dog in _watchdogs]
    for dog, _ in stopped:
        dog.due = NEVER
    edges = pins.interrupts
    while not _woken(edges) and clock.step(end):
        pass
    board.life.wake = TIMER_WAKE if clock.now() >= end else EXT1_WAKE
    board.life.counters["naps"] += 1
    slept = clock.now() - start
    board.life.slept_us += slept
    for dog, due in stopped:
        dog.due = due + slept
    if board.port == "stm32":
        clock.still_us += slept


def _woken(edges):
    if board.port != "esp32":
        return pins.interrupts != edges
    return any(pins.line(number).level == level for number, level in wake_pins.items())


def _drop_radio():
    import network

    network.WLAN().active(False)


def deepsleep(ms=None):
    """Switch off but for the RTC; a reset follows after `ms` milliseconds by the RTC's clock, or when a pin wakes."""
    if board.port == "rp2":
        lightsleep(ms)
        reset()
    clock = board.clock
    end = NEVER if ms is None else clock.now() + board.by_rtc(ms * 1000)
    for part in (board.life, clock, pins):
        part.fall_asleep()
    wake = None
    while wake is None:
        if board.port == "esp32" and _woken(0):
            wake = EXT1_WAKE
        elif end == NEVER and clock.next_due() == NEVER:
            board.end(DEEP_SLEEP, "deep sleep for ever")
        elif not clock.step(end):
            wake = TIMER_WAKE
    board.end(DEEP_SLEEP, "deep sleep", cause=DEEPSLEEP_RESET, wake=wake, again=True)
