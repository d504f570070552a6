"""LIS2DH12 accelerometer (ST): to this driver a LIS3DH."""

from drivers.lis3dh import LIS2DH12

__all__ = ("LIS2DH12",)
