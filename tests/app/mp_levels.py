"""The trigger's sums in viper and in plain Python agree, and judging a block allocates nothing."""

import random
import struct

import micropython

from app import levels_plain
from mptest import SkipTest


def block(values):
    return memoryview(bytearray(struct.pack("<%dh" % len(values), *values)))


def test_machine_code_and_plain_python_agree():
    try:
        from app import levels_viper
    except (ImportError, SyntaxError, ValueError, NotImplementedError):
        raise SkipTest("this MicroPython has no machine-code emitter") from None
    random.seed(6)
    edges = (-32768, -32767, -1, 0, 1, 32766, 32767)
    for _ in range(200):
        stride = random.randrange(1, 7)
        n = random.randrange(1, 40)
        pick = random.randrange(3)
        values = [random.choice(edges) if pick == 0 else random.randrange(-32768, 32768) for _ in range(n * stride)]
        view = block(values)
        start = random.randrange(stride)
        mean = random.choice(edges)
        mine = values[start::stride]
        for levels in (levels_plain, levels_viper):
            assert levels.total(view, start, stride, n) == sum(mine)
            assert levels.peak(view, start, stride, n, mean) == max([abs(value - mean) for value in mine])
            wanted = sum([((value - mean) >> 8) ** 2 for value in mine])
            assert levels.power(view, start, stride, n, mean, 8) == wanted


class Stream:
    """As much of app.stream.Stream as a gate asks for; nothing is ever recorded."""

    name = "imu"

    def __init__(self, values):
        self.info = self.driver = self.ring = self.recorder = self
        self.channels = ("ax", "ay", "az")
        self.units = ("g",) * 3
        self.scale = (0.122e-3,) * 3
        self.rate_hz = 104
        self.view = block(values)
        self.n_frames = len(values) // 3
        self.waiting = 0

    def blocks_before(self, pre_s):
        return 2

    def used(self):
        return self.waiting

    def at(self, i):
        return self

    def skip(self):
        self.waiting -= 1
        return True


def test_judging_quiet_blocks_allocates_nothing():
    from app.trigger import Gate

    for kind in ("level", "rms"):
        stream = Stream([10, -20, 8192] * 32)
        trigger = {"stream": "imu", "kind": kind, "threshold": 1, "pre_s": 1, "hold_s": 1, "random_share": 0}
        gate = Gate(trigger, [stream])
        stream.waiting = 1
        gate.step(stream)  # the means begin here
        micropython.heap_lock()
        try:
            for _ in range(50):
                stream.waiting += 1
                while gate.step(stream):
                    pass
        finally:
            micropython.heap_unlock()
        assert stream.waiting == 2 and not gate.events
