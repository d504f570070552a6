"""From fill levels to anchors: right frame, right time, one per drain; and polls that meet their frame."""

import micropython

from app.anchors import Anchors
from app.clock import Clock
from app.edge import Edge
from app.ring import NO_ANCHOR
from app.seek import Seek
from app.timebase import MASK

PERIOD_US = 10000


class Pin:
    IRQ_RISING = 1

    def irq(self, handler, trigger, hard=False):
        self.rise = handler


class Bench:
    """A 100 Hz sensor: frame k is there from (k + 1) * 10 ms on. The clock wraps after 20 s."""

    held = 0

    def __init__(self, watermark=0):
        self.now = self.start = MASK - 20000000
        self.clock = Clock(lambda: self.now & MASK)
        self.pin = Pin()
        edge = Edge(self.pin, watermark, lambda: self.now & MASK) if watermark else None
        self.anchors = Anchors(self.clock, 100, edge)
        self.read = 0

    def made(self):
        return (self.now - self.start) // PERIOD_US

    def late_us(self):
        """-> how late the anchor is that stands in `anchors`, by the truth."""
        anchors = self.anchors
        frame = self.read - 1 + anchors.ahead
        return (anchors.hi << 30 | anchors.lo) - self.start - (frame + 1) * PERIOD_US

    def drain(self, got, lost=0):
        waiting = self.made() - self.read - lost
        self.anchors.look(waiting)
        self.read += got + lost
        self.anchors.place(lost, got, waiting - got)

    def rest(self):
        self.anchors.rest(self, self.made() - self.read)

    def rise_at(self, frames, late_us):
        self.now = self.start + frames * PERIOD_US + late_us
        self.pin.rise(self.pin)


def test_one_anchor_per_drain_names_the_newest_frame():
    bench = Bench()
    bench.now += 20 * PERIOD_US + 1234
    bench.drain(8)
    assert bench.anchors.ahead == 12 and bench.late_us() == 1234
    bench.anchors.place(0, 8, 4)
    assert bench.anchors.ahead == NO_ANCHOR


def test_losses_move_the_frame_number():
    bench = Bench()
    bench.now += 20 * PERIOD_US + 5
    bench.drain(8, lost=7)
    assert bench.late_us() == 5 and bench.anchors.newest == 19


def test_a_block_whose_place_nobody_knows_has_no_anchor():
    bench = Bench()
    bench.now += 20 * PERIOD_US
    bench.anchors.look(20)
    bench.anchors.place(0, 8, -1)
    assert bench.anchors.ahead == NO_ANCHOR


def test_a_look_without_a_block_teaches_the_time_base():
    bench = Bench()
    bench.now += 5 * PERIOD_US
    bench.anchors.look(5)
    bench.rest()
    assert bench.anchors.newest == 4
    bench.now += 2000000
    bench.drain(16)
    assert bench.anchors.timebase.is_known


def train(bench, blocks=150):
    """Drains of 16 frames, right behind the frame, over a wrap of the clock."""
    for _ in range(blocks):
        bench.now = bench.start + (bench.read + 16) * PERIOD_US + 7
        bench.drain(16)
        bench.rest()


def test_the_interrupts_time_is_taken_when_it_is_tighter():
    bench = Bench(watermark=16)
    train(bench)
    bench.rise_at(bench.read + 16, 40)
    bench.now += 3 * PERIOD_US + 5000
    bench.drain(16)
    assert bench.anchors.ahead == 0 and bench.late_us() == 40
    assert bench.anchors.hi == 1  # the clock wrapped


def test_an_interrupt_just_before_the_clock_wraps():
    bench = Bench(watermark=16)
    bench.start = bench.now = MASK - 16 * PERIOD_US - 60
    bench.clock.tick()
    bench.clock.hi = 0
    bench.rest()
    bench.rise_at(16, 40)
    bench.now += 5000
    bench.drain(16)
    assert bench.clock.hi == 1 and bench.anchors.hi == 0 and bench.late_us() == 40


def test_frames_that_the_driver_holds_count_for_the_interrupt():
    """The driver took 18 frames from the chip and gave 16: the pin rises when 16 more than the 2 wait."""
    bench = Bench(watermark=16)
    bench.held = 2
    train(bench)
    bench.rise_at(bench.read + 18, 40)
    bench.now += 5000
    bench.drain(16)
    assert bench.anchors.ahead == 2 and bench.late_us() == 40


def test_a_late_interrupt_leaves_it_to_the_poll():
    bench = Bench(watermark=16)
    train(bench)
    bench.rise_at(bench.read + 16, 29000)
    bench.now = bench.start + (bench.read + 20) * PERIOD_US + 300
    bench.drain(16)
    assert bench.anchors.ahead == 4 and bench.late_us() == 300


def test_an_interrupt_in_front_of_a_loss_is_not_believed():
    bench = Bench(watermark=16)
    train(bench)
    bench.rise_at(bench.read + 16, 40)
    bench.now += 5000
    bench.anchors.look(16)
    bench.anchors.place(3, 16, 0)
    assert bench.anchors.hi << 30 | bench.anchors.lo == bench.now


def test_after_a_restart_frames_are_counted_on():
    bench = Bench()
    train(bench)
    bench.anchors.skip(100)
    assert not bench.anchors.timebase.is_known
    bench.read += 100
    train(bench, 3)
    assert bench.late_us() == 7 and bench.anchors.timebase.is_known


def test_a_drain_with_an_interrupt_allocates_nothing():
    bench = Bench(watermark=16)
    train(bench)
    anchors = bench.anchors
    bench.rise_at(bench.read + 16, 40)
    bench.now += 5000
    now = bench.now & MASK
    bench.clock = anchors._clock = Clock(lambda: now)  # the bench's own time is no small integer
    micropython.heap_lock()
    try:
        anchors.look(16)
        anchors.place(0, 16, 0)
        anchors.rest(bench, 0)
    finally:
        micropython.heap_unlock()


def test_polls_come_to_meet_their_frames():
    bench = Bench()

    def sleep_us(us):
        bench.now += us

    seek = Seek(bench.anchors, 16, 100, sleep_us)
    bench.now += 16 * PERIOD_US + 6000
    late = []
    for _ in range(200):
        if bench.made() - bench.read < 16:  # too early: no block
            bench.anchors.look(bench.made() - bench.read)
        else:
            bench.drain(16)
            late.append(bench.late_us())
        bench.rest()
        bench.now += 900  # the drain itself
        bench.now += seek.pause_ms(160) * 1000 + 700
        seek.meet()
    assert late[0] == 6000
    assert min(late[20:]) < 50 and sorted(late[20:])[60] < 600, sorted(late[20:])


def test_it_waits_for_the_microsecond():
    bench = Bench()
    train(bench)

    def sleep_us(us):
        bench.now += us

    seek = Seek(bench.anchors, 16, 100, sleep_us)
    bench.now += 2345
    pause_ms = seek.pause_ms(160)
    assert pause_ms == 157
    bench.now += pause_ms * 1000 - 800
    seek.meet()
    assert abs(bench.now - bench.start - (bench.read + 16) * PERIOD_US - 7) < 5


def test_fast_sensors_are_polled_as_usual():
    bench = Bench()
    train(bench)
    bench.now += 3000
    assert Seek(bench.anchors, 16, 1000).pause_ms(160) == 160
