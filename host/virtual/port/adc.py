"""machine.ADC of the virtual board, where the world has `adc`: {"pin": volts, or [[seconds of the world, volts], ...]}.

As the ESP32 port's: 0 to 3.3 V on 16 bits, and in microvolts.
"""

from hardware import board
from pins import Pin

_FULL_V = 3.3


class ADC:
    """`ADC(pin)`; a pin that the world does not name sees 0 V."""

    def __init__(self, pin):
        self._volts = board.world["adc"].get(str(Pin(pin).number), 0)

    def _now(self):
        volts = self._volts
        if isinstance(volts, list):
            volts = 0
            for at_s, then in self._volts:
                if at_s * 1000000 <= board.life.now():
                    volts = then
        return max(0, min(volts, _FULL_V))

    def read_u16(self):
        """-> 0 to 65535."""
        return int(self._now() / _FULL_V * 65535)

    def read_uv(self):
        """-> microvolts."""
        return int(self._now() * 1000000)
