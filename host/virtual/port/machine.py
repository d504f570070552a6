"""The board's `machine`."""

import umachine
from buses import I2C, SPI
from clock import NEVER
from hardware import RESET, board
from i2s import I2S
from pins import Pin
from timers import RTC, Timer
from umachine import mem8, mem16, mem32  # noqa: F401

__all__ = ("I2C", "I2S", "Pin", "RTC", "SPI", "Signal", "SoftI2C", "SoftSPI", "Timer")

PWRON_RESET = 1  # the values are the ESP32 port's
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

Signal = umachine.Signal
_IDLE_US = 1000


class SoftI2C(I2C):
    """Bit-banged I2C: here on the wires of I2C 0."""

    def __init__(self, scl=None, sda=None, *, freq=400000, timeout=50000):
        super().__init__(0, scl=scl, sda=sda, freq=freq, timeout=timeout)


class SoftSPI(SPI):
    """Bit-banged SPI: here on the wires of SPI 1."""

    def __init__(
        self, baudrate=500000, *, polarity=0, phase=0, bits=8, firstbit=SPI.MSB, sck=None, mosi=None, miso=None
    ):
        super().__init__(1, baudrate, polarity=polarity, phase=phase)


def unique_id():
    """Six bytes, from the world's `unique_id` (hex)."""
    return bytes.fromhex(board.world.get("unique_id", "024d6f746500"))


def reset_cause():
    """The world's `reset_cause`; power-on if it says nothing."""
    return board.world.get("reset_cause", PWRON_RESET)


def reset():
    """End the process; the launcher sees a reset."""
    board.end(RESET, "reset")


def freq(hz=None):
    """The CPU clock, which cannot be changed here."""
    if hz is None:
        return 160000000


def idle():
    """Wait for the next interrupt, at most a millisecond."""
    board.clock.step(board.clock.now() + _IDLE_US)


def lightsleep(ms=None):
    """Sleep `ms` milliseconds, or until an interrupt; sooner if an interrupt comes. RAM and peripherals stay."""
    end = NEVER if ms is None else board.clock.now() + ms * 1000
    due = board.clock.next_due()
    board.clock.wait_until(min(end, due) if due < NEVER else end)


def disable_irq():
    """-> state for enable_irq(). Interrupts happen only where time passes, so there is nothing to disable."""
    return 0


def enable_irq(state):
    """See disable_irq()."""
