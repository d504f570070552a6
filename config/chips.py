"""What the configuration's rules must know about each sensor. Board and laptop; facts only, no code.

A driver may not import this folder, so it keeps its own tables; `tests/config/test_chips.py` compares the two. An IMU
or accelerometer is one entry:

`i2c_addresses`, `i2c_max_hz`; `spi_max_hz`: None = the chip has no SPI.
`rates_hz`: what any choice of sensors can do; `accel_only_rates_hz`, `gyro_only_rates_hz`: what one of them alone can
do besides; `divided_hz`: it also has this rate divided by 1 to 256; `same_rate_hz`: other roundings of its rates that
documents use.
`accel_ranges_g`, `gyro_ranges_dps`: without the latter it has no gyroscope.
`fifo_frames`, `bytes_on_bus`: frames that the FIFO holds, and bytes per frame read from it; of one sensor and of both.
`motion`: it can wake a board by its interrupt when something moves: above so many g at least, at most, and for at most
so many seconds. The MPU-6050 could, too, but its maker's own papers say 2 mg and 32 mg for a step of the threshold.
`config_bytes`: it runs only after a file of its maker's, of that size, was loaded into it.

Sources: the data sheets named in the drivers (mechanical or sensor specifications, serial interface, FIFO);
MicroPython's `machine.I2S` for the microphone.
"""

_G = (2, 4, 8, 16)
_DPS = (125, 250, 500, 1000, 2000)
_MPU_DPS = (250, 500, 1000, 2000)

_BMI = {
    "i2c_addresses": (0x68, 0x69),
    "i2c_max_hz": 1000000,
    "spi_max_hz": 10000000,
    "rates_hz": (25, 50, 100, 200, 400, 800, 1600),
    "accel_only_rates_hz": (0.78125, 1.5625, 3.125, 6.25, 12.5),
    "gyro_only_rates_hz": (3200,),
    "same_rate_hz": {0.78: 0.78125, 1.56: 1.5625, 3.13: 3.125},
    "accel_ranges_g": _G,
    "gyro_ranges_dps": _DPS,
    "bytes_on_bus": (6, 12),
}
_LSM6DSOX = {
    "i2c_addresses": (0x6A, 0x6B),
    "i2c_max_hz": 1000000,
    "spi_max_hz": 10000000,
    "rates_hz": (12.5, 26, 52, 104, 208, 417, 833, 1667, 3333, 6667),
    "same_rate_hz": {416: 417, 1660: 1667, 1666: 1667, 3330: 3333, 3332: 3333, 6660: 6667, 6664: 6667},
    "accel_ranges_g": _G,
    "gyro_ranges_dps": _DPS,
    "fifo_frames": (512, 256),
    "bytes_on_bus": (7, 14),
    "motion": (0.008, 1.96, 0.12),
}
_LIS3DH = {
    "i2c_addresses": (0x18, 0x19),
    "i2c_max_hz": 400000,
    "spi_max_hz": 10000000,
    "rates_hz": (1, 10, 25, 50, 100, 200, 400, 1344, 1600, 5376),
    "accel_ranges_g": _G,
    "fifo_frames": (32,),
    "bytes_on_bus": (6,),
    "motion": (0.016, 2.03, 5),
}

CHIPS = {
    "bmi160": dict(_BMI, fifo_frames=(170, 85), motion=(0.004, 1.99, 0.12)),
    "bmi270": dict(_BMI, fifo_frames=(341, 170), motion=(0.0005, 0.999, 5), config_bytes=8192),
    "icm42688": {
        "i2c_addresses": (0x68, 0x69),
        "i2c_max_hz": 1000000,
        "spi_max_hz": 24000000,
        "rates_hz": (12.5, 25, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000, 32000),
        "accel_only_rates_hz": (1.5625, 3.125, 6.25),
        "accel_ranges_g": _G,
        "gyro_ranges_dps": (15.625, 31.25, 62.5, 125, 250, 500, 1000, 2000),
        "fifo_frames": (256, 128),
        "bytes_on_bus": (8, 16),
        "motion": (0.004, 0.996, 0),
    },
    "ism330dhcx": dict(_LSM6DSOX, gyro_ranges_dps=_DPS + (4000,)),
    "lis2dh12": _LIS3DH,
    "lis3dh": _LIS3DH,
    "lsm6ds3trc": dict(
        _LSM6DSOX,
        i2c_max_hz=400000,
        rates_hz=(12.5, 26, 52, 104, 208, 416, 833, 1660, 3330, 6660),
        same_rate_hz={417: 416, 1666: 1660, 1667: 1660, 3332: 3330, 3333: 3330, 6664: 6660, 6667: 6660},
        fifo_frames=(682, 341),
        bytes_on_bus=(6, 12),
        motion=(0.031, 1.96, 0.12),
    ),
    "lsm6dso32": dict(_LSM6DSOX, accel_ranges_g=(4, 8, 16, 32), motion=(0.016, 1.96, 0.12)),
    "lsm6dsox": _LSM6DSOX,
    "mpu6050": {
        "i2c_addresses": (0x68, 0x69),
        "i2c_max_hz": 400000,
        "spi_max_hz": None,
        "divided_hz": 1000,
        "gyro_only_rates_hz": (8000, 4000, 2666.67, 2000, 1600, 1333.33, 1142.86),
        "accel_ranges_g": _G,
        "gyro_ranges_dps": _MPU_DPS,
        "fifo_frames": (170, 85),
        "bytes_on_bus": (6, 12),
    },
    "mpu6886": {
        "i2c_addresses": (0x68, 0x69),
        "i2c_max_hz": 400000,
        "spi_max_hz": 10000000,
        "divided_hz": 1000,
        "gyro_only_rates_hz": (8000,),
        "accel_ranges_g": _G,
        "gyro_ranges_dps": _MPU_DPS,
        # A temperature comes with every frame.
        "fifo_frames": (128, 73),
        "bytes_on_bus": (8, 14),
        "motion": (0.004, 1.02, 0),
    },
    "i2s_mic": {
        "min_rate_hz": 8000,
        "max_rate_hz": 48000,
        "max_shift": 24,
        # machine.I2S receives two 32-bit slots per frame, whatever was asked for.
        "i2s_frame_bytes": 8,
        # The usual shift, and the rates that the part's clock limits allow (64 clocks per frame): INMP441 table 3,
        # ICS-43434's low-power and high-performance mode, SPH0645 1.024 to 4.096 MHz.
        "parts": {
            "inmp441": {"shift": 14, "rates_hz": ((7800, 50000),)},
            "ics43434": {"shift": 13, "rates_hz": ((6250, 18750), (23000, 51600))},
            "sph0645": {"shift": 13, "rates_hz": ((16000, 64000),)},
        },
    },
    # 64 bits make a frame; a DMA channel of the RP2040 wraps around 32 KB at most.
    "pdm_mic": {
        "min_rate_hz": 8000,
        "max_rate_hz": 48000,
        "max_gain_bits": 6,
        "ring_bytes": (1024, 2048, 4096, 8192, 16384, 32768),
        "ring_frame_bytes": 8,
    },
    "host_mic": {"min_rate_hz": 8000, "max_rate_hz": 48000},
}
