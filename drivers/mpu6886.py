"""MPU-6886 accelerometer and gyroscope (TDK InvenSense), read through its FIFO.

Registers, bits and procedures are those of the data sheet DS-000193. For the FIFO it is an MPU-6050 with a temperature
in every packet, with SPI, and with a watermark. Not offered: the accelerometer's 4 kHz, the low-power modes.
"""

from drivers.fifo import swapped
from drivers.mpu6050 import MPU6050

_ACCEL_CONFIG2 = 0x1D
_FIFO_WM_TH1 = 0x60  # high bits; FIFO_WM_TH2 follows
_FIFO_WM_TH2 = 0x61
_I2C_IF = 0x70
_I2C_IF_DIS = 0x40


class MPU6886(MPU6050):
    """Frames of int16 ``ax ay az gx gy gz``, or the measured half; each exactly once, losses counted.

    As MPU6050, except: ``bus`` has the methods of ``machine.SPI`` when ``cs`` is given; the gyroscope alone has 8000 Hz
    besides 1000 / n; with ``int_pin``, INT gives a pulse when ``watermark`` frames wait (half the FIFO unless given).
    """

    _NAME = "MPU-6886"
    _IDENTITY = 0x19
    _HAS_SPI = True
    _FAST_DIVIDED = 2  # the divider works below the filter only

    def __init__(
        self,
        bus,
        *,
        address=None,
        cs=None,
        int_pin=None,
        rate_hz=100,
        accel_range_g=4,
        gyro_range_dps=500,
        measure=("accel", "gyro"),
        watermark=None,
    ):
        self._watermark = watermark
        self._on_spi = cs is not None
        super().__init__(
            bus,
            address=address,
            cs=cs,
            int_pin=int_pin,
            rate_hz=rate_hz,
            accel_range_g=accel_range_g,
            gyro_range_dps=gyro_range_dps,
            measure=measure,
        )

    def _packets(self, accel, gyro):
        """Accelerometer, temperature, gyroscope; of one sensor alone its words and the temperature."""
        order = swapped(0, 3) if accel else b""
        if gyro:
            order += swapped(8 if accel else 2, 3)
        size = len(order) + 2
        frames = self._FIFO_BYTES // size
        if self._watermark is None:
            self._watermark = frames // 2
        if not 0 < self._watermark < frames:
            raise ValueError(f"watermark {self._watermark}: the {self._NAME} takes 1 to {frames - 1} frames")
        self._watermark = self._watermark * size if self._pin else 0
        self._pin = False  # no pulse for each frame
        return (0x08 if accel else 0) | (0x10 if gyro else 0), size, order

    def _clock_source(self):
        return 1  # the best there is

    def _configure_more(self, write):
        if self._on_spi:
            write(_I2C_IF, _I2C_IF_DIS)
        write(_ACCEL_CONFIG2, self._filter)
        write(_FIFO_WM_TH1, self._watermark >> 8)
        write(_FIFO_WM_TH2, self._watermark & 0xFF)
