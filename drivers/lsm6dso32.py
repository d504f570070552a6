"""LSM6DSO32 accelerometer and gyroscope (ST): the LSM6DSOX with ranges of up to 32 g.

Registers, bits and sensitivities are those of the data sheet DS13281.
"""

from drivers.lsm6dsox import LSM6DSOX


class LSM6DSO32(LSM6DSOX):
    """As LSM6DSOX, which it cannot be told from: the two have the same identity. ``accel_range_g`` 4, 8, 16 or 32."""

    NAME = "LSM6DSO32"
    ACCEL = {4: (0x00, 0.122e-3), 8: (0x08, 0.244e-3), 16: (0x0C, 0.488e-3), 32: (0x04, 0.976e-3)}
