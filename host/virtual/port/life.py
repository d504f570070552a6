"""What outlives the virtual board's process: the world's time, the RTC and its memory, the cause of the last reset, and
counters of what the board has done since the world began.

Deep sleep and resets end the process; they leave a file of JSON (path in the world's `life`) from which the next one
goes on. Sensors keep their supply and their state over both, but not over a loss of power. Counters are kept in whole
microseconds, bytes and pieces, and written with the names that the planner's forecast uses.
"""

import json

PIECES = (
    "wakeups", "boots", "naps", "flash_programs", "flash_program_bytes", "flash_erases", "flash_reads", "sent_bytes",
)  # fmt: skip
SECONDS = ("awake_s", "light_s", "deep_s", "off_s", "radio_s")


class Life:
    """`before_us`: age of the world when this process began; `rtc_us`: the RTC then, None as long as nobody knows;
    `cause`, `wake`: of the reset, None and 0 after power-on; `memory`: the RTC's; `chips`: {place: state} of the
    sensors then; `counters`: by name, us and pieces. It is the sensors' clock: `now()` goes on over sleep and resets.
    """

    def __init__(self, host, path, clock):
        self._host = host
        self._path = path
        self._clock = clock
        self.before_us = 0
        self.rtc_us = self.cause = None
        self.wake = 0
        self.memory = b""
        self.chips = {}
        self.counters = {name: 0 for name in PIECES + SECONDS}
        self.operations = 0  # of the flash, in earlier processes
        self.slept_us = 0  # of this process' time, in light sleep
        self._deep_since = None  # deep sleep, with which it ends
        self._radios = {}  # which are on, since when
        self._load()
        self.counters["boots"] += 1
        if self.wake:
            self.counters["wakeups"] += 1

    def _load(self):
        try:
            with self._host.open(self._path, "r") as file:
                kept = json.load(file)
        except (OSError, TypeError):
            return  # a new world, or nobody keeps one
        self.before_us = kept["t_us"]
        self.rtc_us = kept["rtc_us"]
        self.cause = kept["cause"]
        self.wake = kept["wake"]
        self.memory = bytes.fromhex(kept["memory"])
        self.chips = kept["chips"]
        self.operations = kept["operations"]
        self.counters.update(kept["us_and_pieces"])

    def now(self):
        """Age of the world in us."""
        return self.before_us + self._clock.now()

    def radio(self, name, is_on):
        """A radio is switched; while any is on its time counts."""
        if is_on and name not in self._radios:
            self._radios[name] = self._clock.now()
        elif not is_on and name in self._radios:
            since = self._radios.pop(name)
            self.counters["radio_s"] += self._clock.now() - since

    def fall_asleep(self):
        """From now on it is in deep sleep, and radios are off."""
        self._deep_since = self._clock.now()
        for name in list(self._radios):
            self.radio(name, False)

    def deep_us(self):
        """How long it has been in deep sleep."""
        return 0 if self._deep_since is None else self._clock.now() - self._deep_since

    def save(self, board, *, cause=None, off_us=0, wake=0):
        """The process ends; the next one, if any, begins after `off_us` without power, and finds that `cause` of its
        reset (None: power-on).
        """
        if self._path is None:
            return
        for name in list(self._radios):
            self.radio(name, False)
        now = self._clock.now()
        counters = self.counters
        counters["awake_s"] += now - self.slept_us - self.deep_us()
        counters["light_s"] += self.slept_us
        counters["deep_s"] += self.deep_us()
        counters["off_s"] += off_us
        flash = board.flash
        operations = self.operations
        if flash:
            operations += flash.operations
            counters["flash_programs"] += flash.programs
            counters["flash_program_bytes"] += flash.programmed_bytes
            counters["flash_erases"] += flash.erases
            counters["flash_reads"] += flash.reads
        keeps_rtc = cause is not None or board.world.get("rtc_battery", False)
        kept = {
            "t_us": self.before_us + now + off_us,
            "rtc_us": board.rtc_then(off_us) if keeps_rtc else 0,
            "cause": cause,
            "wake": wake,
            "memory": self.memory.hex() if cause is not None else "",
            "chips": board.chips_state() if cause is not None else {},
            "operations": operations,
            "us_and_pieces": counters,
            "counters": _shown(counters),
        }
        with self._host.open(self._path, "w") as file:
            json.dump(kept, file)


def _shown(counters):
    """Times in seconds."""
    shown = {name: counters[name] for name in PIECES}
    for name in SECONDS:
        shown[name] = counters[name] / 1000000
    return shown
