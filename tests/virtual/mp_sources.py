"""Recordings and synthesis that feed the chip models."""

import io
import struct
import sys
from array import array

import micropython

from host.virtual.chips import mic, slots, source
from mptest import SkipTest


def npy(rows, columns, version=1, descr="<i2", order="False", quote="'"):
    data = array("h", bytes(2 * rows * columns))
    for i in range(rows * columns):
        data[i] = i - 1000
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({rows}, {columns}), }}\n"
    header = header.replace("'", quote).encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return io.BytesIO(b"\x93NUMPY" + bytes([version, 0]) + length + header + bytes(data))


def wav(samples, before=b"", channels=1, bits=16, claim=None):
    data = bytes(array("h", samples))
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, channels, 16000, 32000, 2, bits)
    body = b"WAVE" + form + before + b"data" + struct.pack("<I", len(data) if claim is None else claim) + data
    return io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body)


def refused(call, *words):
    try:
        call()
    except ValueError as error:
        for word in words:
            assert word in str(error), error
        return
    raise AssertionError("accepted")


def test_npy_rows_of_six_in_any_order_and_from_the_top_again():
    for version in (1, 2, 3):
        rows = source.NpyRows(npy(200, 6, version), "x.npy")
        for i in (0, 1, 63, 64, 199, 5, 200, 463, 100000):
            rows.row(i)
            first = i % 200 * 6 - 1000
            assert list(rows.counts) == list(range(first, first + 6)), i


def test_npy_of_three_columns_gets_a_gyroscope():
    rows = source.NpyRows(npy(100, 3, quote='"'), "x.npy")
    rows.row(107)
    assert list(rows.counts)[:3] == [21 - 1000, 22 - 1000, 23 - 1000]
    expected = [0, 0, 0, 0, 0, 0]
    source.synthetic_gyro(expected, 107)
    assert list(rows.counts)[3:] == expected[3:] and expected[3] != 0


def test_npy_that_does_not_fit():
    refused(lambda: source.NpyRows(npy(9, 4), "x.npy"), "x.npy", "(9, 4)")
    refused(lambda: source.NpyRows(npy(9, 3, descr="<f4"), "x.npy"), "<f4")
    refused(lambda: source.NpyRows(npy(9, 3, order="True"), "x.npy"), "C order")
    refused(lambda: source.NpyRows(npy(0, 3), "x.npy"), "n > 0")
    refused(lambda: source.NpyRows(io.BytesIO(b"PK\x03\x04 and so on, a zip"), "x.npy"), "not a .npy")
    short = npy(9, 3).getvalue()[:-2]
    refused(lambda: source.NpyRows(io.BytesIO(short), "x.npy"), "promises")


def test_sine_is_a_sine():
    import math

    for phase in range(-1024, 2048, 7):
        assert abs(source.sine(phase) - 1024 * math.sin(phase * math.pi / 512)) < 70, phase


def test_motion_depends_on_seed_and_row_only():
    a, b, c = source.Motion(1), source.Motion(1), source.Motion(2)
    a.row(5)
    for i in (900, 5):
        b.row(i)
    c.row(5)
    assert list(a.counts) == list(b.counts) != list(c.counts)


def test_wav_is_played_sample_by_sample_and_again():
    samples = [-32768, -1, 0, 1, 32767]
    sound = mic.Microphone(mic.Wav(wav(samples, b"LIST\x03\x00\x00\x00abc\x00"), "x.wav"), shift=16)
    buf = bytearray(4 * 12)
    sound.fill(buf, 0, 3, 12, 32, 1)
    assert struct.unpack("<12i", buf) == tuple(samples[(3 + i) % 5] << 16 for i in range(12))


def test_wav_lengths_that_lie():
    sound = mic.Wav(wav([1, 2, 3], claim=0xFFFFFFFF), "x.wav")
    assert sound.samples == 3


def test_wav_that_does_not_fit():
    refused(lambda: mic.Wav(wav([1], channels=2), "x.wav"), "x.wav", "mono")
    refused(lambda: mic.Wav(wav([1], bits=8), "x.wav"), "mono 16-bit")
    refused(lambda: mic.Wav(wav([], claim=0), "x.wav"), "no data")
    refused(lambda: mic.Wav(io.BytesIO(b"RIFX....WAVE"), "x.wav"), "not a WAV")


def test_slots_of_every_shape():
    sound = mic.Microphone(mic.Wav(wav([0x1234, -2]), "x.wav"), shift=12)
    for bits, channels, expected in (
        (32, 1, struct.pack("<2i", 0x1234 << 12, -2 << 12)),
        (32, 2, struct.pack("<4i", 0x1234 << 12, 0, -2 << 12, 0)),
        (16, 1, struct.pack("<2h", 0x123, -1)),
        (16, 2, struct.pack("<4h", 0x123, 0, -1, 0)),
    ):
        buf = bytearray(len(expected) + 2)
        sound.fill(buf, 1, 0, 2, bits, channels)
        assert buf == b"\x00" + expected + b"\x00", (bits, channels, buf)


def test_noise_stays_below_its_bits():
    sound = mic.Microphone(mic.Wav(wav([-5]), "x.wav"), shift=16, noise_bits=10)
    buf = bytearray(400)
    sound.fill(buf, 0, 0, 100, 32, 1)
    values = struct.unpack("<100i", buf)
    assert all(v >> 10 == -5 << 6 for v in values)
    assert len(set(values)) > 50


def test_plain_and_native_slots_agree():
    try:
        from host.virtual.chips.slots_viper import copy_slots
    except SyntaxError:
        raise SkipTest("this port has no native code emitter") from None
    samples = array("h", [-32768, -1, 0, 1, 32767, 12345, -12345])
    for shift in (0, 8, 16):
        for width in (2, 4):
            for channels in (1, 2):
                results = []
                for copy in (copy_slots, slots.copy_slots):
                    how = array("i", (3, 7, shift, 0xFF, 99, width, channels))
                    buf = bytearray(3 + 7 * width * channels)
                    copy(buf, samples, how)
                    results.append((bytes(buf), list(how)))
                assert results[0] == results[1], (shift, width, channels)


def test_no_heap():
    if sys.maxsize < 1 << 32:
        raise SkipTest("the virtual board is a 64-bit process")
    rows = source.NpyRows(npy(200, 6), "x.npy")
    sound = mic.Microphone(mic.Wav(wav(list(range(700))), "x.wav"))
    buf = bytearray(4 * 600)
    motion = source.Motion()
    micropython.heap_lock()
    try:
        rows.row(150)
        motion.row(5)
        sound.fill(buf, 0, 300, 600, 32, 1)
    finally:
        micropython.heap_unlock()
