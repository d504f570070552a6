"""The sensors of a board whose heap is measured: program of a virtual board, which is another process than that one.

It serves one caller (tests/bench/bare/machine.py) through two named pipes. A request is a letter, three bytes, a
length of two bytes (little-endian) and, for what is written, so many bytes; the answer is 0, or an errno, and then what
was read.

    letter  b"r" I2C read   b"w" I2C write   b"t" SPI read   b"s" SPI write   b"o" pin, with its level as the length
    bytes   bus, address, register           bus, -, -                         pin, -, -
"""

import json

import machine
from hardware import board


def run():
    with open("/pipes.json") as file:
        paths = json.load(file)
    requests = board.host.open(paths["requests"], "rb")
    answers = board.host.open(paths["answers"], "wb")
    buses = {}
    head = bytearray(6)
    while requests.readinto(head) == len(head):
        n = head[4] | head[5] << 8
        letter = head[:1]
        data = requests.read(n) if letter in b"ws" else bytearray(n)
        try:
            _carry_out(letter, head, data, buses)
        except OSError as error:
            answers.write(bytes((error.errno,)))
            continue
        answers.write(b"\0" + data if letter in b"rt" else b"\0")
    return 0


def _carry_out(letter, head, data, buses):
    if letter == b"o":
        machine.Pin(head[1], machine.Pin.OUT, value=head[4])
        return
    make = machine.I2C if letter in b"rw" else machine.SPI
    key = (make, head[1])
    if key not in buses:
        buses[key] = make(head[1])
    bus = buses[key]
    if letter == b"r":
        bus.readfrom_mem_into(head[2], head[3], data)
    elif letter == b"w":
        bus.writeto_mem(head[2], head[3], data)
    elif letter == b"t":
        bus.readinto(data)
    else:
        bus.write(data)
