"""The guard's limits, second by second, with a clock and streams of straw."""

from app import guard


class Time:
    now = 0

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, a, b):
        return a - b


class Stream:
    """A sampler, a recorder and their counts in one."""

    def __init__(self, block_s=1):
        self.made = self.written = self.bus_errors = self.errors = 0
        self.sampler = self.recorder = self
        self._block_s = block_s

    def produced(self):
        return self.made

    def frames(self):
        return self.written

    def ring_block_s(self):
        return self._block_s


STOPS = {"errors": 10, "silent_s": 15, "stuck_s": 30}


def watch(stop, *streams, seconds=100, must_write=True, stops=STOPS):
    """`stop(second)` is called each second. -> (what the guard said, when)"""
    clock = guard.time = Time()
    watched = guard.Guard(stops, streams)
    for second in range(1, seconds):
        clock.now = 1000 * second
        stop(second)
        why = watched.check(must_write)
        if why:
            return why, second
    return None


def test_silent_and_stuck_after_their_seconds():
    def until(made, written):
        def step(now):
            stream.made += now <= made
            stream.written += now <= written

        return step

    stream = Stream()
    assert watch(until(200, 200), stream) is None
    stream = Stream()
    assert watch(until(5, 5), stream) == ("silent", 20)
    stream = Stream()
    assert watch(until(200, 5), stream) == ("stuck", 35)
    stream = Stream()
    assert watch(until(200, 5), stream, must_write=False) is None
    stream = Stream()
    assert watch(until(5, 5), stream, stops={"errors": None, "silent_s": None, "stuck_s": None}) is None


def test_three_blocks_may_take_longer():
    stream = Stream(block_s=12)

    def step(now):
        stream.made = stream.written = now // 12

    assert watch(step, stream) is None
    slow = Stream(block_s=12)
    assert watch(lambda now: None, slow) == ("silent", 36)


def test_any_stream_that_goes_on_is_enough():
    dead, alive = Stream(), Stream()

    def step(now):
        alive.made += 1
        alive.written += 1

    assert watch(step, dead, alive) is None


def test_errors_count_from_the_last_write_on():
    stream = Stream()

    def step(now):
        stream.made += 1
        stream.bus_errors += 1
        stream.written = now // 5

    assert watch(step, stream) is None

    def fails(now):
        stream.made += 1
        stream.errors += 1

    stream = Stream()
    assert watch(fails, stream) == ("errors", 10)
