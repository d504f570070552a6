"""ST ISM330DHCX, after its data sheet DS13012: the registers, rates, time stamp and FIFO of the LSM6DSOX.

It differs in its identity, and in a full scale of 4000 deg/s, which no model applies: the counts come from the source
as they are.
"""

from .lsm6dsox import LSM6DSOX


class ISM330DHCX(LSM6DSOX):
    """The chip."""

    IDENTITY = 0x6B  # WHO_AM_I
