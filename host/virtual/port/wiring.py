"""Builds what the world file wires to the board: chips on the buses, microphones on the I2S ports, the flash."""

import buses
import i2s
from chips import kept, mic, source
from clock import NEVER, Event
from flash import Flash
from hardware import POWER_CUT, board
from pins import drive, line


class Interrupt(Event):
    """The wire from a chip's interrupt output to pin `number`. Chips live by the world's time."""

    asleep = True

    def __init__(self, number):
        super().__init__()
        self._number = number
        self.chip = None
        line(number)
        board.clock.add(self)

    def set(self, level):
        """The chip drives its output."""
        drive(self._number, level)

    def plan(self, t_us):
        """The chip wants to look again at `t_us`; -1 = not any more."""
        self.due = NEVER if t_us < 0 else t_us - board.life.before_us

    def fire(self):
        self.chip.look()


def _file(path):
    try:
        return board.host.open(path, "rb")
    except OSError as error:
        raise ValueError(f"world: cannot read {path} ({error})") from None


def _motion(spec):
    made = source.NpyRows(_file(spec["file"]), spec["file"]) if "file" in spec else source.Motion(spec.get("seed", 1))
    made.rate_hz = spec.get("rate_hz")
    return made


_CHIPS = {  # module: class
    "bmi160": "BMI160",
    "bmi270": "BMI270",
    "icm42688": "ICM42688",
    "ism330dhcx": "ISM330DHCX",
    "lis2dh12": "LIS2DH12",
    "lis3dh": "LIS3DH",
    "lsm6ds3trc": "LSM6DS3TRC",
    "lsm6dso32": "LSM6DSO32",
    "lsm6dsox": "LSM6DSOX",
    "mpu6050": "MPU6050",
    "mpu6886": "MPU6886",
}


def _chip(spec):
    if spec["chip"] not in _CHIPS:
        raise ValueError(f"world: chip {spec['chip']}: there are models of {', '.join(sorted(_CHIPS))}")
    pin = spec.get("int_pin")
    int1 = None if pin is None else Interrupt(pin)
    more = {key: spec[key] for key in ("motion",) if key in spec}
    model = __import__("chips." + spec["chip"], None, None, (spec["chip"],))  # the others would only take up heap
    chip = getattr(model, _CHIPS[spec["chip"]])(
        board.life,
        _motion(spec["source"]),
        address=spec.get("address"),
        cs=spec.get("cs"),
        rate_ratio=spec.get("rate_ratio", 1.0213),
        faults=spec.get("faults"),
        int1=int1,
        **more,
    )
    if int1:
        int1.chip = chip
    return chip


def _microphone(spec):
    sound = mic.Wav(_file(spec["source"]["file"]), spec["source"]["file"]) if "file" in spec["source"] else mic.Tone()
    keys = ("shift", "noise_bits", "rate_ratio", "loses", "dma_frames")
    how = {key: spec[key] for key in keys if key in spec}
    return mic.Microphone(sound, **how)


class Signal(Event):
    """What the world does to a pin from outside: `levels`, [[seconds of the world, level], ...], in order of time."""

    asleep = True

    def __init__(self, number, levels):
        super().__init__()
        self.line = line(number)
        self._number = number
        self._levels = levels
        self._next = 0
        before = board.life.before_us
        while self._next < len(levels) and levels[self._next][0] * 1000000 <= before:
            self.line.level = levels[self._next][1]
            self._next += 1
        board.clock.add(self)
        self._plan()

    def _plan(self):
        self.due = NEVER
        if self._next < len(self._levels):
            self.due = int(self._levels[self._next][0] * 1000000) - board.life.before_us

    def fire(self):
        drive(self._number, self._levels[self._next][1])
        self._next += 1
        self._plan()


def connect():
    """Wire everything. A bus that the world does not name exists all the same, and is empty."""
    world = board.world
    for number, levels in world.get("pins", {}).items():
        Signal(int(number), levels)
    chips = {}
    by_place = {}
    for kind in ("i2c", "spi"):
        chips[kind] = {number: [] for number in range(3)}
        for number, specs in world.get(kind, {}).items():
            chips[kind][int(number)] = made = [_chip(spec) for spec in specs]
            for i in range(len(made)):
                by_place["%s %s %d" % (kind, number, i)] = made[i]
    buses.wire(board.clock, chips["i2c"], chips["spi"])
    for place, state in board.life.chips.items():
        kept.restore(by_place[place], state)
        by_place[place].look()
    board.life.chips = {}
    board.chips_state = lambda: {place: kept.state_of(chip) for place, chip in by_place.items()}
    i2s.wire({int(number): _microphone(spec) for number, spec in world.get("i2s", {}).items()})


def flash():
    """The world's flash, and whether its image is brand-new (of size 0, or absent)."""
    spec = board.world["flash"]
    block_size = spec.get("block_size", 4096)
    try:
        new = board.host.stat(spec["image"])[6] == 0
    except OSError:
        new = True
    file = board.host.open(spec["image"], "w+b" if new else "r+b")
    device = Flash(file, spec["size_kb"] * 1024 // block_size, block_size)
    device.erase_us = spec.get("erase_us", 0)
    device.program_us = spec.get("program_us", 0)
    device.stall = board.clock.stall
    if spec.get("cut_at") is not None:
        device.cut_at = spec["cut_at"] - board.life.operations
    device.torn = spec.get("torn", False)
    device.on_cut = _power_cut
    return device, new


def _power_cut():
    board.end(POWER_CUT, "power cut")
