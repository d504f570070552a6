"""Machine-code kernels (see app/levels.py). Importing it raises where the port has no emitter for its chip."""

import micropython


@micropython.viper
def total(view: ptr16, start: int, stride: int, n: int) -> int:  # noqa: F821
    result = 0
    while n:
        value = int(view[start])
        if value > 32767:
            value -= 65536
        result += value
        start += stride
        n -= 1
    return result


@micropython.viper
def peak(view: ptr16, start: int, stride: int, n: int, mean: int) -> int:  # noqa: F821
    result = 0
    while n:
        far = int(view[start])
        if far > 32767:
            far -= 65536
        far -= mean
        if far < 0:
            far = 0 - far
        if far > result:
            result = far
        start += stride
        n -= 1
    return result


@micropython.viper
def power(view: ptr16, start: int, stride: int, n: int, mean: int, shift: int) -> int:  # noqa: F821
    result = 0
    while n:
        far = int(view[start])
        if far > 32767:
            far -= 65536
        far = (far - mean) >> shift
        result += far * far
        start += stride
        n -= 1
    return result
