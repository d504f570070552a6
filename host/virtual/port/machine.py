"""The board's `machine`."""

import umachine
from buses import I2C, SPI
from hardware import board
from i2s import I2S
from pins import Pin
from sleeping import (  # noqa: F401
    DEEPSLEEP_RESET,
    EXT1_WAKE,
    HARD_RESET,
    PWRON_RESET,
    SOFT_RESET,
    TIMER_WAKE,
    WDT_RESET,
    deepsleep,
    lightsleep,
    reset,
    reset_cause,
)
from sleeping import Watchdog as WDT
from timers import RTC, Timer
from umachine import mem8, mem16, mem32  # noqa: F401

__all__ = ("I2C", "I2S", "Pin", "RTC", "SPI", "Signal", "SoftI2C", "SoftSPI", "Timer", "WDT")

if board.port == "esp32":
    from sleeping import wake_reason  # noqa: F401

if "adc" in board.world:
    from adc import ADC  # noqa: F401

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


def freq(hz=None):
    """The CPU clock, which cannot be changed here."""
    if hz is None:
        return 160000000


def idle():
    """Wait for the next interrupt, at most a millisecond."""
    board.clock.step(board.clock.now() + _IDLE_US)


def disable_irq():
    """-> state for enable_irq(). Interrupts happen only where time passes, so there is nothing to disable."""
    return 0


def enable_irq(state):
    """See disable_irq()."""
