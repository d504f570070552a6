"""The kernels: both twins do the same, and neither allocates."""

import binascii
import os

import micropython

from mptest import SkipTest
from storage import kernels, kernels_plain

try:
    from storage import kernels_viper
except (SyntaxError, ValueError, NotImplementedError):
    kernels_viper = None

TWINS = [twin for twin in (kernels_viper, kernels_plain) if twin]


def test_copy_moves_these_bytes_and_no_others():
    source = os.urandom(120)
    for twin in TWINS:
        for at in (0, 1, 4, 12):
            for start in (0, 3, 8):
                for n in (0, 1, 4, 7, 64, 100):
                    target = bytearray(120)
                    twin.copy(target, at, source, start, n)
                    assert target == bytes(at) + source[start : start + n] + bytes(120 - at - n), (twin, at, start, n)


def test_crc_in_pieces_is_that_of_zlib():
    data = os.urandom(1000)
    for twin in TWINS:
        state = bytearray(4)
        kernels.crc32_start(state)
        for start, end in ((0, 1), (1, 500), (500, 500), (500, 1000)):
            twin.crc32(state, data[start:end], end - start)
        assert kernels.crc32_value(state) == binascii.crc32(data), twin


def test_check_value_of_the_crc():
    state = bytearray(4)
    kernels.crc32_start(state)
    kernels.crc32(state, b"123456789", 9)
    assert kernels.crc32_value(state) == 0xCBF43926


def test_neither_twin_allocates():
    source = os.urandom(64)
    target = bytearray(64)
    state = bytearray(4)
    for twin in TWINS:
        micropython.heap_lock()
        try:
            kernels.crc32_start(state)
            twin.copy(target, 4, source, 0, 50)
            twin.crc32(state, source, 64)
        finally:
            micropython.heap_unlock()


def test_machine_code_is_used_where_there_is_any():
    if kernels_viper is None:
        raise SkipTest("this interpreter has no viper emitter")
    assert kernels.copy is kernels_viper.copy and kernels.crc32 is kernels_viper.crc32
