"""The plain twin of levels_viper.py (see app/levels.py)."""


def _at(view, i):
    value = view[2 * i] | view[2 * i + 1] << 8
    return value - 65536 if value > 32767 else value


def total(view, start, stride, n):
    result = 0
    while n:
        result += _at(view, start)
        start += stride
        n -= 1
    return result


def peak(view, start, stride, n, mean):
    result = 0
    while n:
        far = _at(view, start) - mean
        result = max(result, far, -far)
        start += stride
        n -= 1
    return result


def power(view, start, stride, n, mean, shift):
    result = 0
    while n:
        far = (_at(view, start) - mean) >> shift
        result += far * far
        start += stride
        n -= 1
    return result
