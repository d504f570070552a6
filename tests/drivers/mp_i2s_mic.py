"""The I2S microphone driver against a fake machine.I2S: every frame once; losses seen, counted and placed; no heap."""

import io
import random
import struct

import micropython

from drivers.i2s_mic import I2SMic, open_i2s

POLL = 3
WRAP = 1 << 30


class FakeI2S(io.IOBase):
    """Receives 32-bit mono on the test's clock. Sample n is n * 65536 modulo 2**32 (so that int16 says which it is)."""

    def __init__(self, rate=16000.0, ibuf=40000, block=1, drops_newest=False, start_us=0):
        self.rate = rate
        self.capacity = ibuf // 8
        self.block = block
        self.drops_newest = drops_newest
        self.start_us = self.now_us = start_us
        self.seen = 0  # frames that came so far, in whole DMA blocks
        self.runs = [[0, 0]]  # [first frame, frames] in the buffer
        self.asyncio_mode = False
        self.open = True
        self.fill = True

    def ticks_us(self):
        return self.now_us & (WRAP - 1)

    def made(self):
        return int((self.now_us - self.start_us) * self.rate / 1e6)

    def ioctl(self, request, arg):
        if request != POLL:
            return -22  # EINVAL
        self.asyncio_mode = True
        return 0

    def deinit(self):
        self.open = False

    def waiting(self):
        n = 0
        for run in self.runs:
            n += run[1]
        return n

    def receive(self):
        made = self.made() // self.block * self.block
        new = made - self.seen
        if not new:
            return
        if self.drops_newest:
            new = min(new, self.capacity - self.waiting())
        if new:
            last = self.runs[-1]
            if last[0] + last[1] == self.seen:
                last[1] += new
            else:
                self.runs.append([self.seen, new])
        self.seen = made
        surplus = self.waiting() - self.capacity
        while surplus > 0:
            n = min(surplus, self.runs[0][1])
            self.runs[0][0] += n
            self.runs[0][1] -= n
            surplus -= n
            if not self.runs[0][1] and len(self.runs) > 1:
                self.runs.pop(0)

    def readinto(self, buf):
        assert self.open and self.asyncio_mode and len(buf) % 4 == 0
        self.receive()
        at = 0
        while at < len(buf):
            run = self.runs[0]
            if not run[1]:
                if len(self.runs) == 1:
                    break
                self.runs.pop(0)
                continue
            if self.fill:
                struct.pack_into("<I", buf, at, run[0] % 65536 * 65536)
            run[0] += 1
            run[1] -= 1
            at += 4
        return at or None


class Reader:
    """Checks what a driver gives against the numbers of the samples."""

    def __init__(self, driver):
        self.driver = driver
        self.buffer = bytearray(2 * 2000)
        self.next = 0  # number of the frame that must come next
        self.got = 0
        self.lost = 0
        self.gaps = []  # (frame number, lost as counted, lost in truth)

    def read(self, room):
        n = self.driver.readinto(memoryview(self.buffer)[: 2 * room + room % 2])
        for i in range(n):
            number = struct.unpack_from("<H", self.buffer, 2 * i)[0]
            if i == 0 and self.driver.lost != self.lost:
                truth = (number - self.next) % 65536
                self.gaps.append((self.next, self.driver.lost - self.lost, truth))
                self.lost = self.driver.lost
                self.next += truth
            assert number == self.next % 65536, (i, n, number, self.next, self.gaps[-3:])
            self.next += 1
        self.got += n
        return n

    def balance(self):
        assert self.got + self.lost == self.driver.produced(), (self.got, self.lost, self.driver.produced())


def start(**settings):
    i2s = FakeI2S(**settings)
    driver = I2SMic(
        i2s, rate_hz=16000, ibuf_bytes=8 * i2s.capacity, ticks_us=i2s.ticks_us, drops_newest=i2s.drops_newest
    )
    driver.start()
    return i2s, driver, Reader(driver)


def run(i2s, reader, seconds, longest_us=200000):
    end = i2s.now_us + int(seconds * 1e6)
    while i2s.now_us < end:
        i2s.now_us += random.randrange(1000, longest_us)
        waiting = reader.driver.available()
        taken = 0
        while taken < waiting:
            n = reader.read(random.choice((1, 100, 1024, 2000)))
            if not n:
                break
            taken += n


PORTS = ({"block": 1}, {"block": 16, "drops_newest": True}, {"block": 256})


def test_every_frame_once():
    random.seed(1)
    for port in PORTS:
        for rate in (15900.0, 16000.0, 16070.0):
            i2s, driver, reader = start(rate=rate, **port)
            run(i2s, reader, 6)
            assert reader.gaps == [] and driver.lost_exact and driver.overruns == 0
            assert i2s.made() - reader.got < 2 * i2s.block + 1024
            driver.available()
            while reader.read(2000):
                pass
            reader.balance()


def test_a_stall_is_counted_and_placed():
    random.seed(2)
    for port in PORTS:
        for rate in (15990.0, 16010.0):
            i2s, driver, reader = start(rate=rate, **port)
            run(i2s, reader, 40, 300000)
            for stall in range(5):
                i2s.now_us += random.randrange(350000, 2000000)
                if stall % 2:
                    driver.available()
                    i2s.now_us += random.randrange(500000)
                run(i2s, reader, 2)
            assert driver.overruns == len(reader.gaps) >= 5 and not driver.lost_exact, (driver.overruns, reader.gaps)
            for _, counted, truth in reader.gaps:
                assert abs(counted - truth) <= 2 * i2s.block + 30, (port, rate, reader.gaps)
            reader.balance()


def test_a_buffer_smaller_than_declared_is_noticed():
    random.seed(3)
    i2s = FakeI2S()
    i2s.capacity = 4000
    driver = I2SMic(i2s, rate_hz=16000, ibuf_bytes=40000, ticks_us=i2s.ticks_us, drops_newest=False)
    driver.start()
    reader = Reader(driver)
    run(i2s, reader, 3)
    i2s.now_us += 1000000
    while driver.available() and driver.readinto(reader.buffer):
        pass
    i2s.now_us += 50000
    assert driver.available() > 0 and driver.readinto(reader.buffer) > 0
    made = i2s.made()
    assert abs(driver.produced() - made) <= 40 and driver.lost >= 12000 - 40 and not driver.lost_exact


def test_a_slow_consumer_keeps_losing_and_the_sum_is_right():
    random.seed(4)
    i2s, driver, reader = start()
    run(i2s, reader, 3)
    got = reader.got
    for _ in range(100):  # 1000 frames in 100 ms are too few
        i2s.now_us += 100000
        driver.available()
        got += driver.readinto(memoryview(reader.buffer)[:2000])
    while True:
        driver.available()
        n = driver.readinto(reader.buffer)
        if not n:
            break
        got += n
    assert driver.lost > 40000 and abs(got + driver.lost - i2s.made()) < 50
    assert got + driver.lost == driver.produced()


def test_ticks_that_wrap():
    random.seed(5)
    i2s, driver, reader = start(start_us=WRAP - 1500000)
    run(i2s, reader, 3)
    assert i2s.now_us > WRAP and reader.gaps == []
    reader.balance()


def test_shift_and_clipping():
    i2s = FakeI2S()
    values = (0, 1 << 20, -1 << 20, 0x7FFFFFFF, -0x80000000, -1)

    def readinto(buf):
        n = min(len(buf) // 4, len(values))
        struct.pack_into("<6i", buf, 0, *values)
        i2s.readinto = lambda buf: 0
        return 4 * n

    for shift, clipped in ((16, 0), (8, 2), (0, 4)):
        driver = I2SMic(i2s, shift=shift, ibuf_bytes=40000, ticks_us=i2s.ticks_us)
        driver.start()
        i2s.readinto = readinto
        buffer = bytearray(40)
        assert driver.available() == 6 and driver.readinto(buffer) == 6
        assert struct.unpack_from("<6h", buffer) == tuple(min(32767, max(-32768, v >> shift)) for v in values)
        assert driver.clips[0] == clipped
        del i2s.readinto
    assert (driver.channels, driver.units, driver.frame_bytes, driver.fifo_frames) == (("mono",), ("1",), 2, 5000)
    assert driver.scale == (1 / 32768,)


def test_a_part_sets_shift_and_leaves_out_its_start_up():
    for part, shift, skipped in (("inmp441", 14, 4096), ("ics43434", 13, 326), ("sph0645", 13, 800), (None, 16, 0)):
        i2s = FakeI2S()
        driver = I2SMic(i2s, part=part, ibuf_bytes=40000, ticks_us=i2s.ticks_us)
        buffer = bytearray(4000)
        for _ in range(2):  # every start anew
            i2s.start_us = i2s.now_us
            i2s.seen = 0
            i2s.runs = [[0, 0]]
            driver.start()
            made = 0
            while made < skipped:
                i2s.now_us += 12345
                made = i2s.made()
                waiting = driver.available()
                assert driver.produced() == waiting == max(0, made - skipped), (part, made, waiting)
            i2s.now_us += 50000
            driver.available()
            n = driver.readinto(buffer)
            first = min(32767, max(-32768, ((skipped + 32768) % 65536 - 32768) * 65536 >> shift))
            assert n and struct.unpack("<h", buffer[:2])[0] == first, (part, n)
            assert (driver.lost, driver.lost_exact) == (0, True)
    assert I2SMic(FakeI2S(), part="inmp441", shift=11)._shift == 11


def test_a_stall_in_the_start_up_costs_nothing():
    for drops_newest in (False, True):
        i2s = FakeI2S(ibuf=16000, drops_newest=drops_newest)
        driver = I2SMic(i2s, part="inmp441", ibuf_bytes=16000, ticks_us=i2s.ticks_us, drops_newest=drops_newest)
        driver.start()
        i2s.now_us += 230000  # 3680 frames came, 2000 of them are there
        driver.available()
        i2s.now_us += 100000  # now 5280
        driver.available()
        n = 0
        while True:
            k = driver.readinto(bytearray(2000))
            if not k:
                break
            n += k
        assert n == driver.produced() == 5280 - 4096 and driver.lost == driver.overruns == 0, (n, driver.lost)


def test_start_discards_what_was_there_before():
    i2s = FakeI2S()
    driver = I2SMic(i2s, ibuf_bytes=40000, ticks_us=i2s.ticks_us)
    i2s.now_us += 900000
    driver.start()
    assert driver.available() == 0
    i2s.now_us += 1000
    assert driver.available() == 16
    buffer = bytearray(2)
    assert driver.readinto(buffer) == 1 and struct.unpack("<H", buffer)[0] == 14400
    assert driver.lost == 0


def test_given_a_function_it_opens_and_closes():
    made = []

    def opener():
        made.append(FakeI2S())
        return made[-1]

    now = [0]
    driver = I2SMic(opener, ibuf_bytes=40000, ticks_us=lambda: now[0])
    assert made == [] and driver.available() == 0
    driver.start()
    driver.stop()
    assert len(made) == 1 and not made[0].open and driver.available() == 0
    driver.start()
    driver.start()
    assert [i2s.open for i2s in made] == [False, False, True]
    made[2].now_us = now[0] = 1000
    assert driver.available() == 16
    driver.close()
    assert not made[2].open
    assert driver.readinto(bytearray(100)) == 16


def test_wrong_settings():
    for settings in ({"shift": 32}, {"ibuf_bytes": 800}, {"part": "inmp442"}):
        try:
            I2SMic(FakeI2S(), **settings)
        except ValueError as error:
            assert list(settings)[0] in str(error)
        else:
            raise AssertionError(settings)


def test_half_a_sample_is_an_error():
    i2s, driver, _ = start()
    i2s.readinto = lambda buf: 6
    try:
        driver.available()
    except OSError as error:
        assert "6 bytes" in str(error)
    else:
        raise AssertionError("no error")


def test_open_i2s_asks_for_32_bit_mono():
    import sys

    class Machine:
        class Pin:
            def __init__(self, number):
                self.number = number

        class I2S:
            RX = 16
            MONO = 1

            def __init__(self, id, **settings):
                self.id = id
                self.settings = settings

    real = sys.modules.get("machine")
    sys.modules["machine"] = Machine
    try:
        i2s = open_i2s(1, sck=14, ws=15, sd=32, rate_hz=22050, ibuf_bytes=20000)
    finally:
        if real is None:
            del sys.modules["machine"]
        else:
            sys.modules["machine"] = real
    pins = [i2s.settings.pop(name).number for name in ("sck", "ws", "sd")]
    assert i2s.id == 1 and pins == [14, 15, 32]
    assert i2s.settings == {"mode": 16, "bits": 32, "format": 1, "rate": 22050, "ibuf": 20000}


def test_available_and_readinto_need_no_heap():
    random.seed(6)
    for port in PORTS[:2]:
        i2s, driver, reader = start(start_us=WRAP - 2000000, **port)
        run(i2s, reader, 1)
        i2s.fill = False
        buffer = memoryview(reader.buffer)[:2048]
        low = [0]
        driver._ticks_us = lambda low=low: low[0]
        for step in (50000, 200000, 1700000, 60000):  # the third one overflows
            i2s.now_us += step
            i2s.receive()
            i2s.receive = lambda: None
            low[0] = i2s.now_us & (WRAP - 1)
            total = 0
            micropython.heap_lock()
            try:
                waiting = driver.available()
                while total < waiting:
                    n = driver.readinto(buffer)
                    if not n:
                        break
                    total += n
            finally:
                micropython.heap_unlock()
            del i2s.receive
            assert abs(total - waiting) < 20 < total, (total, waiting, step)
        driver.available()
        assert driver.lost > 20000 and driver.overruns == 1
