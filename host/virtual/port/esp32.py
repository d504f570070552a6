"""The board's `esp32`: which pins end its sleeps."""

from hardware import board
from sleeping import wake_pins

if board.port != "esp32":
    raise ImportError("no module named 'esp32'")

WAKEUP_ALL_LOW = False
WAKEUP_ANY_HIGH = True


def wake_on_ext1(pins, level):
    """The pins whose `level` ends light and deep sleep; None: none does."""
    wake_pins.clear()
    for pin in pins or ():
        wake_pins[pin.number] = 1 if level else 0
