"""The sampler between a scripted sensor and a real ring: every frame arrives once or is counted, with its cause and
place.
"""

import random

import micropython

import app.sampler as module
from app.clock import Clock
from app.ring import FIFO, NO_ANCHOR, BlockRing
from app.sampler import Sampler


class Sensor:
    """A FIFO of ``fifo_frames`` one-byte frames with consecutive numbers; on overflow the oldest are overwritten
    (contract: Driver).
    """

    rate_hz = 1000
    frame_bytes = 1
    lost_exact = True

    def __init__(self, fifo_frames=16):
        self.fifo_frames = fifo_frames
        self.made = 0
        self.read = 0
        self.lost = 0
        self.seen = 0
        self.overruns = 0
        self.broken = False
        self.stopped = False

    def make(self, n):
        self.made += n

    def start(self):
        if self.broken:
            raise OSError("no answer")
        self.made = self.read = self.lost = self.seen = 0

    def produced(self):
        return self.seen

    def available(self):
        if self.broken:
            raise OSError("I2C(0) address 0x6a register 0x3a: no answer")
        self.seen = self.made
        return min(self.made - self.read, self.fifo_frames)

    def readinto(self, buf):
        missing = self.made - self.read - self.fifo_frames
        if missing > 0:
            self.lost += missing
            self.overruns += 1
            self.read += missing
        n = min(len(buf), self.made - self.read)
        for i in range(n):
            buf[i] = (self.read + i) & 0xFF
        self.read += n
        return n

    def stop(self):
        self.stopped = True


def setup(fifo_frames=16, block=4, blocks=3):
    sensor = Sensor(fifo_frames)
    ring = BlockRing(block, blocks)
    return sensor, ring, Sampler(sensor, ring, Clock(), block)


def take(ring):
    """-> [(frames lost in front by cause, frame numbers)] of everything in the ring."""
    taken = []
    while ring.peek():
        block = ring.peek()
        taken.append((list(block.lost), list(block.view[: block.n_frames])))
        ring.release()
    return taken


def test_whole_blocks_only_until_it_is_told_otherwise():
    sensor, ring, sampler = setup()
    sensor.make(10)
    sampler.drain(4)
    assert [frames for _, frames in take(ring)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert sampler.drain(1) == 0
    assert [frames for _, frames in take(ring)] == [[8, 9]]


def test_anchor_counts_the_frames_that_still_wait():
    sensor, ring, sampler = setup()
    sensor.make(10)
    sampler.drain(4)
    assert ring.peek().ahead == 6
    ring.release()
    assert ring.peek().ahead == NO_ANCHOR  # one poll, one anchor


def test_full_ring_leaves_frames_in_the_chip_while_it_has_room():
    sensor, ring, sampler = setup(fifo_frames=16, block=4, blocks=1)
    sensor.make(8)
    sampler.drain(4)
    sampler.drain(4)
    assert ring.used() == 1 and sensor.available() == 4 and ring.dropped == 0


def test_full_ring_and_full_chip_drop_with_a_record():
    sensor, ring, sampler = setup(fifo_frames=16, block=4, blocks=1)
    sensor.make(16)
    sampler.drain(4)
    assert ring.dropped == 4 and ring.pending == [0, 4, 0]
    assert take(ring) == [([0, 0, 0], [0, 1, 2, 3])]
    sampler.drain(4)
    assert take(ring)[0] == ([0, 4, 0], [8, 9, 10, 11])


def test_overflow_in_the_chip_is_a_loss_in_front_of_the_next_frames():
    sensor, ring, sampler = setup(fifo_frames=8)
    sensor.make(11)
    sampler.drain(4)
    assert take(ring) == [([3, 0, 0], [3, 4, 5, 6]), ([0, 0, 0], [7, 8, 9, 10])]


def test_a_failing_bus_loses_nothing_that_the_chip_holds():
    sensor, ring, sampler = setup()
    sensor.make(8)
    sensor.broken = True
    sampler.try_drain(4)
    assert sampler.bus_errors == 1 and "0x6a" in sampler.last_error and not take(ring)
    sensor.broken = False
    sampler.try_drain(4)
    assert [frames for _, frames in take(ring)] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_an_overflow_during_a_bus_failure_is_blamed_on_the_bus():
    sensor, ring, sampler = setup(fifo_frames=8)
    sensor.broken = True
    sensor.make(10)
    sampler.try_drain(4)
    sensor.broken = False
    sampler.try_drain(4)
    assert take(ring)[0] == ([0, 0, 2], [2, 3, 4, 5])
    sensor.make(10)
    sampler.try_drain(4)
    assert take(ring)[0][0] == [2, 0, 0]


def test_a_block_in_front_of_a_loss_carries_no_anchor():
    class Waiting(Sensor):
        """Two frames, then 5 lost ones, then two more."""

        lost_ahead = 5

        def produced(self):
            return self.seen + self.lost_ahead

        def readinto(self, buf):
            if self.read == 2:
                self.lost += self.lost_ahead
                self.seen += self.lost_ahead
                self.lost_ahead = 0
            return Sensor.readinto(self, buf[:2])

    sensor = Waiting()
    ring = BlockRing(4, 3)
    sampler = Sampler(sensor, ring, Clock(), 4)
    sensor.make(4)
    sampler.drain(1)
    assert ring.peek().n_frames == 2 and ring.peek().ahead == NO_ANCHOR
    ring.release()
    assert ring.peek().n_frames == 2 and ring.peek().lost[FIFO] == 5


def test_frames_left_in_a_stopped_sensor_are_counted():
    sensor, ring, sampler = setup()
    sensor.make(7)
    sampler.try_drain(8)
    sampler.stop()
    assert sensor.stopped and ring.pending == [0, 7, 0] and sampler.produced() == 7


class Time:
    """Stands in for ticks_ms in the sampler while a test runs."""

    def __init__(self):
        self.now = 1000

    def __enter__(self):
        self._real = module.ticks_ms
        module.ticks_ms = lambda: self.now
        return self

    def __exit__(self, *args):
        module.ticks_ms = self._real


def test_a_sensor_that_vanished_is_started_again_and_its_absence_counted():
    with Time() as time:
        sensor, ring, sampler = setup(fifo_frames=16)
        sampler.start()
        sensor.make(10)
        sampler.try_drain(4)
        assert len(take(ring)) == 2
        sensor.broken = True
        for _ in range(50):
            time.now += 100
            sampler.try_drain(4)
            sampler.revive()
        assert sampler.restarts == 0 and sampler.bus_errors > 50
        sensor.broken = False
        time.now += 2001
        sampler.revive()
        assert sampler.restarts == 1 and not sampler.lost_exact()
        sensor.make(4)
        sampler.try_drain(4)
        # 2 frames were left in it, and 7.001 s at 1000 Hz passed
        assert take(ring) == [([0, 0, 7003], [0, 1, 2, 3])] and sampler.produced() == 10 + 7001 + 4


def test_a_sensor_that_lost_its_settings_is_started_again():
    with Time() as time:
        sensor, ring, sampler = setup(fifo_frames=16)
        sampler.start()
        sensor.make(9)
        sampler.try_drain(4)
        sensor.made = sensor.read  # a brown-out: its memory is empty, nothing comes any more
        for _ in range(30):
            time.now += 100
            sampler.try_drain(4)
            sampler.revive()
        assert sampler.restarts == 1 and sampler.bus_errors == 0
        take(ring)
        assert ring.pending == [0, 0, 1 + 2100] and sampler.produced() == 9 + 2100, (ring.pending, sampler.produced())


def test_every_frame_once_or_counted_under_random_pauses():
    random.seed(3)
    sensor, ring, sampler = setup(fifo_frames=16, block=4, blocks=3)
    number = 0
    for step in range(4000):
        sensor.make(random.getrandbits(3))
        sensor.broken = random.getrandbits(4) == 0
        sampler.try_drain(1 + random.getrandbits(2))
        if random.getrandbits(1):
            for lost, values in take(ring):
                number += sum(lost)
                assert values == [(number + i) & 0xFF for i in range(len(values))], step
                number += len(values)
    sensor.broken = False
    sampler.try_drain(1)
    sampler.stop()
    for lost, values in take(ring):
        number += sum(lost) + len(values)
    assert number + sum(ring.pending) == sensor.made
    assert ring.dropped > 0 and sensor.lost > 0


def test_no_heap():
    sensor, ring, sampler = setup()

    class Quiet(Sensor):
        def readinto(self, buf):
            self.read += 4
            return 4

    sampler.driver = sensor = Quiet()
    micropython.heap_lock()
    try:
        for _ in range(20):
            sensor.made += 8
            sampler.drain(4)
            while ring.peek():
                ring.release()
    finally:
        micropython.heap_unlock()
