"""Numbers with an uncertainty, and what sensors draw."""

from dataclasses import dataclass

from config.board_model import Figure

DAY_S = 86_400


@dataclass(frozen=True)
class Range:
    """A number that lies between `low` and `high`, most likely near `typical`; low <= typical <= high."""

    low: float
    typical: float
    high: float

    @classmethod
    def of(cls, figure: Figure | None) -> "Range":
        """A board file's figure; nothing at all for null."""
        return cls(figure.low, figure.typical, figure.high) if figure else NOTHING

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.typical + other.typical, self.high + other.high)

    def __mul__(self, other: "Range | float") -> "Range":
        """Of numbers that are not negative."""
        other = other if isinstance(other, Range) else Range(other, other, other)
        return Range(self.low * other.low, self.typical * other.typical, self.high * other.high)

    def over(self, other: "Range") -> "Range":
        """Quotient of numbers that are not negative; infinite where the divisor is 0."""
        return Range(
            *(
                a / b if b else float("inf")
                for a, b in ((self.low, other.high), (self.typical, other.typical), (self.high, other.low))
            )
        )

    def beyond(self, other: "Range") -> "Range":
        """How much more this is than `other`, case by case, and never less than nothing; in order again."""
        more = (max(0.0, a - b) for a, b in zip(self.values(), other.values(), strict=True))
        return Range(*sorted(more))

    def values(self) -> tuple[float, float, float]:
        """-> (low, typical, high)."""
        return self.low, self.typical, self.high

    def as_dict(self, digits: int = 3) -> dict[str, float | None]:
        """For JSON, which has no infinity: null instead."""
        values = (None if value == float("inf") else round(value, digits) for value in self.values())
        return dict(zip(("low", "typical", "high"), values, strict=True))


NOTHING = Range(0.0, 0.0, 0.0)


def _figure(low: float, typical: float, high: float, source: str) -> Figure:
    return Figure(low=low, typical=typical, high=high, source=source)


_LSM6DSOX = (
    _figure(0.55, 0.55, 0.7, "LSM6DSOX data sheet, electrical characteristics: 0.55 mA, both in high-performance mode"),
    _figure(0.15, 0.17, 0.25, "LSM6DSOX data sheet, electrical characteristics: 0.17 mA, accelerometer alone"),
)
_LIS = _figure(0.01, 0.02, 0.2, "LIS2DH12 data sheet, electrical characteristics: 10 to 20 uA at 100 Hz, 185 at 1344")
# In mA while it records: both sensors, accelerometer alone. Without the second figure the first one counts for either.
IMU_MA = {
    "lsm6dsox": _LSM6DSOX,
    "lsm6dso32": _LSM6DSOX,
    "ism330dhcx": (
        _figure(0.55, 1.2, 1.5, "second hand: 1.2 to 1.5 mA, both in high-performance mode"),
        _figure(0.17, 0.36, 0.5, "second hand: 0.36 mA, accelerometer alone"),
    ),
    "lsm6ds3trc": (
        _figure(0.65, 0.9, 1.25, "second hand: 0.9 mA, both in high-performance mode"),
        _figure(0.1, 0.16, 0.3, "second hand: 0.16 mA, accelerometer alone"),
    ),
    "bmi160": (
        _figure(0.85, 0.925, 1.1, "second hand: 0.925 mA, both in normal mode"),
        _figure(0.15, 0.18, 0.3, "second hand: 0.18 mA, accelerometer alone"),
    ),
    "bmi270": (
        _figure(0.6, 0.685, 0.97, "second hand: 0.685 mA, both in normal mode"),
        _figure(0.15, 0.21, 0.3, "second hand: 0.21 mA, accelerometer alone"),
    ),
    "icm42688": (
        _figure(0.8, 0.88, 1.0, "ICM-42688-P data sheet, electrical characteristics: 0.88 mA, both in low-noise mode"),
        _figure(0.25, 0.3, 0.4, "second hand: 0.3 mA, accelerometer alone"),
    ),
    "mpu6050": (
        _figure(3.6, 3.8, 4.3, "second hand: 3.8 mA, both"),
        _figure(0.4, 0.5, 0.7, "second hand: 0.5 mA, accelerometer alone"),
    ),
    "mpu6886": (
        _figure(2.5, 3.2, 4.0, "estimate: as the other InvenSense parts of its generation"),
        _figure(0.3, 0.4, 0.6, "estimate: as the other InvenSense parts of its generation"),
    ),
    "lis3dh": (_LIS, _LIS),
    "lis2dh12": (_LIS, _LIS),
}
MIC_MA = {
    "ics43434": _figure(0.23, 0.49, 0.55, "ICS-43434 data sheet: 0.23 mA low-power, 0.49 mA high-performance mode"),
    "inmp441": _figure(1.4, 1.6, 2.2, "INMP441 data sheet: 1.4 mA at 1.8 V, 2.2 mA at 3.3 V"),
}
ANY_MIC_MA = _figure(0.23, 1.0, 2.2, "estimate: between ICS-43434 (0.23 mA) and INMP441 (2.2 mA)")
PDM_MIC_MA = _figure(0.4, 0.6, 1.0, "estimate: PDM microphones of the MP34DT05 kind draw 0.6 to 0.7 mA")
ASLEEP_MA = _figure(0.003, 0.006, 0.05, "estimate: IMUs in power-down 3 to 10 uA, microphones without a clock 5 to 50")
_LSM6_WATCH = _figure(0.01, 0.02, 0.045, "second hand: accelerometer alone in low-power mode, 26 uA at 52 Hz")
_LIS_WATCH = _figure(0.004, 0.006, 0.01, "LIS3DH data sheet, current consumption of operating modes: 6 uA at 25 Hz")
_BOSCH_WATCH = _figure(0.008, 0.015, 0.04, "estimate: accelerometers of its kind in low-power mode, one or two samples")
_TDK_WATCH = _figure(0.01, 0.03, 0.07, "estimate: as the ICM-20602, second hand 57 uA at 100 Hz in low-power mode")
# In mA while it watches for motion
WATCH_MA = {
    "bmi160": _BOSCH_WATCH,
    "bmi270": _BOSCH_WATCH,
    "icm42688": _TDK_WATCH,
    "lsm6ds3trc": _figure(0.009, 0.015, 0.03, "second hand: accelerometer alone in low-power mode, 25 uA at 52 Hz"),
    "lsm6dsox": _LSM6_WATCH,
    "mpu6886": _TDK_WATCH,
    "lsm6dso32": _LSM6_WATCH,
    "ism330dhcx": _LSM6_WATCH,
    "lis3dh": _LIS_WATCH,
    "lis2dh12": _LIS_WATCH,
}
EVENTS_PER_DAY = _figure(5, 20, 100, "estimate: how often it moves; schedule.trigger.events_per_day says it better")
MOVES_S = _figure(2, 10, 60, "estimate: how long it moves each time, hold_s not counted")
USABLE = _figure(0.7, 0.85, 0.95, "estimate: of the printed capacity, after conversion, cold, age, brown-out voltage")
CLOCK_OFF = _figure(0.93, 1.0, 1.07, "LSM6DSOX and others' data sheets: output data rate within 7 % of nominal")


def sensor_ma(stream: dict) -> Figure | None:
    """What the sensor of a stream draws while it records, in mA; None when it is no part of the board's supply."""
    name = stream["driver"]
    if name in IMU_MA:
        both, accel = IMU_MA[name]
        return accel if stream["measure"] == ["accel"] else both
    if name == "pdm_mic":
        return PDM_MIC_MA
    return MIC_MA.get(stream["part"], ANY_MIC_MA) if name == "i2s_mic" else None
