"""How far the blocks of a stream are from rest: what events are told by."""

from app.levels import peak, power, total

MEAN_SHIFT = 3  # the running mean moves by an eighth of its distance per block
MOST = 1 << 29


class Level:
    """`info`: the stream's StreamInfo; `kind`: "level" (largest deviation from the running mean) or "rms" (root mean
    square of a block's deviations), of the channels with the unit of the first one; `threshold`: in that unit.
    """

    def __init__(self, info, kind, threshold):
        self._stride = len(info.channels)
        self._channels = [i for i in range(self._stride) if info.units[i] == info.units[0]]
        self._threshold = max(1, round(threshold / info.scale[0]))
        self._is_rms = kind == "rms"
        self._means = [None for _ in self._channels]

    def is_reached(self, block):
        """-> whether the loudest channel of the next block reaches the threshold; the means follow. Heap-free."""
        return self._of(block.view, block.n_frames) >= self._threshold

    def _of(self, view, n):
        """-> the level in counts."""
        loudest = 0
        for k in range(len(self._channels)):
            start = self._channels[k]
            mean_now = total(view, start, self._stride, n) // n
            mean = self._means[k]
            if mean is None:
                mean = mean_now
            far = peak(view, start, self._stride, n, mean)
            if self._is_rms:
                shift = 0
                while (far >> shift) * (far >> shift) > MOST // n:
                    shift += 1
                far = _root(power(view, start, self._stride, n, mean, shift) // n) << shift
            if far > loudest:
                loudest = far
            self._means[k] = mean + ((mean_now - mean) >> MEAN_SHIFT)
        return loudest


def _root(n):
    """-> the integer square root."""
    if n < 2:
        return n
    x = n
    y = (x + 1) >> 1
    while y < x:
        x = y
        y = (x + n // x) >> 1
    return x
