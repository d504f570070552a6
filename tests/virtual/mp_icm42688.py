"""The ICM-42688-P model against the data sheet (DS-000347): literals here are the data sheet's."""

import struct

import micropython
from registers import Pin, get, make, put

from host.virtual.chips.icm42688 import ICM42688


def start(fifo=0x43, odr=0x08, power=0x0F, **how):
    """Both sensors at 100 Hz in low-noise mode, packet 3, stream mode, 1 us stamps."""
    clock, chip = make(ICM42688, tick_us=1, **how)
    put(chip, 0x4F, odr, odr)
    put(chip, 0x5F, fifo)
    put(chip, 0x16, 0x40)
    put(chip, 0x4E, power)
    return clock, chip


def started(**how):
    """The same, and both sensors are valid from the next sample on."""
    clock, chip = start(**how)
    clock.t += 35000
    get(chip, 0x2E, 2)
    put(chip, 0x4B, 0x02)
    get(chip, 0x2E, 2)
    return clock, chip


def count(chip):
    return struct.unpack(">H", get(chip, 0x2E, 2))[0]


def packets(chip, n):
    raw = get(chip, 0x30, 16 * n)
    return [struct.unpack(">B6hbH", raw[i : i + 16]) for i in range(0, 16 * n, 16)]


def test_registers_after_power_on():
    _, chip = make(ICM42688)
    for register, value in (
        (0x75, 0x47), (0x11, 0), (0x13, 5), (0x4C, 0x30), (0x4D, 0x91), (0x4E, 0), (0x4F, 6), (0x50, 6), (0x54, 0x23),
        (0x5F, 0), (0x64, 0x10), (0x65, 0x10), (0x1F, 0x80), (0x20, 0),
    ):  # fmt: skip
        assert get(chip, register) == value, hex(register)
    assert get(chip, 0x2D) == 0x10 and get(chip, 0x2D) == 0  # RESET_DONE


def test_soft_reset_takes_a_millisecond():
    clock, chip = started()
    put(chip, 0x11, 1)
    clock.t += 999
    put(chip, 0x4F, 0x08)
    assert get(chip, 0x4F) == 0x06
    clock.t += 1
    put(chip, 0x4F, 0x08)
    assert get(chip, 0x4F) == 0x08 and get(chip, 0x5F) == 0


def test_other_banks_hide_bank_0():
    _, chip = make(ICM42688)
    put(chip, 0x76, 1)
    put(chip, 0x4F, 0x21)
    assert get(chip, 0x75) == 0 and get(chip, 0x76) == 1
    put(chip, 0x76, 0)
    assert get(chip, 0x4F) == 0x06 and get(chip, 0x75) == 0x47


def test_writes_right_after_a_sensors_start_are_lost():
    clock, chip = start()
    clock.t += 199
    put(chip, 0x51, 0x55)
    clock.t += 1
    assert get(chip, 0x51) == 0x16
    put(chip, 0x51, 0x55)
    assert get(chip, 0x51) == 0x55


def test_packets_with_stamps():
    clock, chip = started()
    clock.t += 35000
    assert count(chip) == 4 * 16
    got = packets(chip, 4)
    for i, packet in enumerate(got):
        assert packet[:7] == (0x68, i, i + 1, -i, 1000 + i, -1000 - i, i), packet
    assert [b[8] - a[8] & 0xFFFF for a, b in zip(got, got[1:])] == [10000] * 3
    assert count(chip) == 0 and get(chip, 0x30) == 0xFF


def test_starting_sensors_give_invalid_samples():
    clock, chip = start()
    clock.t += 50000
    get(chip, 0x2E, 2)
    got = packets(chip, 5)
    assert [p[1] == -32768 for p in got] == [False] * 5  # the accelerometer is ready after 10 ms
    assert [p[4] == -32768 for p in got] == [True, True, False, False, False]
    assert [p[4] for p in got[2:]] == [1000, 1001, 1002]


def test_hold_last_data_instead_of_invalid():
    clock, chip = start()
    clock.t += 300
    put(chip, 0x4C, 0xB0)
    clock.t += 50000
    got = packets(chip, 3)
    assert [p[4] for p in got] == [-32768, -32768, 1000]  # nothing to hold yet


def test_one_sensor_makes_packets_of_8():
    for fifo, power, header, first in ((0x41, 0x03, 0x40, (0, 1, 0)), (0x42, 0x0C, 0x20, (1000, -1000, 0))):
        clock, chip = started(fifo=fifo, power=power)
        clock.t += 20000
        assert count(chip) == 16
        assert struct.unpack(">B3hb", get(chip, 0x30, 8)) == (header,) + first + (0,)


def test_little_endian_data_and_count_in_records():
    clock, chip = started()
    put(chip, 0x4C, 0x40)
    clock.t += 50000
    assert get(chip, 0x2E, 2) == b"\x05\x00"
    assert struct.unpack("<3h", get(chip, 0x30, 7)[1:]) == (0, 1, 0)


def test_count_is_latched_until_its_low_byte_was_read():
    clock, chip = started()
    clock.t += 20000
    assert get(chip, 0x2E) == 0
    clock.t += 200000
    assert get(chip, 0x2E) == 0
    assert get(chip, 0x2F) == 32
    assert count(chip) == 22 * 16


def test_first_count_after_a_flush_is_0():
    clock, chip = started()
    put(chip, 0x4B, 0x02)
    clock.t += 50000
    assert [count(chip), count(chip)] == [0, 80]


def test_overflow_drops_the_oldest_packets_and_counts_them():
    clock, chip = started()
    clock.t += 1280000
    assert count(chip) == 2048 and get(chip, 0x2D) & 2
    assert get(chip, 0x6C, 2) == b"\x00\x00"  # full, nothing lost
    clock.t += 3000000
    assert count(chip) == 2048 and get(chip, 0x2D) & 2
    assert get(chip, 0x6C, 2) == struct.pack("<H", 300)
    assert packets(chip, 2)[1][1] == 301


def test_a_long_absence_is_exact():
    clock, chip = started()
    clock.t += 10000 * 20000
    lost = struct.unpack("<H", get(chip, 0x6C, 2))[0]
    assert lost == 20000 - 128
    assert packets(chip, 1)[0][1] == 20000 - 128


def test_stop_on_full():
    clock, chip = started()
    put(chip, 0x16, 0x80)
    clock.t += 2000000
    assert packets(chip, 128)[127][1] == 127


def test_part_of_a_packet_is_read_again_unless_resumed():
    for fifo, follows in ((0x03, 0x68), (0x43, 1)):
        clock, chip = started(fifo=fifo)
        clock.t += 20000
        get(chip, 0x30, 4)
        assert get(chip, 0x30) == follows


def test_burst_from_status_to_data():
    clock, chip = started()
    clock.t += 20000
    raw = get(chip, 0x2D, 3 + 32)
    assert raw[1:3] == b"\x00\x20" and raw[3] == 0x68 and raw[19] == 0x68


def test_watermark_pulses():
    pin = Pin()
    clock, chip = started(int1=pin)
    put(chip, 0x14, 0x03)
    put(chip, 0x60, 160, 0)
    put(chip, 0x65, 0x04)
    t0 = clock.t
    pin.wait_for(chip, clock, 1)
    assert count(chip) == 160 and clock.t - t0 == 95000, clock.t - t0
    pin.wait_for(chip, clock, 0)
    assert clock.t - t0 == 95100
    assert get(chip, 0x2D) & 4


def test_latched_interrupt_goes_with_the_status():
    pin = Pin()
    clock, chip = started(int1=pin)
    put(chip, 0x14, 0x06)  # active low
    put(chip, 0x60, 32, 0)
    put(chip, 0x65, 0x04)
    pin.wait_for(chip, clock, 0)
    get(chip, 0x2D)
    assert pin.level == 1


def test_stamp_resolution_and_strobe():
    clock, chip = started()
    put(chip, 0x54, 0x29)
    clock.t += 30000
    got = packets(chip, 3)
    assert got[1][8] - got[0][8] & 0xFFF in (625, 624)
    put(chip, 0x4B, 0x04)
    put(chip, 0x76, 1)
    assert struct.unpack("<H", get(chip, 0x62, 2))[0] >> 4 == got[2][8] & 0xFFF


def test_rate_ratio():
    clock, chip = started(rate_ratio=1.02)
    clock.t += 1000000
    assert count(chip) // 16 in (102, 103)


def test_reading_allocates_nothing():
    clock, chip = started()
    clock.t += 300000
    buf = bytearray(3 + 16 * 20)
    micropython.heap_lock()
    try:
        chip.read(0x2D, buf, 0, len(buf))
    finally:
        micropython.heap_unlock()
    assert buf[3] == 0x68
