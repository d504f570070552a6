"""ST LSM6DSO32, after its data sheet DS13281: the registers, rates, time stamp and FIFO of the LSM6DSOX.

It differs in its full scales of 4, 8, 16 and 32 g, which only the wake-up function applies: the counts come from the
source as they are.
"""

from .lsm6dsox import LSM6DSOX


class LSM6DSO32(LSM6DSOX):
    """The chip; WHO_AM_I is the LSM6DSOX's."""

    FULL_SCALES_G = (4, 32, 8, 16)
