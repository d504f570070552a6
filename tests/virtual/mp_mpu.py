"""The models of MPU-6050 and MPU-6886 against their documents (RM-MPU-6000A, DS-000193): literals are theirs."""

import struct

import micropython
from registers import Pin, get, make, put

from host.virtual.chips.mpu6050 import MPU6050
from host.virtual.chips.mpu6886 import MPU6886

SWITCHES = {MPU6050: 0x78, MPU6886: 0x18}  # FIFO_EN for both sensors
PACKET = {MPU6050: 12, MPU6886: 14}


def start(kind, switches=None, div=9, **how):
    """Awake, 1 kHz / (1 + div), both sensors into the FIFO."""
    clock, chip = make(kind, **how)
    put(chip, 0x6B, 0x01)
    put(chip, 0x19, div, 0x01)
    put(chip, 0x23, SWITCHES[kind] if switches is None else switches)
    put(chip, 0x6A, 0x04)
    put(chip, 0x6A, 0x40)
    return clock, chip


def count(chip):
    return struct.unpack(">H", get(chip, 0x72, 2))[0]


def test_registers_after_power_on():
    _, chip = make(MPU6050)
    assert (get(chip, 0x75), get(chip, 0x6B), get(chip, 0x1A)) == (0x68, 0x40, 0)
    _, chip = make(MPU6886)
    assert (get(chip, 0x75), get(chip, 0x6B), get(chip, 0x1A)) == (0x19, 0x41, 0x80)


def test_asleep_nothing_is_sampled():
    for kind in SWITCHES:
        clock, chip = make(kind)
        put(chip, 0x23, 0xF8)
        put(chip, 0x6A, 0x40)
        clock.t += 1000000
        assert count(chip) == 0


def test_device_reset():
    for kind in SWITCHES:
        clock, chip = start(kind)
        put(chip, 0x6B, 0x80)
        put(chip, 0x19, 3)
        assert get(chip, 0x6B) & 0x80
        clock.t += 100000
        assert not get(chip, 0x6B) & 0x80 and get(chip, 0x19) == 0 and get(chip, 0x23) == 0


def test_packets_are_big_endian_in_register_order():
    clock, chip = start(MPU6050)
    clock.t += 25000
    assert count(chip) == 24
    assert struct.unpack(">12h", get(chip, 0x74, 24)) == (0, 1, 0, 1000, -1000, 0, 1, 2, -1, 1001, -1001, 1)
    clock, chip = start(MPU6886)
    clock.t += 25000
    assert count(chip) == 28
    assert struct.unpack(">14h", get(chip, 0x74, 28)) == (0, 1, 0, 0, 1000, -1000, 0, 1, 2, -1, 0, 1001, -1001, 1)


def test_fifo_switches():
    for kind, switches, words in (
        (MPU6050, 0x08, (0, 1, 0)), (MPU6050, 0x70, (1000, -1000, 0)), (MPU6050, 0xA8, (0, 1, 0, 0, -1000)),
        (MPU6886, 0x08, (0, 1, 0, 0)), (MPU6886, 0x10, (0, 1000, -1000, 0)),
    ):  # fmt: skip
        clock, chip = start(kind, switches=switches)
        clock.t += 10000
        assert count(chip) == 2 * len(words), (kind, switches)
        assert struct.unpack(">%dh" % len(words), get(chip, 0x74, 2 * len(words))) == words


def test_empty_fifo():
    clock, chip = start(MPU6050)
    clock.t += 257 * 10000
    get(chip, 0x74, count(chip))
    last = get(chip, 0x74)
    assert last == get(chip, 0x74) == 0  # low byte of row 256
    _, chip = start(MPU6886)
    assert get(chip, 0x74) == 0xFF


def test_overflow_drops_bytes_and_shifts_the_packets():
    for kind in SWITCHES:
        size = PACKET[kind]
        clock, chip = start(kind)
        clock.t += 10000 * (1024 // size)
        assert count(chip) == 1024 // size * size and not get(chip, 0x3A) & 0x10
        clock.t += 10000
        assert count(chip) == 1024 and get(chip, 0x3A) & 0x10
        assert not get(chip, 0x3A) & 0x10  # cleared by reading
        assert chip.lost_bytes == size - 1024 % size
        first = get(chip, 0x74, 4)
        expected = struct.pack(">6h", 0, 1, 0, 1000, -1000, 0)
        if kind is MPU6886:
            expected = struct.pack(">7h", 0, 1, 0, 0, 1000, -1000, 0)
        at = chip.lost_bytes
        assert first == (expected + struct.pack(">2h", 1, 2))[at : at + 4]


def test_stop_when_full():
    clock, chip = start(MPU6886)
    put(chip, 0x1A, 0x41)
    clock.t += 2000000
    assert count(chip) == 1024
    assert get(chip, 0x74, 4) == b"\x00\x00\x00\x01"


def test_a_long_absence():
    for kind in SWITCHES:
        clock, chip = start(kind)
        clock.t += 10000 * 20000
        assert count(chip) == 1024
        raw = get(chip, 0x74, 1024)
        assert struct.unpack(">h", raw[-2:])[0] == 19999
        assert chip.lost_bytes == 20000 * PACKET[kind] - 1024


def test_shadowed_count():
    clock, chip = start(MPU6050)
    clock.t += 20000
    assert get(chip, 0x73) == 0  # never loaded
    assert get(chip, 0x72) == 0
    clock.t += 10000
    assert get(chip, 0x73) == 24
    clock, chip = start(MPU6886)
    clock.t += 20000
    assert get(chip, 0x72) == 0
    clock.t += 500000
    assert get(chip, 0x72) == 0 and get(chip, 0x73) == 28
    assert count(chip) == 52 * 14


def test_fifo_reset():
    clock, chip = start(MPU6050)
    clock.t += 20000
    put(chip, 0x6A, 0x44)  # FIFO_RESET works while FIFO_EN is 0
    assert count(chip) == 24 and get(chip, 0x6A) == 0x40
    put(chip, 0x6A, 0x04)
    assert count(chip) == 0 and get(chip, 0x6A) == 0
    clock, chip = start(MPU6886)
    clock.t += 20000
    put(chip, 0x6A, 0x44)
    assert count(chip) == 0 and get(chip, 0x6A) == 0x40


def test_rows_go_on_after_a_reset_within_a_recording():
    clock, chip = start(MPU6886)
    clock.t += 20000
    get(chip, 0x74, 14)
    put(chip, 0x6A, 0x44)
    clock.t += 10000
    assert struct.unpack(">h", get(chip, 0x74, 2))[0] == 2


def test_rates():
    for kind, div, dlpf, period in (
        (MPU6050, 0, 0, 125), (MPU6050, 7, 7, 1000), (MPU6050, 255, 3, 256000), (MPU6886, 4, 1, 5000),
        (MPU6886, 4, 0, 125), (MPU6886, 0, 6, 1000),
    ):  # fmt: skip
        clock, chip = start(kind)
        put(chip, 0x19, div, dlpf)
        put(chip, 0x6A, 0)
        put(chip, 0x6A, 4)
        put(chip, 0x6A, 0x40)
        clock.t += 10 * period
        assert count(chip) == 10 * PACKET[kind], (kind, div, dlpf, count(chip))


def test_fast_gyroscope_repeats_the_accelerometer():
    clock, chip = start(MPU6050)
    put(chip, 0x19, 0, 0)
    put(chip, 0x6A, 4)
    put(chip, 0x6A, 0x40)
    clock.t += 125 * 16
    words = struct.unpack(">96h", get(chip, 0x74, 192))
    accel = set(words[i] for i in range(0, 96, 6))
    gyro = set(words[i] for i in range(3, 96, 6))
    assert len(accel) in (2, 3) and len(gyro) == 16, (accel, gyro)


def test_standby_axes_read_0():
    clock, chip = start(MPU6050)
    put(chip, 0x6C, 0x07)
    clock.t += 10000
    assert struct.unpack(">6h", get(chip, 0x74, 12))[3:] == (0, 0, 0)


def test_watermark_interrupt():
    pin = Pin()
    clock, chip = start(MPU6886, int1=pin)
    put(chip, 0x37, 0x20)  # latched, active high
    put(chip, 0x60, 0x00, 140)
    t0 = clock.t
    pin.wait_for(chip, clock, 1)
    assert clock.t - t0 == 100000 and count(chip) == 140
    assert get(chip, 0x39) == 0x40 and pin.level == 0 and get(chip, 0x39) == 0


def test_overflow_interrupt_pulse():
    pin = Pin()
    clock, chip = start(MPU6050, int1=pin)
    put(chip, 0x37, 0x80)  # active low, 50 us
    put(chip, 0x38, 0x10)
    t0 = clock.t
    pin.wait_for(chip, clock, 0)
    assert clock.t - t0 == 860000
    t0 = clock.t
    pin.wait_for(chip, clock, 1)
    assert clock.t - t0 == 50


def test_reading_allocates_nothing():
    for kind in SWITCHES:
        clock, chip = start(kind)
        clock.t += 900000
        buf = bytearray(PACKET[kind] * 16)
        small = bytearray(2)
        micropython.heap_lock()
        try:
            chip.read(0x3A, small, 0, 1)
            chip.read(0x72, small, 0, 2)
            chip.read(0x74, buf, 0, len(buf))
        finally:
            micropython.heap_unlock()
