"""ISM330DHCX accelerometer and gyroscope (ST): the LSM6DSOX for industry, with a range of 4000 deg/s more.

Registers, bits and sensitivities are those of the data sheet DS13012.
"""

from drivers.lsm6dsox import LSM6DSOX


class ISM330DHCX(LSM6DSOX):
    """As LSM6DSOX. ``gyro_range_dps`` 125, 250, 500, 1000, 2000 or 4000."""

    NAME = "ISM330DHCX"
    IDENTITY = 0x6B
    GYRO = dict(LSM6DSOX.GYRO)
    GYRO[4000] = (0x01, 140e-3)  # FS_4000
