"""The PDM microphone driver: native and plain filter equal, blocks without a seam, every loss counted, no heap."""

import random
import sys
from array import array

import micropython

from drivers import pdm_filter, pdm_plain
from drivers.pdm_filter import FRAME_BYTES, HISTORY, MEMORY, PdmFilter
from drivers.pdm_mic import PDMMic, open_pdm
from mptest import SkipTest

_M = 0x3FFFFFFF


def noise(n):
    return bytearray(random.getrandbits(8) for _ in range(n))


def pseudo(number):
    """-> a byte of the endless bit stream, by its number."""
    return (number * 2654435 + (number >> 3) * 40503 & _M) >> 9 & 0xFF


def test_native_code_is_used():
    if pdm_filter.cic is pdm_plain.cic:
        raise SkipTest("no native code emitter here: there is one set of kernels only")


def test_native_and_plain_are_equal():
    random.seed(1)
    table = pdm_filter.cic_table()
    for extreme in (None, 0, 0xFF):
        for _ in range(60):
            n = random.randrange(1, 9)
            bits = noise(6 + 2 * n) if extreme is None else bytearray([extreme] * (6 + 2 * n))
            size = random.choice((3, 11, 49))
            taps = array("i", [random.randrange(-250, 250) for _ in range(size)])
            x = array("i", [random.randrange(-40736, 40737) for _ in range(size - 2 + 2 * n)])
            how = array("i", [size, random.randrange(1 << 12), random.randrange(14)])
            results = []
            for kernel in (pdm_filter, pdm_plain):
                old = bytearray(bits)
                values = array("i", [7] * (n + 2))
                kernel.cic(values, 1, old, n, table)
                first = array("i", list(x))
                summed = array("i", [7] * (n + 2))
                kernel.fir2(summed, 1, first, n, taps, how)
                second = array("i", list(x))
                samples = bytearray(2 * n + 4)
                clips = array("i", [5])
                kernel.fir2_s16(samples, 1, second, n, taps, how, clips)
                results.append([list(values), old, list(first), list(summed), list(second), bytes(samples), clips[0]])
            assert results[0] == results[1], (n, size, how)


def test_a_filter_of_either_kind_gives_the_same_sound():
    random.seed(2)
    bits = noise(FRAME_BYTES * 100)
    sounds = []
    names = ("cic", "fir2", "fir2_s16")
    native = [getattr(pdm_filter, name) for name in names]
    try:
        for module in (pdm_filter, pdm_plain):
            for name in names:
                setattr(pdm_filter, name, getattr(module, name))
            pdm = PdmFilter(2)
            out = bytearray(200)
            done = 0
            for n in (1, 2, 32, 32, 3, 30):
                pdm.bits[HISTORY : HISTORY + 8 * n] = bits[8 * done : 8 * (done + n)]
                pdm.run(out, done, n)
                done += n
            sounds.append((bytes(out), pdm.clips[0]))
    finally:
        for name, kernel in zip(names, native):
            setattr(pdm_filter, name, kernel)
    assert sounds[0] == sounds[1] and sounds[0][1] > 0


class Bits:
    """A source whose byte number i is pseudo(i); ``come(n)`` lets n more arrive, over the oldest if need be."""

    def __init__(self, size=2048, wrap=1 << 14):
        self.ring = bytearray(size)
        self.wrap = wrap
        self.total = 0
        self.on = False

    def start(self):
        self.total = 0
        self.on = True

    def stop(self):
        self.on = False

    def close(self):
        self.ring = None

    def come(self, n):
        assert self.on
        for i in range(self.total, self.total + n):
            self.ring[i % len(self.ring)] = pseudo(i)
        self.total += n

    def received(self):
        return self.total % self.wrap


def expected(first, n):
    """-> samples ``first`` .. of the endless stream, through a filter that saw enough of it before."""
    pdm = PdmFilter()
    out = bytearray(2 * (n + MEMORY))
    done = 0
    while done < n + MEMORY:
        k = min(32, n + MEMORY - done)
        at = FRAME_BYTES * (first - MEMORY + done)
        for i in range(FRAME_BYTES * k):
            pdm.bits[HISTORY + i] = pseudo(at + i)
        pdm.run(out, done, k)
        done += k
    return bytes(out[2 * MEMORY :])


def started(**settings):
    source = Bits()
    mic = PDMMic(source, **settings)
    mic.start()
    return source, mic


def test_every_sample_once_whatever_the_portions():
    random.seed(3)
    source, mic = started()
    buffer = bytearray(1000)
    sound = b""
    while len(sound) < 2 * 3000:  # beyond wrap
        source.come(random.randrange(0, 900))
        waiting = mic.available()
        n = mic.readinto(memoryview(buffer)[: 2 * random.randrange(1, 400)])
        assert n <= waiting
        sound += bytes(buffer[: 2 * n])
        assert mic.available() == waiting - n
        assert mic.produced() == source.total // FRAME_BYTES - MEMORY or source.total // FRAME_BYTES < MEMORY
        while mic.available() > 60:
            n = mic.readinto(buffer)
            sound += bytes(buffer[: 2 * n])
    assert sound == expected(MEMORY, len(sound) // 2)
    assert (mic.lost, mic.overruns, mic.lost_exact) == (0, 0, True)


def test_a_loss_is_counted_exactly_and_nothing_is_mixed():
    random.seed(4)
    source, mic = started(startup_ms=2)
    skipped = MEMORY + 32
    buffer = bytearray(2000)
    position = skipped  # number of the next sample
    for stall in (500, 2041, 5000, 300, 2500, 12000, 1000):
        source.come(stall)
        before = mic.lost
        mic.available()
        assert mic.lost == before
        first = True
        while True:
            n = mic.readinto(memoryview(buffer)[: 2 * random.randrange(1, 300)])
            if not n:
                break
            assert first or mic.lost == before, "a loss lies in front of the first frames of a call only"
            if first:
                position += mic.lost - before
                before = mic.lost
            first = False
            assert buffer[: 2 * n] == expected(position, n)
            position += n
        assert mic.available() == 0 and mic.produced() == position - skipped
    assert position == source.total // FRAME_BYTES and mic.overruns == 4 and mic.lost_exact
    mic.start()
    assert (mic.lost, mic.overruns, mic.available(), mic.produced()) == (0, 0, 0, 0)


def test_a_read_that_meets_a_loss_ends_in_front_of_it():
    source, mic = started()
    source.come(8 * (MEMORY + 100))
    buffer = bytearray(100)
    assert mic.readinto(buffer) == 50
    received = source.received
    calls = [0]

    def burst():  # the ring is overrun while the second chunk of the next read is copied
        calls[0] += 1
        if calls[0] == 4:
            source.come(4000)
        return received()

    source.received = burst
    assert mic.readinto(bytearray(100)) == 32 and mic.lost == 0
    buffer = bytearray(100)
    assert mic.readinto(buffer) == 50 and mic.lost > 0 and mic.overruns == 1
    assert buffer == expected(MEMORY + 82 + mic.lost, 50)


def test_start_up_is_left_out_even_if_it_overruns():
    source, mic = started(startup_ms=100)
    source.come(FRAME_BYTES * 1000)
    assert mic.available() == 0 and mic.readinto(bytearray(100)) == 0
    source.come(FRAME_BYTES * (600 + MEMORY))
    assert mic.available() == 0 and mic.produced() == 0
    source.come(FRAME_BYTES * 10)
    buffer = bytearray(100)
    assert mic.available() == mic.readinto(buffer) == mic.produced() == 10 and mic.lost == 0
    assert buffer[:20] == expected(1600 + MEMORY, 10)


def test_surface_and_wrong_settings():
    source, mic = started(gain_bits=1)
    assert (mic.channels, mic.units, mic.scale, mic.frame_bytes) == (("mono",), ("1",), (1 / 32768,), 2)
    assert mic.fifo_frames == 255 and mic.rate_hz == 16000
    source.come(2000)
    mic.stop()
    assert not source.on and mic.available() == 0 and mic.readinto(bytearray(10)) == 0
    mic.close()
    assert source.ring is None
    for ring in (512, 3000):
        try:
            PDMMic(Bits(ring))
        except ValueError as error:
            assert str(ring) in str(error)
        else:
            raise AssertionError(ring)
    try:
        open_pdm(id=0, clk=1, data=2, rate_hz=16000)
    except OSError as error:
        assert "PDM" in str(error) and "rp2" in str(error)
    else:
        raise AssertionError("this port has no PDM")


def test_no_heap():
    names = ("cic", "fir2", "fir2_s16")
    native = [getattr(pdm_filter, name) for name in names]
    buffer = memoryview(bytearray(800))
    for module in (pdm_filter, pdm_plain):
        for name in names:
            setattr(pdm_filter, name, getattr(module, name))
        source, mic = started()
        total = 0
        for come in (1000, 3000, 900):
            source.come(come)
            micropython.heap_lock()
            try:
                waiting = mic.available()
                got = mic.readinto(buffer)
                while got:
                    total += got
                    got = mic.readinto(buffer)
                waiting = mic.produced()
            finally:
                micropython.heap_unlock()
        assert waiting == total + mic.lost and mic.lost and total > 200
    for name, kernel in zip(names, native):
        setattr(pdm_filter, name, kernel)


class FakePin:
    OUT = 1
    IN = 0

    def __init__(self, number, mode=None, value=None):
        self.number = number


class FakeDMA:
    """Remembers what it was told; ``count`` is what the test says."""

    made = []

    def __init__(self):
        self.channel = len(FakeDMA.made)
        FakeDMA.made.append(self)
        self.registers = ["register %d" % i for i in range(16)]
        self.count = 0
        self.running = True
        self.open = True

    def pack_ctrl(self, **fields):
        return fields

    def config(self, **settings):
        self.settings = settings
        self.count = settings["count"]

    def active(self, on):
        self.running = bool(on)

    def close(self):
        self.open = False


def fake_rp2():
    class Rp2:
        class PIO:
            OUT_LOW = SHIFT_RIGHT = JOIN_RX = 1

        class StateMachine:
            made = []

            def __init__(self, id, program, **settings):
                self.id = id
                self.program = program
                self.settings = settings
                self.on = 0
                self.made.append(self)

            def active(self, on):
                self.on = on

        DMA = FakeDMA

        @staticmethod
        def asm_pio(**settings):
            return lambda program: (program, settings)

    return Rp2


def test_rp2_port_sets_the_hardware_up_as_documented():
    import uctypes

    class Machine:
        Pin = FakePin

    real = sys.modules.get("machine")
    rp2 = fake_rp2()
    sys.modules["rp2"] = rp2
    sys.modules["machine"] = Machine
    try:
        source = open_pdm(id=5, clk=2, data=3, rate_hz=16000, ring_bytes=4096)
        right = open_pdm(id=0, clk=2, data=3, rate_hz=16000, ring_bytes=1024, right=True)
        try:
            open_pdm(id=0, clk=2, data=3, rate_hz=16000, ring_bytes=65536)
        except ValueError as error:
            assert "65536" in str(error)
        else:
            raise AssertionError("DMA cannot wrap around 64 KB")
    finally:
        del sys.modules["rp2"]
        del sys.modules["drivers.pdm_rp2"]
        if real is None:
            del sys.modules["machine"]
        else:
            sys.modules["machine"] = real
    assert len(source.ring) == 4096 and uctypes.addressof(source.ring) % 4096 == 0
    data, again = FakeDMA.made[:2]
    mic = PDMMic(source)
    mic.start()
    machine = rp2.StateMachine.made[-1]
    assert (machine.id, machine.on, machine.settings["freq"]) == (5, 1, 4096000)
    assert machine.program[1]["autopush"] and machine.program[1]["push_thresh"] == 32
    assert (machine.settings["sideset_base"].number, machine.settings["in_base"].number) == (2, 3)
    settings = data.settings
    assert settings["read"] is machine and settings["write"] is source.ring and settings["trigger"]
    assert settings["ctrl"] == {
        "inc_read": False, "ring_sel": True, "ring_size": 12, "treq_sel": 8 + 4 + 1, "chain_to": again.channel,
    }  # fmt: skip
    assert again.settings["write"] == ["register 7"] and list(again.settings["read"]) == [settings["count"]]
    data.count -= 2 * (MEMORY + 5)  # words
    assert source.received() == 8 * (MEMORY + 5) and mic.available() == 5
    data.count = 0  # about to be started anew by the other channel
    assert source.received() == 0
    mic.stop()
    assert not machine.on and not data.running and not again.running
    right.start()
    assert rp2.StateMachine.made[-1].program is not machine.program
    mic.close()
    assert not data.open and not again.open
