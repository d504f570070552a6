"""From the configuration to a mounted card, with a driver in place of the port's."""

import os
import sys
import time

from app import card
from storage.card import SECTOR

SECTORS = 512
SPI = {"kind": "spi", "id": 2, "sck": 18, "mosi": 23, "miso": 19, "freq_hz": 20000000}


class Driver:
    """A card in RAM; takes whatever a driver is made with."""

    made = []
    absent = 0

    def __init__(self, *args, **options):
        if Driver.absent:
            Driver.absent -= 1
            raise OSError("no SD card")
        Driver.made.append((args, options))
        self.data = bytearray(SECTOR * SECTORS)
        os.VfsFat.mkfs(self)

    def readblocks(self, sector, buf):
        buf[:] = memoryview(self.data)[sector * SECTOR : sector * SECTOR + len(buf)]

    def writeblocks(self, sector, buf):
        self.data[sector * SECTOR : sector * SECTOR + len(buf)] = buf

    def ioctl(self, op, arg):
        return {4: SECTORS, 5: SECTOR}.get(op)


class Pin:
    OUT = 1

    def __init__(self, number, mode=None, value=None):
        self.told = number, mode, value


class Machine:
    """In place of the port's modules `machine` and `sdcard`."""

    SDCard = Driver
    Pin = Pin

    def SPI(number, **options):
        return number, options["baudrate"], options["sck"].told[0], options["mosi"].told[0], options["miso"].told[0]


def opened(fields, modules):
    """-> (what the driver was made with, lines logged)."""
    Driver.made = []
    before = {name: sys.modules.pop(name, None) for name in ("machine", "sdcard")}
    sys.modules.update(modules)
    lines = []
    sleep, card.time = card.time, Hurry
    try:
        volume = card.open_volume(fields, {"spi2": SPI}, lines.append)
        with open("/sd/file", "w") as file:
            file.write("x")
        volume.unmount()
    finally:
        card.time = sleep
        for name in before:
            sys.modules.pop(name, None)
            if before[name]:
                sys.modules[name] = before[name]
    return Driver.made, lines


class Hurry:
    def sleep(seconds):
        time.sleep_ms(1)


def test_the_boards_own_slot():
    assert opened({"bus": None, "cs": None}, {"machine": Machine}) == ([((), {})], [])


def test_a_card_on_spi():
    made, lines = opened({"bus": "spi2", "cs": 5}, {"machine": Machine, "sdcard": Machine})
    (spi, cs), options = made[0]
    assert spi == (2, 20000000, 18, 23, 19) and cs.told == (5, Pin.OUT, 1) and options == {"baudrate": 20000000}
    assert len(made) == 1 and lines == []


def test_a_card_that_is_not_there_yet_is_waited_for():
    Driver.absent = 2
    made, lines = opened({"bus": None, "cs": None}, {"machine": Machine})
    assert len(made) == 1 and lines == ["no SD card: tried again in 5 s"] * 2


def test_a_firmware_without_the_driver_says_so():
    class Stop(Exception):
        pass

    def log(line):
        assert "no driver for the card" in line, line
        raise Stop

    for fields in ({"bus": None, "cs": None}, {"bus": "spi2", "cs": 5}):
        before = sys.modules.get("machine")
        sys.modules["machine"] = Pin  # it has neither SDCard nor SPI
        sys.modules.pop("sdcard", None)
        try:
            card.open_volume(fields, {"spi2": SPI}, log)
            raise AssertionError("opened")
        except Stop:
            pass
        finally:
            if before:
                sys.modules["machine"] = before
            else:
                del sys.modules["machine"]
