"""What the configuration's rules must know about each sensor. Board and laptop; facts only, no code.

A driver may not import this folder, so it keeps its own tables; `tests/config/test_chips.py` compares the two.
Sources: ST's LSM6DSOX data sheet (mechanical characteristics, serial interfaces, CTRL1_XL, CTRL2_G, FIFO_STATUS);
MicroPython's `machine.I2S` for the microphone.
"""

CHIPS = {
    "lsm6dsox": {
        "i2c_addresses": (0x6A, 0x6B),
        "spi_max_hz": 10000000,
        # Output data rates; the second spelling of each is the one that other documents round to.
        "rates_hz": (12.5, 26, 52, 104, 208, 416, 833, 1660, 3330, 6660),
        "rate_aliases_hz": {417: 416, 1666: 1660, 1667: 1660, 3333: 3330, 6667: 6660},
        "accel_ranges_g": (2, 4, 8, 16),
        "gyro_ranges_dps": (125, 250, 500, 1000, 2000),
        # A FIFO word is a tag and three int16: one word per measured sensor and frame.
        "fifo_words": 512,
        "word_bytes": 7,
        "axes": 3,
    },
    "i2s_mic": {
        "min_rate_hz": 8000,
        "max_rate_hz": 48000,
        "max_shift": 24,
        # machine.I2S receives two 32-bit slots per frame, whatever was asked for.
        "i2s_frame_bytes": 8,
    },
}
