"""One recording from the fake LSM6DSOX, checked frame by frame. Runs on both Pythons."""

import struct

from fake_lsm6dsox import frame_values


class Reader:
    """Reads a driver and holds every frame against what the chip made.

    The frame that must come next is the one after the last, plus what ``lost`` grew by in the same readinto.
    """

    def __init__(self, chip, driver, first=0):
        self.chip = chip
        self.driver = driver
        self.position = first
        self.lost = 0
        self.got = 0
        self.gaps = []
        self.buffer = bytearray(driver.frame_bytes * 600)
        self.first_value = 0 if driver.channels[0] == "ax" else 3
        self.channels = len(driver.channels)

    def read(self, room):
        """readinto of ``room`` frames -> frames; the bus may raise."""
        driver = self.driver
        size = driver.frame_bytes
        view = memoryview(self.buffer)[: room * size + room % 2]  # an odd byte more now and then
        n = driver.readinto(view)
        lost = driver.lost - self.lost
        self.lost = driver.lost
        if lost:
            assert lost > 0
            self.gaps.append((self.position, lost))
            self.position += lost
        for i in range(n):
            values = struct.unpack_from(f"<{self.channels}h", self.buffer, i * size)
            expected = frame_values(self.position)[self.first_value : self.first_value + self.channels]
            assert values == expected, (i, n, self.position, values, expected, self.gaps[-3:])
            self.position += 1
        self.got += n
        return n

    def drain(self, room=600):
        """Everything that waits."""
        self.driver.available()
        while self.read(room):
            pass

    def balance(self):
        """The account must close: everything the sensor made was read or is known to be lost."""
        produced = self.driver.produced()
        assert self.got + self.lost == produced, (self.got, self.lost, produced)
        return produced
