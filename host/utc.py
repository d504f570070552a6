"""The board's clock -> UTC, from clock fixes.

A fix says that at `t_us` it was `utc_us`, give or take its uncertainty. Between fixes the board's clock runs at a rate
that is known from all of them, give or take a wander. So each fix leaves, at any other time, an interval that is wider
the farther away it is; the truth is in all of them. A poor fix beside a good one thereby counts for nothing, and beyond
the last fix the uncertainty grows.
"""

import numpy as np

from host.records import ClockFix

CRYSTAL = 50e-6  # a board's clock is as good as that (standard deviation) before anything is known about it
LEAST_WANDER = 1e-6  # temperature
MOST_WANDER = 300e-6  # fixes that need more to be true together are not all true


class UtcClock:
    """UTC on a board's clock. `fixes`: those that are used. `rate`: seconds of UTC per second of the board, less 1.
    `wander`: how far the rate may be off, from the uncertainties of the fixes and from how they disagree with it.

    Raises `ValueError` when no fix tells its uncertainty.
    """

    def __init__(self, fixes: list[ClockFix]):
        known = sorted({fix for fix in fixes if fix.uncertainty_us is not None})
        if not known:
            raise ValueError("no clock fix with an uncertainty")
        best = min(known, key=lambda fix: fix.uncertainty_us)
        self._t0, self._utc0 = best.t_us, best.utc_us  # everything counts from there: exact in float64
        t = np.array([fix.t_us - best.t_us for fix in known], float)
        offset = np.array([fix.utc_us - best.utc_us for fix in known], float) - t
        unsure = np.array([max(fix.uncertainty_us, 1) for fix in known], float)
        kept = _agreeing(t, offset, unsure)
        self.fixes = [fix for fix, keep in zip(known, kept, strict=True) if keep]
        self._t, self._unsure = t[kept], unsure[kept]
        self.rate, sigma = _rate(self._t, offset[kept], self._unsure)
        self._offset = offset[kept] - self.rate * self._t
        seen = _needed(self._t, self._offset, self._unsure).max()
        self.wander = max(LEAST_WANDER, 2 * sigma, 2 * seen)

    def utc_us(self, t_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(UTC in us since 1970, its uncertainty in us), float64, for times on the board's clock."""
        t = np.asarray(t_us, np.float64) - self._t0
        low, high = np.full(t.shape, -np.inf), np.full(t.shape, np.inf)
        for at, offset, unsure in zip(self._t, self._offset, self._unsure, strict=True):
            reach = unsure + self.wander * np.abs(t - at)
            low = np.maximum(low, offset - reach)
            high = np.minimum(high, offset + reach)
        return self._utc0 + (t + self.rate * t + (low + high) / 2), (high - low) / 2


def _needed(t: np.ndarray, offset: np.ndarray, unsure: np.ndarray) -> np.ndarray:
    """How far the rate must wander for each two fixes to be true together; matrix."""
    apart = np.abs(t[:, None] - t)
    excess = np.abs(offset[:, None] - offset) - unsure[:, None] - unsure
    return np.where(excess > 0, excess / np.maximum(apart, 1.0), 0.0)


def _agreeing(t: np.ndarray, offset: np.ndarray, unsure: np.ndarray) -> np.ndarray:
    """Mask of the fixes that can be true together: what contradicts most others goes, the less certain first."""
    kept = np.ones(len(t), bool)
    clash = _needed(t, offset, unsure) > MOST_WANDER
    while (counts := clash.sum(axis=1)).any():
        worst = np.lexsort((unsure, counts))[-1]
        kept[worst] = False
        clash[worst] = clash[:, worst] = False
    return kept


def _rate(t: np.ndarray, offset: np.ndarray, unsure: np.ndarray) -> tuple[float, float]:
    """(slope of the offsets, its standard deviation): weighted least squares, beginning from what a crystal is."""
    weight = unsure**-2
    t = t - np.average(t, weights=weight)
    precision = weight @ t**2 + CRYSTAL**-2
    return float(weight @ (t * offset)) / precision, precision**-0.5
