"""The LSM6DSOX model against the data sheet (DS12814, AN5272): literals here are the data sheet's, not the model's
names.
"""

import struct
import sys
from array import array

import micropython

from host.virtual.chips.ism330dhcx import ISM330DHCX
from host.virtual.chips.lsm6dso32 import LSM6DSO32
from host.virtual.chips.lsm6dsox import LSM6DSOX
from host.virtual.chips.source import Motion
from mptest import SkipTest

PERIOD_104_US = 9600  # 384 ticks of 25 us


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
        counts = self.counts
        counts[0] = i
        counts[1] = i + 1
        counts[2] = -i
        counts[3] = 1000 + i
        counts[4] = -1000 - i
        counts[5] = i


class Int1:
    def __init__(self):
        self.level = None
        self.edges = 0
        self.planned = -1

    def set(self, level):
        if level != self.level:
            self.level = level
            self.edges += 1

    def plan(self, t_us):
        self.planned = t_us


def make(**how):
    clock = Now()
    how.setdefault("rate_ratio", 1)
    return clock, LSM6DSOX(clock, Rows(), **how)


def put(chip, register, *values):
    chip.write(register, bytes(values), 0, len(values))


def get(chip, register, n=1):
    buf = bytearray(n)
    chip.read(register, buf, 0, n)
    return buf if n > 1 else buf[0]


def level(chip):
    status = get(chip, 0x3A, 2)
    return status[0] | (status[1] & 3) << 8


def words(chip, n=None):
    """The FIFO's words: (tag, slot counter, x, y, z)."""
    n = level(chip) if n is None else n
    raw = get(chip, 0x78, 7 * n) if n else b""
    out = []
    for at in range(0, 7 * n, 7):
        assert bin(raw[at]).count("1") % 2 == 0, "parity of a tag"
        out.append((raw[at] >> 3, raw[at] >> 1 & 3) + struct.unpack("<hhh", raw[at + 1 : at + 7]))
    return out


def start(chip, fifo_mode=6, ctrl1=0x48, ctrl2=0x44, bdr=0x44, decimation=0):
    """Both sensors at 104 Hz, both batched, continuous mode."""
    put(chip, 0x10, ctrl1, ctrl2)
    put(chip, 0x09, bdr, decimation << 6 | fifo_mode)


def test_registers_after_power_on():
    _, chip = make()
    assert get(chip, 0x0F) == 0x6C
    assert get(chip, 0x12) == 0x04
    assert get(chip, 0x18) == 0xE0
    assert get(chip, 0x02) == 0x3F
    assert get(chip, 0x10, 2) == b"\x00\x00"


def test_identities_of_its_siblings():
    for kind, identity in ((LSM6DSO32, 0x6C), (ISM330DHCX, 0x6B)):
        clock = Now()
        chip = kind(clock, Rows(), rate_ratio=1)
        assert get(chip, 0x0F) == identity
        start(chip)
        clock.t += PERIOD_104_US
        assert level(chip) == 2


def test_wrong_identity_on_purpose():
    _, chip = make(faults={"who_am_i": 0x6B})
    assert get(chip, 0x0F) == 0x6B


def test_read_only_registers_stay():
    _, chip = make()
    put(chip, 0x0F, 0)
    put(chip, 0x3A, 7, 7)
    put(chip, 0x63, 9)
    assert (get(chip, 0x0F), get(chip, 0x63)) == (0x6C, 0)
    assert get(chip, 0x3A, 2) == b"\x00\x00"


def test_auto_increment_is_if_inc():
    _, chip = make()
    put(chip, 0x07, 1, 2, 0, 0)
    assert get(chip, 0x07, 3) == b"\x01\x02\x00"
    put(chip, 0x12, 0)
    assert get(chip, 0x07, 3) == b"\x01\x01\x01"


def test_software_reset_takes_50_us_and_hears_nothing_meanwhile():
    clock, chip = make()
    put(chip, 0x10, 0x48)
    put(chip, 0x12, 0x45)
    assert get(chip, 0x12) == 0x05
    clock.t += 49
    put(chip, 0x10, 0x48)
    assert (get(chip, 0x12), get(chip, 0x10)) == (0x05, 0)
    clock.t += 1
    assert get(chip, 0x12) == 0x04
    put(chip, 0x10, 0x48)
    assert get(chip, 0x10) == 0x48


def test_boot_takes_10_ms():
    clock, chip = make()
    put(chip, 0x12, 0x84)
    clock.t += 9999
    assert get(chip, 0x12) == 0x84
    clock.t += 1
    assert get(chip, 0x12) == 0x04


def test_samples_come_at_the_true_rate():
    for code, ticks in ((1, 3072), (4, 384), (10, 6)):
        clock, chip = make()
        put(chip, 0x09, code << 4 | code, 6)
        put(chip, 0x10, code << 4, code << 4)
        clock.t += ticks * 25 - 1
        assert level(chip) == 0, code
        clock.t += 1
        assert level(chip) == 2, code
        clock.t += 9 * ticks * 25
        assert level(chip) == 20, code


def test_rate_ratio_and_its_register():
    clock, chip = make(rate_ratio=1.0213)
    assert get(chip, 0x63) == 14  # 2.13 % in steps of 0.15 %
    _, slow = make(rate_ratio=0.97)
    assert get(slow, 0x63) == 256 - 20
    put(chip, 0x19, 0x20)
    start(chip)
    clock.t += 1000000
    assert level(chip) == 2 * int(1000000 * 1.0213 / PERIOD_104_US)
    stamp = get(chip, 0x40, 4)
    ticks = stamp[0] | stamp[1] << 8 | stamp[2] << 16
    assert ticks == int(40000 * 1.0213), ticks


def test_timestamp_reset_and_enable():
    clock, chip = make()
    assert get(chip, 0x40, 4) == bytes(4)
    clock.t += 1000
    put(chip, 0x19, 0x20)
    clock.t += 2500
    assert get(chip, 0x40) == 100
    put(chip, 0x42, 0x55)
    assert get(chip, 0x40) == 100
    put(chip, 0x42, 0xAA)
    clock.t += 50
    assert get(chip, 0x40, 4) == b"\x02\x00\x00\x00"


def test_fifo_words_tags_and_order():
    clock, chip = make()
    start(chip)
    clock.t += 5 * PERIOD_104_US
    expected = []
    for i in range(5):
        expected.append((1, i & 3, 1000 + i, -1000 - i, i))
        expected.append((2, i & 3, i, i + 1, -i))
    assert words(chip) == expected
    assert level(chip) == 0


def test_fifo_tag_bytes_as_drawn_in_the_data_sheet():
    clock, chip = make()
    start(chip)
    clock.t += 2 * PERIOD_104_US
    raw = get(chip, 0x78, 28)
    tags = [raw[0], raw[7], raw[14], raw[21]]
    assert tags == [0b00001_00_1, 0b00010_00_1, 0b00001_01_0, 0b00010_01_0], tags


def test_only_the_accelerometer():
    clock, chip = make()
    start(chip, ctrl2=0)
    clock.t += 3 * PERIOD_104_US
    assert [w[:3] for w in words(chip)] == [(2, 0, 0), (2, 1, 1), (2, 2, 2)]


def test_batching_slower_than_measuring():
    clock, chip = make()
    start(chip, bdr=0x34)  # gyroscope at 52 Hz, accelerometer at 104 Hz
    clock.t += 4 * PERIOD_104_US
    assert [w[:2] for w in words(chip)] == [(1, 0), (2, 0), (2, 1), (1, 2), (2, 2), (2, 3)]


def test_timestamps_in_the_fifo():
    for decimation, every in ((1, 1), (2, 8), (3, 32)):
        clock, chip = make()
        put(chip, 0x19, 0x20)
        start(chip, decimation=decimation)
        clock.t += 40 * PERIOD_104_US
        slots = [i for i, w in enumerate(words(chip)) if w[0] == 4]
        assert slots == [i * (2 * every + 1) for i in range((40 + every - 1) // every)], slots
    clock, chip = make()
    put(chip, 0x19, 0x20)
    start(chip, decimation=1)
    clock.t += 2 * PERIOD_104_US
    stamps = [w[2] for w in words(chip) if w[0] == 4]
    assert stamps == [384, 768], stamps


def test_no_timestamps_without_the_timer():
    clock, chip = make()
    start(chip, decimation=1)
    clock.t += 4 * PERIOD_104_US
    assert level(chip) == 8


def test_burst_reading_rolls_over_and_words_leave_with_their_last_byte():
    clock, chip = make()
    start(chip)
    clock.t += 2 * PERIOD_104_US
    get(chip, 0x78, 6)
    assert level(chip) == 4
    get(chip, 0x78, 7)
    assert level(chip) == 3
    get(chip, 0x78, 7 * 5)  # two more words than there are
    assert level(chip) == 0
    assert get(chip, 0x78, 7) == bytes(7)


def test_continuous_mode_overwrites_the_oldest_words():
    clock, chip = make()
    start(chip)
    clock.t += 256 * PERIOD_104_US
    assert level(chip) == 512
    assert chip.fifo.overwritten == 0
    clock.t += 3 * PERIOD_104_US
    assert level(chip) == 512
    got = words(chip)
    assert got[0] == (1, 3, 1003, -1003, 3)
    assert got[-1] == (2, 258 & 3, 258, 259, -258)
    assert chip.fifo.overwritten == 6


def test_half_slots_survive_an_overwrite():
    clock, chip = make()
    put(chip, 0x19, 0x20)
    start(chip, decimation=1)  # three words in a slot, and 512 is no multiple of three
    clock.t += 300 * PERIOD_104_US
    got = words(chip)
    assert len(got) == 512
    assert got[0] == (1, 129 & 3, 1129, -1129, 129) and got[1][0] == 2 and got[2][0] == 4, got[:3]


def test_a_long_absence_costs_little_and_is_exact():
    for slots in (8191, 100000, 100001):
        clock, chip = make()
        put(chip, 0x19, 0x20)
        start(chip, decimation=2)
        clock.t += slots * PERIOD_104_US
        got = words(chip)
        last = slots - 1
        assert len(got) == 512
        assert got[-1][:2] == (2, last & 3)
        assert got[-1][2] == ((last + 32768) & 0xFFFF) - 32768
        assert chip.fifo.overwritten == 2 * slots + (slots + 7) // 8 - 512


def test_fifo_mode_stops_when_full():
    clock, chip = make()
    start(chip, fifo_mode=1)
    clock.t += 300 * PERIOD_104_US
    got = words(chip)
    assert len(got) == 512 and got[0][2] == 1000 and got[-1][2] == 255


def test_stop_on_watermark_limits_the_depth():
    clock, chip = make()
    put(chip, 0x07, 10, 0x80)
    start(chip)
    clock.t += 20 * PERIOD_104_US
    assert level(chip) == 10


def test_status_flags():
    clock, chip = make()
    put(chip, 0x07, 0x2C, 0x01)  # watermark 300
    start(chip)
    clock.t += 149 * PERIOD_104_US
    assert get(chip, 0x3B) == 1  # 298 words
    clock.t += PERIOD_104_US
    assert get(chip, 0x3A, 2) == b"\x2c\x81"  # 300: FIFO_WTM_IA
    clock.t += 105 * PERIOD_104_US
    assert get(chip, 0x3A, 2) == b"\xfe\xa1"  # 510: FIFO_FULL_IA, full at the next rate tick
    clock.t += PERIOD_104_US
    assert get(chip, 0x3A, 2) == b"\x00\xea"  # 512: FIFO_OVR_IA and FIFO_OVR_LATCHED
    get(chip, 0x78, 7 * 500)
    assert get(chip, 0x3B) == 0x08  # latched until read
    assert get(chip, 0x3B) == 0


def test_bypass_empties_and_rows_begin_again():
    clock, chip = make()
    start(chip)
    clock.t += 7 * PERIOD_104_US
    put(chip, 0x0A, 0)
    clock.t += 3 * PERIOD_104_US
    assert level(chip) == 0
    clock.t += 1234
    put(chip, 0x0A, 6)
    clock.t += PERIOD_104_US - 1234
    assert words(chip) == [(1, 0, 1000, -1000, 0), (2, 0, 0, 1, 0)]


def test_int1_rises_at_the_exact_time_of_the_watermark():
    int1 = Int1()
    clock, chip = make(int1=int1)
    put(chip, 0x07, 20)
    put(chip, 0x0D, 0x08)
    t0 = clock.t
    start(chip)
    assert int1.level == 0
    looks = 0
    while int1.level == 0:
        assert clock.t < int1.planned, "a plan lies in the future"
        clock.t = int1.planned
        chip.look()
        looks += 1
    assert clock.t == t0 + 10 * PERIOD_104_US and looks == 1
    assert level(chip) == 20
    get(chip, 0x78, 7)
    assert int1.level == 0
    assert int1.planned == t0 + 11 * PERIOD_104_US


def test_int1_finds_the_watermark_among_words_of_different_rates():
    int1 = Int1()
    clock, chip = make(int1=int1)
    put(chip, 0x19, 0x20)
    put(chip, 0x07, 101)
    put(chip, 0x0D, 0x08)
    start(chip, bdr=0x14, decimation=2)
    while int1.level == 0:
        clock.t = int1.planned
        chip.look()
    reached = clock.t
    assert level(chip) >= 101
    clock2, chip2 = make()
    put(chip2, 0x19, 0x20)
    start(chip2, bdr=0x14, decimation=2)
    clock2.t = reached - 1
    assert level(chip2) < 101


def test_int1_active_low():
    int1 = Int1()
    _, chip = make(int1=int1)
    put(chip, 0x12, 0x24)
    assert int1.level == 1


def test_output_registers_and_data_ready():
    clock, chip = make()
    put(chip, 0x10, 0x48, 0x44)
    assert get(chip, 0x1E) == 0
    clock.t += 3 * PERIOD_104_US
    assert get(chip, 0x1E) == 3
    assert get(chip, 0x22, 12) == b"\xea\x03\x16\xfc\x02\x00\x02\x00\x03\x00\xfe\xff"
    assert get(chip, 0x1E) == 0
    clock.t += PERIOD_104_US
    assert get(chip, 0x1E) == 3


def test_block_data_update_holds_a_half_read_pair():
    for bdu, torn in ((0x44, 0x00), (0x04, 0x01)):
        clock, chip = make()
        put(chip, 0x12, bdu)
        put(chip, 0x10, 0x40)
        clock.t += 256 * PERIOD_104_US  # row 255: 0x00FF
        assert get(chip, 0x28) == 0xFF
        clock.t += PERIOD_104_US  # row 256: 0x0100
        assert get(chip, 0x29) == torn
        assert get(chip, 0x28, 2) == b"\x00\x01"
    clock.t += PERIOD_104_US
    put(chip, 0x12, 0x44)
    get(chip, 0x28)
    put(chip, 0x12, 0x04)  # BDU off lets a held pair go
    clock.t += PERIOD_104_US
    assert get(chip, 0x28) == 2


def test_faults():
    clock, chip = make(faults={"every": 3, "errno": 5, "at_s": [2], "absent_s": [[3, 4]], "reset_s": [5]})
    assert [chip.answers() for _ in range(4)] == [0, 0, 5, 0]
    clock.t = 2000001
    assert [chip.answers(), chip.answers(), chip.answers()] == [5, 5, 0]
    clock.t = 3500000
    assert chip.answers() == chip.answers() == 5
    put(chip, 0x10, 0x40)
    clock.t = 5000000
    chip.answers()
    assert get(chip, 0x10) == 0


def test_a_broken_read_has_taken_words():
    _, chip = make(faults={"break_every": 2, "break_after": 10})
    assert [chip.broken_after(n) for n in (70, 70, 70, 5)] == [-1, 10, -1, -1]


def test_reading_the_fifo_allocates_nothing():
    if sys.maxsize < 1 << 32:
        raise SkipTest("picoseconds do not fit 30 bits: the virtual board is a 64-bit process")
    clock, chip = make()
    chip.source = Motion()
    start(chip)
    clock.t += 40 * PERIOD_104_US
    buf = bytearray(7 * 32)
    micropython.heap_lock()
    try:
        chip.read(0x3A, buf, 0, 2)
        chip.read(0x78, buf, 0, 224)
    finally:
        micropython.heap_unlock()
