"""Sums over one channel of a block of int16 frames, in viper where the port has it, else in plain Python.

`view`: the block's bytes; values `start`, `start + stride`, ... , n of them (at most 8192). None allocates.
`total`: their sum. `peak`: the largest distance from `mean`. `power`: the sum of the squares of
(value - mean) >> shift.
"""

try:
    from app.levels_viper import peak, power, total
except (ImportError, SyntaxError, ValueError, NotImplementedError):  # no emitter for this chip (or CPython)
    from app.levels_plain import peak, power, total

__all__ = ("peak", "power", "total")
