"""What the configuration's rules must know about each sensor. Board and laptop; facts only, no code.

A driver may not import this folder, so it keeps its own tables; `tests/config/test_chips.py` compares the two.
Sources: ST's LSM6DSOX data sheet (mechanical characteristics, serial interfaces, CTRL1_XL, CTRL2_G, FIFO_STATUS);
MicroPython's `machine.I2S` for the microphone.
"""

CHIPS = {
    "lsm6dsox": {
        "i2c_addresses": (0x6A, 0x6B),
        "spi_max_hz": 10000000,
        # Output data rates, and other roundings of them that documents use.
        "rates_hz": (12.5, 26, 52, 104, 208, 417, 833, 1667, 3333, 6667),
        "same_rate_hz": {416: 417, 1660: 1667, 1666: 1667, 3330: 3333, 3332: 3333, 6660: 6667, 6664: 6667},
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
