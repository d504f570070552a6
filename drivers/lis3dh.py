"""LIS3DH and LIS2DH12 accelerometers (ST), read through their FIFO.

Registers, bits and procedures are those of the data sheets DocID17530 and DocID025056 and of application note AN3308;
the two are alike in all that is used here. Not offered: low power at the rates that have 12 bits, the filters.
"""

from drivers.bus import Registers
from drivers.fifo import FifoDriver, choose, measured
from drivers.timing import sleep_ms

_WHO_AM_I = 0x0F
_CTRL_REG1 = 0x20  # CTRL_REG2 .. 6 follow
_CTRL_REG3 = 0x22
_CTRL_REG4 = 0x23
_CTRL_REG5 = 0x24
_FIFO_CTRL_REG = 0x2E
_FIFO_SRC_REG = 0x2F
_OUT_X_L = 0x28
_MANY = 0x80  # I2C: go on with the next register; after 0x2D comes 0x28 again

_IDENTITY = 0x33
_XYZ_EN = 0x07
_LOW_POWER = 0x08  # CTRL_REG1: 8 bits
_BDU = 0x80  # CTRL_REG4: both halves of a word of one moment
_HIGH_RESOLUTION = 0x08  # 12 bits
_BOOT = 0x80
_FIFO_EN = 0x40
_STREAM = 0x80  # FIFO_CTRL_REG: the oldest samples give way
_I1_WTM = 0x04
_OVERRUN = 0x40  # FIFO_SRC_REG: full, the next sample takes the place of the oldest
_EMPTY = 0x20
_FSS = 0x1F

_DEPTH = 32
_RATES = {1: 1, 10: 2, 25: 3, 50: 4, 100: 5, 200: 6, 400: 7, 1344: 9}
_COARSE_RATES = {1600: 8, 5376: 9}  # in low-power mode: 8 bits
_ACCEL = {2: (0, 1e-3), 4: (1, 2e-3), 8: (2, 4e-3), 16: (3, 12e-3)}  # FS, g per 12-bit digit; 16 counts are a digit


class LIS3DH(FifoDriver):
    """Frames of int16 ``ax ay az`` (left-justified: 12 bits; 8 bits at 1600 and 5376 Hz), each exactly once, losses
    counted.

    ``bus`` has the methods of ``machine.I2C`` (``address`` 0x18 or 0x19), or of ``machine.SPI`` when ``cs`` is given.
    ``measure`` is ("accel",); ``gyro_range_dps`` is there for the sake of the contract. With ``int_pin``, INT1 is high
    while ``watermark`` frames or more wait (half the FIFO unless given): a hint, nothing here depends on it.
    ValueError for a rate or range that the chip lacks, OSError when no LIS3DH answers.

    The FIFO holds frames as they are: a read that fits the caller's buffer goes right into it, without a copy. It is
    short: 32 frames. An overflow is seen while the FIFO is full, or by the host's clock; the clock also says how much
    is lost (``lost_exact`` turns False). Settling frames are kept (AN3308: one frame after switching on, 7 at 1344 Hz).
    """

    _NAME = "LIS3DH"
    _LATCHED = False
    _DATA = _OUT_X_L | _MANY

    def __init__(
        self,
        bus,
        *,
        address=None,
        cs=None,
        int_pin=None,
        rate_hz=100,
        accel_range_g=4,
        gyro_range_dps=None,
        measure=("accel",),
        watermark=None,
    ):
        measured(self._NAME, measure, has=("accel",))
        rates = dict(_RATES)
        rates.update(_COARSE_RATES)
        coarse = rate_hz in _COARSE_RATES
        self._ctrl_reg1 = choose(self._NAME, "rate_hz", rate_hz, rates) << 4 | _XYZ_EN | (_LOW_POWER if coarse else 0)
        code, digit = choose(self._NAME, "accel_range_g", accel_range_g, _ACCEL)
        self._ctrl_reg4 = code << 4 | _BDU | (0 if coarse else _HIGH_RESOLUTION)
        self._watermark = 0
        if int_pin is not None:
            self._watermark = _DEPTH // 2 if watermark is None else watermark
            if not 0 < self._watermark < _DEPTH:
                raise ValueError(f"watermark {watermark}: the {self._NAME} takes 1 to {_DEPTH - 1} frames")
        registers = Registers(bus, address=0x18 if address is None else address, cs=cs, increment_bit=0x40)
        self._prepare(registers, rate_hz, digit / 16, 0, 6, _DEPTH, None)
        self._reset()

    def _reset(self):
        """Prove the chip, then give every register that matters its default: it has no reset of its own."""
        registers = self._registers
        for _ in range(3):  # it boots for 5 ms after power-up
            try:
                registers.expect(_WHO_AM_I, _IDENTITY, self._NAME)
                break
            except OSError:
                sleep_ms(5)
        else:
            registers.expect(_WHO_AM_I, _IDENTITY, self._NAME)
        registers.write(_CTRL_REG5, _BOOT)  # trimming parameters anew
        sleep_ms(10)
        registers.write(_FIFO_CTRL_REG, 0)
        for register in range(_CTRL_REG1, _CTRL_REG1 + 6):
            registers.write(register, 0)

    def _set_up(self):
        self._reset()
        write = self._registers.write
        write(_CTRL_REG3, _I1_WTM if self._watermark else 0)
        write(_CTRL_REG4, self._ctrl_reg4)
        write(_CTRL_REG5, _FIFO_EN)
        write(_FIFO_CTRL_REG, _STREAM | self._watermark)
        write(_CTRL_REG1, self._ctrl_reg1)

    def _halt(self):
        self._registers.write(_CTRL_REG1, _XYZ_EN)  # power-down
        self._registers.write(_FIFO_CTRL_REG, 0)

    def _status(self):
        source = self._registers.read(_FIFO_SRC_REG)
        self._flagged = source & _OVERRUN != 0
        self._level = _DEPTH if self._flagged else 0 if source & _EMPTY else source & _FSS


class LIS2DH12(LIS3DH):
    """The same chip to this driver."""

    _NAME = "LIS2DH12"
