"""ST LIS2DH12 (DocID025056): the registers, the identity and the FIFO of the LIS3DH, without the analog inputs."""

from .lis3dh import LIS3DH


class LIS2DH12(LIS3DH):
    """The chip, on I2C or SPI."""
