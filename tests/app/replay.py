"""Sensors that replay a transcript without any use of the heap, for tests that lock it: the code under test is then
the only one that could allocate. Time is the test's: ``make(n)`` lets n frames more be made.
"""

import io
import struct

WORDS = 512
ADDRESS = 0x6A


def frame(number):
    """-> the six int16 of the LSM6DSOX's frame with that number."""
    return number, -number, number ^ 0x55, -1 - number, number >> 3, 77


class Lsm6dsox:
    """An LSM6DSOX at 104 Hz whose FIFO shows a transcript of ``frames`` frames (DS12814), behind the methods of
    ``machine.I2C`` and of ``machine.SPI`` with its chip select ``cs``.
    """

    def __init__(self, frames):
        transcript = bytearray(14 * frames)
        for number in range(frames):
            gx, gy, gz = frame(number)[3:]
            struct.pack_into("<Bhhh", transcript, 14 * number, self._tag(1, number), gx, gy, gz)
            struct.pack_into("<Bhhh", transcript, 14 * number + 7, self._tag(2, number), *frame(number)[:3])
        self._fifo = io.BytesIO(transcript)
        self._registers = bytearray(128)
        self._registers[0x0F] = 0x6C
        self._start()

    @staticmethod
    def _tag(sensor, number):
        tag = sensor << 3 | (number & 3) << 1
        return tag | bin(tag).count("1") & 1

    def _start(self):
        self.made = 0
        self._read = 0  # words given away, or lost
        self._overran = False
        self._register = 0

    def make(self, n):
        self.made += n
        if 2 * self.made - self._read > WORDS:
            self._read = 2 * self.made - WORDS
            self._overran = True

    def readfrom_mem_into(self, address, register, buf):
        if register == 0x78:
            self._fifo.seek(7 * self._read)
            self._read += self._fifo.readinto(buf) // 7
            return
        level = 2 * self.made - self._read
        ticks = 400 + 384 * self.made
        registers = self._registers
        registers[0x3A] = level & 0xFF
        registers[0x3B] = level >> 8 | (0x08 if self._overran else 0)
        for i in range(4):
            registers[0x40 + i] = ticks >> 8 * i & 0xFF
        for i in range(len(buf)):
            buf[i] = registers[register + i]
        if register == 0x3A:
            self._overran = False

    def writeto_mem(self, address, register, buf):
        self._registers[register] = buf[0] & 0xFE if register == 0x12 else buf[0]  # a reset is over at once
        if register == 0x0A:
            self._start()

    def cs(self, level):
        pass

    def write(self, buf):
        self._register = buf[0] & 0x7F
        if len(buf) > 1:
            self._registers[self._register] = buf[1] & 0xFE if self._register == 0x12 else buf[1]
            if self._register == 0x0A:
                self._start()

    def readinto(self, buf):
        self.readfrom_mem_into(ADDRESS, self._register, buf)


class I2S(io.IOBase):
    """``machine.I2S`` in 32-bit mono: sample n is n modulo 65536 in the upper half. A full buffer drops its oldest."""

    def __init__(self, ibuf_bytes=40000, period_us=64):
        self.capacity = ibuf_bytes // 8
        self.made = 0
        self._read = 0
        self._period_us = period_us

    def ticks_us(self):
        return self.made * self._period_us & 0x3FFFFFFF

    def ioctl(self, request, arg):
        return 0

    def deinit(self):
        pass

    def make(self, n):
        self.made += n
        if self.made - self._read > self.capacity:
            self._read = self.made - self.capacity

    def readinto(self, buf):
        n = min(len(buf) // 4, self.made - self._read)
        for i in range(n):
            number = self._read + i
            buf[4 * i] = buf[4 * i + 1] = 0
            buf[4 * i + 2] = number & 0xFF
            buf[4 * i + 3] = number >> 8 & 0xFF
        self._read += n
        return 4 * n
