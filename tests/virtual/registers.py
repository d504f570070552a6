"""A chip model in a test's hands: its clock, a source whose rows say their number, its interrupt pin."""

from array import array


class Now:
    """A clock that a test moves by hand."""

    def __init__(self):
        self.t = 1000000

    def now(self):
        return self.t


class Rows:
    """Row i is (i, i + 1, -i, 1000 + i, -1000 - i, i)."""

    def __init__(self):
        self.counts = array("h", bytes(12))

    def row(self, i):
        self.counts[0] = i
        self.counts[1] = i + 1
        self.counts[2] = -i
        self.counts[3] = 1000 + i
        self.counts[4] = -1000 - i
        self.counts[5] = i


class Pin:
    """The chip's interrupt output."""

    def __init__(self):
        self.level = None
        self.planned = -1

    def set(self, level):
        self.level = level

    def plan(self, t_us):
        self.planned = t_us

    def wait_for(self, chip, clock, level, most=1000):
        """Go from plan to plan until the pin has `level`."""
        for _ in range(most):
            if self.level == level:
                return
            assert self.planned > clock.t, (self.planned, clock.t)
            clock.t = self.planned
            chip.look()
        raise AssertionError("the pin never came")


def make(kind, **how):
    """-> clock, chip"""
    clock = Now()
    return clock, kind(clock, Rows(), **how)


def put(chip, register, *values):
    """Write registers in one transfer."""
    chip.write(register, bytes(values), 0, len(values))


def get(chip, register, n=1):
    """Read one register, or n in one transfer."""
    buf = bytearray(n)
    chip.read(register, buf, 0, n)
    return bytes(buf) if n > 1 else buf[0]
